"""The agent's process is killed within each step of a deployment: the next one finishes it and leaves nothing over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serai.cloud.descriptors import Route
from serai.services.apps import actions
from serai.services.apps.git.source import Source
from serai.services.apps.rollout import Rollout
from serai.tasks import Tasks
from serai.tasks.clock import ClockSettings, TaskClock

if TYPE_CHECKING:
    from git_server import Server
    from tests.services.apps.conftest import Platform

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SCRIPT = Path(__file__).with_name("agent_process.py")
FIRST = "release: sh -c 'echo $RELEASE >> /data/prepared; sleep 1'\n"


def files(platform: Platform) -> dict[str, str]:
    """Return an app whose build and release command take long enough to be killed in their middle."""
    made = platform.web_app(more="[build]\ncommand = 'sleep 1'\n")
    made["Procfile"] += FIRST
    return made


async def agent(platform: Platform, function: str = "-", moment: str = "-", authorities: str = "") -> Process:
    arguments = (sys.executable, str(SCRIPT), str(platform.ctx.home), function, moment, authorities)
    return await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.DEVNULL)


async def finish(platform: Platform, rollout: Rollout) -> None:
    for task in rollout.tasks:
        over = await Tasks(platform.store, platform.ctx.bus).wait(task, 60)
        assert over.state == "done", (over.function, over.error)


@pytest.mark.parametrize(
    ("function", "moment"),
    [
        ("apps.build", "commit"),
        ("apps.build", "later"),
        ("apps.build", "end"),
        ("apps.start", "later"),
        ("apps.start", "end"),
        ("apps.check", "later"),
        ("apps.check", "end"),
        ("apps.switch", "commit"),
        ("apps.drain", "commit"),
        ("apps.stop", "later"),
        ("apps.stop", "end"),
    ],
)
async def test_a_deployment_goes_on_after_the_agent_was_killed(lasting: Platform, function: str, moment: str) -> None:
    clock = TaskClock(lasting.store, lasting.ctx.bus, settings=ClockSettings(lease=1.0))
    ticking = asyncio.create_task(clock.run())
    process = await agent(lasting)
    try:
        await finish(lasting, await lasting.upload("hello", lasting.web_app()))
        process.send_signal(signal.SIGKILL)
        await process.wait()
        process = await agent(lasting, function, moment)
        rollout = await lasting.upload("hello", files(lasting))
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
        process = await agent(lasting)
        await finish(lasting, rollout)
        await tidy(lasting)
    finally:
        ticking.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("moment", ["later", "commit", "end"])
async def test_a_fetch_begins_again_after_the_agent_was_killed(
    lasting: Platform, git_server: Server, publish: Callable[..., Path], moment: str
) -> None:
    publish("page", {"index.html": "hello"})
    # Each answer takes so long that the kill comes in the middle of a fetch.
    git_server.pause = 0.5 if moment == "later" else 0.0
    clock = TaskClock(lasting.store, lasting.ctx.bus, settings=ClockSettings(lease=1.0))
    ticking = asyncio.create_task(clock.run())
    authorities = str(git_server.root / "ca.pem")
    process = await agent(lasting, "apps.fetch", moment, authorities)
    try:
        upload = actions.Upload(app="hello", git=Source(url=f"https://localhost:{git_server.server_port}/page.git"))
        rollout = await actions.deploy(lasting.store, lasting.site, "user:test", "demo", upload)
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
        process = await agent(lasting, authorities=authorities)
        await finish(lasting, rollout)
        release = await lasting.release("hello", 1)
        assert (release.state, (Path(release.folder) / "index.html").read_text()) == ("live", "hello")
        folder = lasting.ctx.home / "data/apps/demo/hello"
        assert not {"fetch", "authorities.pem"} & {path.name for path in folder.iterdir()}
        running = {path.name for path in (lasting.ctx.home / "run/instances").iterdir() if path.is_dir()}
        assert {name for name in running if not name.startswith(".")} == set()
        assert [blob.id async for blob in lasting.blobs.list()] == [release.blob]
    finally:
        ticking.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def tidy(platform: Platform) -> None:
    """See that release 2 serves, and that there is nothing else."""
    await platform.until("hello", {"hello.2.web.0": "ready"})
    app, release = await platform.app("hello"), await platform.release("hello", 2)
    assert (app.live, app.before, release.state) == ({"prod": 2}, {"prod": (1,)}, "live")
    routes = {route.name: route.spec.release for route in await platform.store.find(Route, "")}
    assert routes == {"demo.localhost/hello/": 2, "demo.localhost/hello/1/": 1, "demo.localhost/hello/2/": 2}
    [instance] = await platform.instances("hello")
    assert await platform.get(instance) == "release 2 of hello, None"
    folder = platform.ctx.home / "data/apps/demo/hello"
    assert sorted(path.name for path in (folder / "releases").iterdir()) == ["1", "2"]
    # A command that was killed in its middle runs again: that is what a migration must stand.
    assert set((folder / "data/prepared").read_text().split()) == {"2"}
    running = {path.name for path in (platform.ctx.home / "run/instances").iterdir() if path.is_dir()}
    assert {name for name in running if not name.startswith(".")} == {"app.demo.hello.2.web.0"}
