"""From a folder to a release that serves, on the real driver; and what happens when it does not."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from serai.api.desk import keyring_of
from serai.cloud.descriptors import Route
from serai.errors import InvalidError
from serai.services.apps import actions, removal, switching
from serai.services.apps.log_stream import stream

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

    from serai.services.apps.launch import Place

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_a_folder_becomes_a_release_that_serves(platform: Platform) -> None:
    release = await platform.deploy("hello", platform.web_app())
    assert (release.state, release.reason) == ("live", ""), platform.notes
    assert release.recipe == "procfile"
    await platform.until("hello", {"hello.1.web.0": "ready"})
    [instance] = await platform.instances("hello")
    assert await platform.get(instance) == "release 1 of hello, None"
    routes = {route.name: route.spec for route in await platform.store.find(Route, "")}
    assert {name: route.release for name, route in routes.items()} == {
        "demo.localhost/hello/": 1,
        "demo.localhost/hello/1/": 1,
    }


async def test_the_next_release_takes_over_and_the_old_one_ends(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await platform.deploy("hello", platform.web_app())
    app = await platform.app("hello")
    assert (app.live, app.before) == ({"prod": 2}, {"prod": (1,)})
    await switching.stop(platform.work("hello"))
    await platform.until("hello", {"hello.2.web.0": "ready"})
    assert (await platform.release("hello", 1)).state == "built"
    rollout = await actions.rollback(platform.store, "user:test", "demo", "hello")
    await platform.go_live("hello", rollout.release, back=True)
    assert (await platform.app("hello")).live == {"prod": 1}
    assert (await platform.app("hello")).before == {"prod": ()}


async def test_a_promotion_of_what_was_live_before_is_undone_by_a_rollback(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await platform.deploy("hello", platform.web_app())
    await platform.go_live("hello", 1)
    assert (await platform.app("hello")).before == {"prod": (1, 2)}
    assert (await actions.rollback(platform.store, "user:test", "demo", "hello")).release == 2


@pytest.mark.parametrize(
    ("mode", "status", "said"),
    [
        ("crash", 200, "exited with status 1"),
        ("hang", 200, "nothing listens"),
        ("", 500, "answered 500"),
    ],
)
async def test_a_release_that_does_not_work_fails_and_the_live_one_stays(
    platform: Platform, mode: str, status: int, said: str
) -> None:
    await platform.deploy("hello", platform.web_app())
    release = await platform.deploy("hello", platform.web_app(mode, status=status, start=1))
    assert release.state == "failed"
    assert said in release.reason
    assert "about to serve" in release.tail
    assert (await platform.app("hello")).live == {"prod": 1}
    await platform.until("hello", {"hello.1.web.0": "ready"})
    [instance] = await platform.instances("hello")
    assert "release 1" in await platform.get(instance)
    assert instance.spec.restarts == 0


async def test_what_nothing_fits_fails_with_what_was_looked_for(platform: Platform) -> None:
    release = await platform.deploy("hello", {"README": "nothing"})
    assert release.state == "failed"
    assert "Looked for" in release.reason
    assert await platform.instances("hello") == []


async def test_a_killed_instance_comes_back_and_says_so(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    [instance] = await platform.instances("hello")
    assert await platform.get(instance, "/exit") == ""
    for _ in range(500):
        [instance] = await platform.instances("hello")
        if instance.spec.restarts == 1 and instance.spec.state == "ready":
            break
        await asyncio.sleep(0.02)
    assert instance.spec.restarts == 1
    assert "release 1" in await platform.get(instance)


async def test_a_new_agent_finds_what_runs_and_leaves_it_alone(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    [before] = await platform.driver.recover()
    await platform.crash_agent()
    await platform.start_agent()
    await asyncio.sleep(0.5)
    [after] = await platform.driver.recover()
    assert (after.pid, after.started) == (before.pid, before.started)
    assert (await platform.states("hello")) == {"hello.1.web.0": "ready"}
    assert platform.agent.status() == {"ok": True, "reason": "", "instances": 1, "ready": 1}


async def test_scaling_adds_instances_and_lets_the_rest_go(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await actions.scale(platform.store, platform.site, "user:test", "demo", "hello", "web", 3)
    await platform.until("hello", {f"hello.1.web.{index}": "ready" for index in range(3)})
    await actions.scale(platform.store, platform.site, "user:test", "demo", "hello", "web", 1)
    await platform.until("hello", {"hello.1.web.0": "ready"})


async def test_a_setting_renews_the_instances(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await actions.set_env(platform.store, keyring_of(platform.ctx.home), "user:test", "demo", "hello", {"WORD": "new"})
    await switching.restart(platform.work("hello"))
    await platform.until("hello", {"hello.1.web.1": "ready"})
    [instance] = await platform.instances("hello")
    assert await platform.get(instance) == "release 1 of hello, new"


async def test_an_old_release_is_woken_and_goes_to_sleep_again(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await platform.deploy("hello", platform.web_app())
    await switching.stop(platform.work("hello"))
    assert await platform.ctx.bus.call("apps.wake", {"tenant": "demo", "app": "hello", "release": 1}) == {"made": True}
    await platform.until("hello", {"hello.1.web.0": "ready", "hello.2.web.0": "ready"})
    assert await platform.ctx.bus.call("apps.wake", {"tenant": "demo", "app": "hello", "release": 1}) == {"made": False}


async def test_a_deleted_app_leaves_nothing_but_its_data(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    folder = platform.ctx.home / "data/apps/demo/hello"
    (folder / "data/kept").write_text("x")
    await removal.delete_app(platform.store, platform.site, "user:test", "demo", "hello", confirm="hello")
    await switching.remove(platform.work("hello"), data=False)
    assert await platform.driver.recover() == []
    assert {path.name for path in folder.iterdir()} <= {"data", ".data.ext4"}
    await platform.driver.prepare(await _place(platform), 64)
    assert (folder / "data/kept").exists()
    assert await platform.store.find(Route, "") == []


async def test_an_instance_that_died_while_no_agent_looked_comes_back(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    [handle] = await platform.driver.recover()
    await platform.crash_agent()
    await platform.driver.signal(handle, 9)
    await platform.driver.wait(handle)
    await platform.start_agent()
    await platform.until("hello", {"hello.1.web.0": "failed"})
    await platform.until("hello", {"hello.1.web.0": "ready"})
    [instance] = await platform.instances("hello")
    assert instance.spec.restarts == 1


async def test_what_was_deleted_while_no_agent_looked_is_stopped(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await platform.crash_agent()
    await removal.delete_app(platform.store, platform.site, "user:test", "demo", "hello", confirm="hello")
    await platform.start_agent()
    for _ in range(500):
        if not await platform.driver.recover():
            break
        await asyncio.sleep(0.02)
    assert await platform.driver.recover() == []


async def test_a_halted_host_runs_nothing_and_its_next_agent_starts_it_again(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await platform.agent.halt()
    assert await platform.driver.recover() == []
    await platform.crash_agent()
    await platform.start_agent()
    for _ in range(500):
        if (await platform.driver.recover()) and await platform.states("hello") == {"hello.1.web.0": "ready"}:
            break
        await asyncio.sleep(0.02)
    [instance] = await platform.instances("hello")
    assert "release 1" in await platform.get(instance)


async def test_logs_are_told_by_the_agent_also_those_of_a_release_that_failed(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app("crash", start=5))
    lines = [line.text async for line in stream(platform.ctx.bus, "demo", "hello")]
    assert any("about to serve" in line for line in lines)
    assert any("it can't work" in line for line in lines)
    with pytest.raises(InvalidError):
        await platform.ctx.bus.call("apps.logs", {"tenant": "..", "app": "hello"})


async def test_the_data_folder_outlives_releases_and_has_a_limit(platform: Platform) -> None:
    files = platform.web_app()
    files["Procfile"] += "release: sh -c 'echo $RELEASE >> /data/seen; dd if=/dev/zero of=/data/big bs=1M count=40'\n"
    files["app.toml"] += "[resources]\ndisk_mb = 16\n"
    release = await platform.deploy("hello", files)
    if not platform.driver.hard:
        pytest.skip("this host can't mount volumes")
    assert release.state == "failed"
    assert "No space left" in release.tail
    data = platform.ctx.home / "data/apps/demo/hello/data"
    assert (data / "seen").read_text() == "1\n"


async def test_a_release_command_runs_once_with_the_data(platform: Platform) -> None:
    files = platform.web_app()
    files["Procfile"] += "release: sh -c 'echo $RELEASE >> /data/seen'\n"
    for number in (1, 2):
        assert (await platform.deploy("hello", files)).state == "live", number
    await platform.go_live("hello", 1)
    assert (platform.ctx.home / "data/apps/demo/hello/data/seen").read_text() == "1\n2\n"


async def _place(platform: Platform) -> Place:
    return await platform.work("hello").place()
