"""Routes and instances that follow from an app's descriptors."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from serai.cloud.descriptors import Instance, Route
from serai.errors import InvalidError
from serai.services.apps import addresses, plan
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Domain, Process, Release
from serai.services.apps.picture import Picture
from serai.store import Delete, Put, Record

SITE = Site("here", "localhost")
WEB = Process(argv=("x",))


def record(kind: str, name: str, spec: Any, version: int = 1) -> Record[Any]:
    return Record(kind, "demo", name, version, 1, spec)


def release(number: int, state: str = "built", **fields: Any) -> Release:
    made = Release(app="hello", number=number, blob="", created=0, state=state, built=1, folder=f"/r/{number}")
    return replace(made, **{"processes": {"web": WEB}, **fields})


def wanted(app: App, *releases: Release, domains: tuple[Record[Domain], ...] = ()) -> dict[str, Route]:
    return addresses.routes(SITE, "demo", record("app", "hello", app), {one.number: one for one in releases}, domains)


def test_each_release_that_works_and_each_environment_has_an_address() -> None:
    app = App(live={"prod": 1, "staging": 2})
    found = wanted(app, release(1, "live"), release(2, "live"), release(3, "failed"), release(4, "building"))
    assert {name: one.release for name, one in found.items()} == {
        "demo.localhost/hello/": 1,
        "demo.localhost/hello/1/": 1,
        "demo.localhost/hello/2/": 2,
        "demo.localhost/hello~staging/": 2,
    }
    assert found["demo.localhost/hello~staging/"].prefix == "/hello~staging/"
    assert all(Route.NAME.match(name) for name in found)


def test_a_domain_shows_its_environment_at_the_root_and_is_kept_while_nothing_is_live() -> None:
    domain = record("domain", "www.example.test", Domain(app="hello"))
    found = wanted(App(live={"prod": 1}), release(1, "live"), domains=(domain,))
    assert found["www.example.test/"].prefix == "/"
    assert found["www.example.test/"].release == 1
    assert wanted(App(), domains=(domain,))["www.example.test/"].release == 0


def test_static_files_have_addresses_of_their_own() -> None:
    site = release(1, "live", processes={}, static={"/": "public"})
    found = wanted(App(live={"prod": 1}), site)
    assert found["demo.localhost/hello/"].target == "static"
    assert found["demo.localhost/hello/"].folder == "/r/1/public"
    both = wanted(App(live={"prod": 1}), release(1, "live", static={"/static/": "assets"}))
    assert both["demo.localhost/hello/"].target == "instances"
    assert both["demo.localhost/hello/1/static/"].folder == "/r/1/assets"
    assert both["demo.localhost/hello/1/static/"].prefix == "/hello/1/static/"


def test_static_paths_too_deep_for_an_address_are_refused() -> None:
    addresses.check_static("hello", {"/": "", "/a/b/": "x"})
    with pytest.raises(InvalidError):
        addresses.check_static("hello", {"/a/b/c/": "x"})


def test_only_what_differs_is_written() -> None:
    same, old = wanted(App(live={"prod": 1}), release(1, "live")), wanted(App(), release(9))
    existing = {name: record("route", name, route, 7) for name, route in (same | old).items()}
    assert addresses.changes(existing, same) == (Delete("route", "", "demo.localhost/hello/9/", 7),)
    moved = wanted(App(live={"prod": 2}), release(1), release(2, "live"))
    names = {put.name: put.expect for put in addresses.changes(existing, moved) if isinstance(put, Put)}
    assert names == {"demo.localhost/hello/": 7, "demo.localhost/hello/2/": 0}


def picture(app: App, releases: list[Release], instances: dict[str, Instance]) -> Picture:
    return Picture(
        site=SITE,
        tenant="demo",
        app=record("app", "hello", app),
        releases={one.number: record("release", f"hello.{one.number}", one) for one in releases},
        instances=[record("instance", name, spec) for name, spec in instances.items()],
        domains=[],
        routes={},
        schedules={},
    )


def instance(number: int, **fields: Any) -> Instance:
    return Instance(**{"app": "hello", "release": number, "host": "here", "state": "ready", **fields})


def test_the_live_release_gets_its_instances_and_all_others_drain() -> None:
    app = App(live={"prod": 2}, scale={"web": 2}, host="here")
    found = picture(app, [release(1), release(2, "live")], {"hello.1.web.0": instance(1), "hello.2.web.0": instance(2)})
    operations = {put.name: put.spec.wanted for put in plan.settle(found, {2}) if isinstance(put, Put)}
    assert operations == {"hello.2.web.1": "running", "hello.1.web.0": "draining"}


def test_those_that_do_not_serve_leave_first() -> None:
    app = App(live={"prod": 1}, scale={"web": 1}, host="here")
    instances = {"hello.1.web.0": instance(1, state="failed"), "hello.1.web.1": instance(1)}
    [put] = plan.settle(picture(app, [release(1, "live")], instances), {1})
    assert put.name == "hello.1.web.0"


def test_what_is_settled_stays_as_it_is() -> None:
    app = App(live={"prod": 1}, host="here")
    instances = {"hello.1.web.0": instance(1), "hello.1.web.1": instance(1, wanted="draining")}
    assert plan.settle(picture(app, [release(1, "live")], instances), {1}) == ()


def test_a_release_is_tried_with_one_instance_even_where_it_is_scaled_to_nothing() -> None:
    found = picture(App(scale={"web": 0}, host="here"), [release(1)], {})
    assert [put.name for put in plan.start(found, 1)] == ["hello.1.web.0"]
    assert plan.start(picture(App(host="here"), [release(1, processes={})], {}), 1) == ()


def test_an_app_that_pushes_has_a_stream_below_each_of_its_addresses() -> None:
    domain = record("domain", "www.example.test", Domain(app="hello"))
    found = wanted(App(live={"prod": 1}), release(1, "live", push=True), release(2), domains=(domain,))
    streams = {name for name, one in found.items() if one.target == "push"}
    assert streams == {"demo.localhost/hello/.push/", "demo.localhost/hello/1/.push/", "www.example.test/.push/"}
    assert all(Route.NAME.match(name) for name in streams)
