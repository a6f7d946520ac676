"""Chains and groups, inserted in one transaction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serai.errors import NotFoundError
from serai.store import NewTask
from serai.tasks import TaskContext, task
from serai.tasks.flow import chain, group


@task("number", short=True)
async def number(ctx: TaskContext, arguments: dict[str, Any]) -> int:
    return int(arguments["n"])


@task("total")
async def total(ctx: TaskContext, arguments: dict[str, Any]) -> int:
    return sum(one.result for one in await ctx.tasks.results(ctx.task.id))


async def test_a_join_gets_the_results_of_its_group(work, tasks) -> None:
    work(number, total)
    *members, join = await tasks.add_all("user:x", group([number.new({"n": n}) for n in range(5)], total.new()))
    assert (await tasks.wait(join, 5)).result == 10
    assert {(await tasks.get(member)).parent for member in members} == {join}


async def test_a_chain_hands_each_result_to_the_next(work, tasks) -> None:
    work(number, total)
    ids = await tasks.add_all("user:x", chain([number.new({"n": 7}), total.new(), total.new()]))
    assert (await tasks.wait(ids[-1], 5)).result == 7
    ends = [await tasks.get(identity) for identity in ids]
    assert [one.started for one in ends] == sorted(one.started for one in ends)


async def test_a_group_is_inserted_whole_or_not_at_all(tasks) -> None:
    tasks_of_group = group([NewTask(function="f"), NewTask(function="f", after=("nobody",))], NewTask(function="g"))
    with pytest.raises(NotFoundError):
        await tasks.add_all("user:x", tasks_of_group)
    assert await tasks.find() == []


async def test_limits_and_providers_are_listed_with_who_and_why(tasks) -> None:
    await tasks.limit("user:x", "tenant", "acme", most=2, why="too many")
    await tasks.provider_down("user:y", "mx", "they move")
    await tasks.provider_probe("mx", "mx.check")
    [limit], [provider] = await asyncio.gather(tasks.limits(), tasks.providers())
    assert (limit.rule.most, limit.who, limit.why) == (2, "user:x", "too many")
    assert (provider.state, provider.who, provider.why, provider.probe) == ("down", "user:y", "they move", "mx.check")
    await tasks.provider_up("user:y", "mx")
    assert (await tasks.providers())[0].state == "resuming"
