"""From names and paths to targets, and what happens when the replica is away."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from serai.cloud.descriptors import Route
from serai.services.edge.metrics import Counters, Metrics
from serai.services.edge.routes import Release, Site, Target


def target(path: str, prefix: str = "/") -> Target:
    route = Route(tenant="demo", app="a", release=1, prefix=prefix)
    return Target(path.encode(), route, Release(("demo", "a", 1)), Counters())


def test_the_longest_path_wins_and_segments_are_whole() -> None:
    site = Site({path.encode(): target(path) for path in ("/", "/a/", "/a/b/", "/a/b/c/d/")})
    for path, expected in {
        b"/": b"/",
        b"/ab": b"/",
        b"/a/": b"/a/",
        b"/a/bc": b"/a/",
        b"/a/b/c/x": b"/a/b/",
        b"/a/b/c/d/e/f/g": b"/a/b/c/d/",
        b"//a/": b"/",
        b"/a": b"/a/",  # only the final slash is missing
    }.items():
        found = site.find(path)
        assert found is not None
        assert found.path == expected, path


def test_without_a_root_other_paths_lead_nowhere() -> None:
    site = Site({b"/a/": target("/a/")})
    assert site.find(b"/b/c") is None
    assert site.find(b"*") is None


def test_a_prefix_is_taken_off_only_where_the_path_has_it() -> None:
    assert (target("/a/", "/a/").cut, target("/a/", "/a/").forward) == (2, b"X-Forwarded-Prefix: /a\r\n")
    assert (target("/a/", "/").cut, target("/a/", "/").forward) == (0, b"")
    assert target("/a/", "/other/").cut == 0


async def test_a_wildcard_leads_where_no_exact_name_does(stage) -> None:
    stage.route("*.test/", target="redirect", location="https://wild.example/")
    stage.route("a.test/", target="redirect", location="https://exact.example/")
    await stage.start()
    assert (await stage.get("/", "a.test")).fields["location"] == "https://exact.example/"
    assert (await stage.get("/", "b.test")).fields["location"] == "https://wild.example/"
    assert (await stage.get("/", "b.c.test")).status == 404


async def test_a_change_is_seen_at_once(stage) -> None:
    await stage.start()
    assert (await stage.get()).status == 404
    stage.route(target="redirect", location="https://new.example/")
    await stage.ctx.clock.sleep(0.05)
    assert (await stage.get()).status == 308


def test_the_figures_are_in_the_form_that_prometheus_reads() -> None:
    metrics = Metrics(lambda: {"connections": 3.0})
    metrics.app("demo", "shop").count(200, 10, 100, 0.0)
    metrics.app("demo", "shop").count(404, 0, 50, 0.0001)
    metrics.app("other", "shop").count(200, 0, 50, 0.5)
    metrics.nobody.count(404, 0, 50, 1e9)
    registry = CollectorRegistry()
    registry.register(metrics)
    value = registry.get_sample_value
    assert value("edge_requests_total", {"tenant": "demo", "app": "shop", "status": "2xx"}) == 1
    assert value("edge_requests_total", {"tenant": "", "app": "", "status": "4xx"}) == 1
    assert value("edge_octets_total", {"tenant": "demo", "app": "shop", "way": "out"}) == 150
    assert value("edge_latency_seconds_count") == 4
    assert value("edge_latency_seconds_bucket", {"le": "0.001"}) == 2
    assert value("edge_connections") == 3
