"""What was once at a release's own path is no path of the program's."""

from __future__ import annotations

from serai.cloud.descriptors import Route
from serai.services.edge.metrics import Counters
from serai.services.edge.routes import Release, Site, Target


def target(path: str, released: int = 0) -> Target:
    route = Route(tenant="demo", app="a", release=7, prefix=path, released=released)
    return Target(path.encode(), route, Release(("demo", "a", 7)), Counters())


def test_a_release_that_is_gone_is_not_its_apps_own_path() -> None:
    own = target("/a/", released=7)
    site = Site({b"/": target("/"), b"/a/": own, b"/a/7/": target("/a/7/")})
    kept, root = site.find(b"/a/7/x"), site.find(b"/3/")
    assert (kept.path if kept else b"", root.path if root else b"") == (b"/a/7/", b"/")
    for gone in (b"/a/3/", b"/a/3", b"/a/3/x/y", b"/a/1/7/"):
        assert site.find(gone) is None, gone
    for path in (b"/a/", b"/a", b"/a/8/", b"/a/03/", b"/a/3x/", b"/a/0/", b"/a/x/3/", b"/a/9999999999/"):
        assert site.find(path) is own, path
