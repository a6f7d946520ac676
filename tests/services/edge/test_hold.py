"""Requests that wait for an instance, and when waiting is in vain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serai.errors import ExhaustedError, NotFoundError, SeraiError, UnavailableError


async def test_a_request_is_held_until_an_instance_is_ready_and_the_agents_are_asked(stage) -> None:
    seen: list[Any] = []
    stage.route()
    await stage.start()
    waiting = asyncio.create_task(stage.get())
    while not stage.woken:
        await asyncio.sleep(0.01)
    assert stage.woken == [{"tenant": "demo", "app": "hello", "release": 1}]
    await stage.program(stage.recorder(seen))
    assert (await waiting).status == 200


async def test_a_request_is_held_no_longer_than_allowed(stage) -> None:
    stage.route()
    await stage.start(hold_seconds=0.1)
    answer = await stage.get()
    assert (answer.status, answer.fields["retry-after"]) == (503, "5")


async def test_too_many_held_requests_are_answered_at_once(stage) -> None:
    stage.route()
    await stage.start(max_held=1)
    first = asyncio.create_task(stage.get())
    await asyncio.sleep(0.1)
    assert (await stage.get()).status == 503
    first.cancel()


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (UnavailableError("Release 1 is failed.", temporary=False), 503),
        (ExhaustedError("Too many old releases are awake."), 503),
        (NotFoundError("There is no such release to run."), 404),
    ],
)
async def test_a_release_that_cannot_be_woken_is_not_waited_for(stage, refusal: SeraiError, status: int) -> None:
    stage.route()
    stage.refusal = refusal
    await stage.start(hold_seconds=60.0)
    async with asyncio.timeout(5):
        assert (await stage.get()).status == status
        assert (await stage.get()).status == status
    assert len(stage.woken) == 1  # it is believed for a moment


async def test_a_wake_that_may_succeed_later_is_waited_for(stage) -> None:
    stage.route()
    stage.refusal = UnavailableError("Nobody answers apps.wake.")
    await stage.start()
    waiting = asyncio.create_task(stage.get())
    while not stage.woken:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await stage.program(stage.recorder([]))
    assert (await waiting).status == 200


async def test_an_instance_that_comes_after_a_refusal_is_used_at_once(stage) -> None:
    stage.route()
    stage.refusal = NotFoundError("There is no such release to run.")
    await stage.start()
    assert (await stage.get()).status == 404
    await stage.program(stage.recorder([]))
    await asyncio.sleep(0.05)
    assert (await stage.get()).status == 200
