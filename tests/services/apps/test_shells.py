"""Shells from the agent's side: whose, how many, until when, and what is left when the agent dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from serai.cloud.visiting import Ended
from serai.errors import ConflictError, DeniedError, ExhaustedError, InvalidError, NotFoundError
from serai.identity import Principal
from serai.services.apps.agent import AgentConfig
from serai.services.apps.shell import Shell
from serai.services.apps.shells.door import at_door
from serai.services.apps.shells.wish import SUBJECT, Size, What, Wish

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
ADA, BOB = (Principal(kind="user", name=name) for name in ("ada", "bob"))


def wish(*command: str, app: str = "hello", tenant: str = "demo", **more: Any) -> Any:
    what = What(command=command, **more)
    whole = Wish(tenant=tenant, app=app, who="user:ada from 192.0.2.7", whose=ADA.id, what=what)
    return msgspec.to_builtins(whole)


async def opened(platform: Platform, *command: str, **more: Any) -> str:
    answer = await platform.ctx.bus.call(SUBJECT, wish(*command, **more), deadline=20)
    ident: str = answer["id"]
    return ident


async def heard(platform: Platform, ident: str) -> tuple[bytes, Ended]:
    said = b""
    async with asyncio.timeout(20), at_door(platform.ctx.home, "demo", "hello", ident, ADA) as caller:
        await caller.begin(0)
        async for piece in caller.pieces():
            if isinstance(piece, Ended):
                return said, piece
            said += piece.data
    raise AssertionError(said)


async def gone(platform: Platform) -> None:
    """Return when the store knows of no shell and the home has none."""
    async with asyncio.timeout(20):
        while await platform.store.find(Shell, "demo") or list((platform.ctx.home / "run/shells").iterdir()):
            await asyncio.sleep(0.02)


async def ready(platform: Platform) -> None:
    await platform.deploy("hello", platform.web_app())
    await platform.until("hello", {"hello.1.web.0": "ready"})


async def test_a_shell_is_told_of_in_the_history_from_its_start_to_its_end(platform: Platform) -> None:
    await ready(platform)
    script = "echo $APP_NAME $RELEASE $DATA_DIR $SECRET; pwd; exit 4"
    ident = await opened(platform, "sh", "-c", script)
    [record] = await platform.store.find(Shell, "demo")
    assert (record.spec.instance, record.spec.program, record.spec.terminal) == ("hello.1.web.0", "sh", False)
    said, ended = await heard(platform, ident)
    assert (said, ended.code) == (b"hello 1 /data\n/app\n", 4)
    async with at_door(platform.ctx.home, "demo", "hello", ident) as caller:
        await caller.end()
    await gone(platform)
    history = sorted(await platform.store.history(Shell, "demo", record.name), key=lambda one: one.change)
    assert (history[0].who, history[0].why) == ("user:ada from 192.0.2.7", "open a shell in hello.1.web.0 (sh)")
    assert history[1].who == f"host:{platform.ctx.host}"
    assert history[1].why.startswith("the shell in hello.1.web.0 ended: exit status 4, after ")
    assert script not in str(history)


async def test_only_whose_it_is_talks_to_a_shell(platform: Platform) -> None:
    await ready(platform)
    ident = await opened(platform, "cat")
    for tenant, app, shell, who in (
        ("demo", "hello", ident, BOB),
        ("other", "hello", ident, ADA),
        ("demo", "other", ident, ADA),
        ("demo", "hello", "0" * 16, ADA),
        ("demo", "hello", "../" + ident, ADA),
        ("demo", "hello", ident + "\n", ADA),
    ):
        with pytest.raises(NotFoundError):
            async with at_door(platform.ctx.home, tenant, app, shell, who):
                pass
    token = Principal(kind="token", name="x", user=ADA.id)
    async with at_door(platform.ctx.home, "demo", "hello", ident, token) as caller:
        assert await caller.type(0, b"") == 0


async def test_wishes_that_can_not_be_met_leave_nothing(platform: Platform) -> None:
    await ready(platform)
    for bad, error in (
        (wish("/no/such"), InvalidError),
        (wish("a\0b"), InvalidError),
        (wish(app="nothing"), ConflictError),
        (wish(tenant="other"), ConflictError),
        (wish(process="worker"), ConflictError),
        (wish(instance="hello.9.web.0"), NotFoundError),
        (wish(instance="other.1.web.0"), NotFoundError),
        (wish(app="../hello"), InvalidError),
        ({"tenant": 1}, InvalidError),
        ("x" * 1000, InvalidError),
    ):
        with pytest.raises(error):
            await platform.ctx.bus.call(SUBJECT, bad, deadline=20)
    await gone(platform)


async def test_shells_of_a_tenant_have_a_bound_and_may_be_turned_off(platform: Platform) -> None:
    await ready(platform)
    assert platform.agent is not None
    shells = platform.agent._shells
    shells._config = AgentConfig(shells_each=2)
    both = await asyncio.gather(opened(platform, "cat"), opened(platform, "cat", terminal=Size()))
    with pytest.raises(ExhaustedError, match="2 shells"):
        await opened(platform, "cat")
    async with at_door(platform.ctx.home, "demo", "hello", both[0]) as caller:
        await caller.end()
    await heard(platform, both[0])
    await opened(platform, "cat")  # what has ended counts no more, though its end can still be heard
    shells._config = AgentConfig(shells_each=0)
    with pytest.raises(DeniedError):
        await opened(platform, "cat")


async def test_a_shell_outlives_its_agent_and_the_next_one_sees_it_off(platform: Platform) -> None:
    await ready(platform)
    ident, over = await opened(platform, "cat"), await opened(platform, "cat")
    await platform.crash_agent()
    with contextlib.suppress(NotFoundError):
        async with at_door(platform.ctx.home, "demo", "hello", over) as caller:
            await caller.end()
    async with at_door(platform.ctx.home, "demo", "hello", ident, ADA) as caller:
        assert await caller.type(0, b"still\n", last=True) == 6
    assert await heard(platform, ident) == (b"still\n", await _end(platform, ident))
    await platform.start_agent()
    await gone(platform)


async def _end(platform: Platform, ident: str) -> Ended:
    return msgspec.json.decode((platform.ctx.home / "run/shells" / ident / "exit.json").read_bytes(), type=Ended)


async def test_a_half_opened_shell_is_cleared_up_by_the_next_agent(platform: Platform) -> None:
    await ready(platform)
    await platform.crash_agent()
    half = platform.ctx.home / "run/shells" / ("0" * 16)
    half.mkdir()
    name = f"hello.{'1' * 16}"
    spec = Shell(app="hello", instance="hello.1.web.0", host=platform.ctx.host, who="user:ada")
    await platform.store.put("user:ada", "x", "demo", name, spec, expect=0)
    async with asyncio.timeout(10):
        while platform.ctx.replica.get(Shell, "demo", name) is None:
            await asyncio.sleep(0.02)
    await platform.start_agent()
    await gone(platform)


async def test_a_shell_ends_with_its_instance(platform: Platform) -> None:
    await ready(platform)
    ident = await opened(platform, "sh", "-c", "trap '' HUP TERM; sleep 100; sleep 100")
    assert platform.agent is not None
    for handle in await platform.driver.recover():
        await platform.driver.signal(handle, 9)
    _, ended = await heard(platform, ident)
    assert ended.reason == "stopped"
    await platform.agent.halt()
    await gone(platform)


async def test_a_host_that_halts_ends_its_shells(platform: Platform) -> None:
    await ready(platform)
    ident = await opened(platform, terminal=Size())
    assert platform.agent is not None
    await platform.agent.halt()
    with pytest.raises(NotFoundError):
        async with at_door(platform.ctx.home, "demo", "hello", ident, ADA):
            pass
    await gone(platform)
