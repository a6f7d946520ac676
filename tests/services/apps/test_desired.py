from __future__ import annotations

from pathlib import Path

import msgspec

from serai.cloud.descriptors import Instance
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App, Process, Release
from serai.services.apps.desired import View
from serai.store import Change, Replica, Spec


class Feed:
    """Write descriptors into a replica, one change each."""

    def __init__(self, folder: Path) -> None:
        self.replica = Replica(folder, writable=True)
        self.number = 0

    def put(self, name: str, spec: Spec | bytes, kind: str = "") -> None:
        self.number += 1
        data = spec if isinstance(spec, bytes) else msgspec.msgpack.encode(spec)
        kind = kind or type(spec).KIND  # type: ignore[union-attr]
        self.replica.apply([Change(self.number, kind, "demo", name, 1, 1, data)])


def release(app: str) -> Release:
    return Release(app=app, number=1, blob="0" * 64, created=0.0, processes={"web": Process(argv=("/bin/true",))})


def test_a_release_that_cannot_be_read_leaves_the_other_apps_alone(tmp_path: Path) -> None:
    feed = Feed(tmp_path)
    feed.put("demo", Tenant(uid=1))
    for app in ("good", "bad"):
        feed.put(app, App(live={"prod": 1}))
        feed.put(f"{app}.1", release(app))
        feed.put(f"{app}.1.web.0", Instance(app=app, release=1, host="here"))
    view = View(feed.replica, "here")
    view.refresh()
    before = dict(view.desired)
    assert len(before) == 2
    feed.put("bad.1", msgspec.msgpack.encode({"app": 7}), Release.KIND)
    view.refresh()
    assert view.desired == before
    assert list(view.unreadable) == [("demo", "bad.1.web.0")]
    feed.put("bad.1", release("bad"))
    view.refresh()
    assert view.unreadable == {}
    feed.replica.close()
