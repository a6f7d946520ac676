"""How many tasks of applications may wait."""

from __future__ import annotations

import asyncio
from typing import Any

from serai.errors import ExhaustedError, SeraiError
from serai.store.contract import Allowance, NewTask
from serai.store.driver import Batch, Driver
from serai.store.tasks_conformance.bench import Bench, done, expect


class QuotaConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

    async def test_of_many_who_insert_at_once_as_many_get_through_as_may_wait(self, driver: Driver) -> None:
        """Judge in the transaction: whoever comes next sees what the one before inserted."""
        bench = Bench(driver)
        allowances = (Allowance("t", "a", 50),)
        tries = [_apply(driver, bench.now, allowances, *_some(3)) for _ in range(40)]
        ends = await asyncio.gather(*tries, return_exceptions=True)
        refused = [end for end in ends if isinstance(end, ExhaustedError)]
        expect(len(ends) - len(refused) == 16, f"not as many as fit got through: {len(ends) - len(refused)}")
        expect(await _waiting(driver, "a") == 48, "of one that was refused something is there")
        expect(refused[0].fields == {"quota": "tasks", "needed": 51, "allowed": 50}, f"{refused[0].fields}")
        expect(not refused[0].temporary, "it would be tried again at once")

    async def test_apps_of_a_tenant_share_what_it_may_have(self, driver: Driver) -> None:
        """Count an app's own, and all of a tenant's; nobody else's, and nothing that is no app's."""
        bench = Bench(driver)
        both = (Allowance("t", "a", 3), Allowance("t", "", 4))
        await _apply(driver, bench.now, both, *_some(2), *_some(2, app="b"))
        await _apply(driver, bench.now, both, *_some(5, app=""), *_some(5, tenant="u"))
        expect(await _is_refused(driver, bench.now, both, *_some(1)), "more than all apps may have")
        expect(await _is_refused(driver, bench.now, (Allowance("t", "a", 3),), *_some(2)), "more than one may have")
        expect(not await _is_refused(driver, bench.now, (), *_some(1)), "refused though nothing bounds it")

    async def test_what_begins_or_ends_leaves_room_and_what_comes_back_takes_it(self, driver: Driver) -> None:
        """Count by what each move makes of a task."""
        bench = Bench(driver)
        one = (Allowance("t", "a", 1),)
        [name] = await _apply(driver, bench.now, one, *_some(1))
        [task] = await bench.claim("b1", slots=1)
        expect(not await _is_refused(driver, bench.now, one, *_some(1)), "what runs counts")
        await bench.exchange("b1", done(task, state="to_do", why="handed back"), slots=0)
        expect(await _waiting(driver, "a") == 2, "what came back does not count")
        expect(await bench.cancel(name) == "canceled" and await _waiting(driver, "a") == 1, "the canceled one counts")
        await bench.retry(name)
        expect(await _waiting(driver, "a") == 2, "what is run again does not count")
        await bench.claim("b1")
        expect(await _waiting(driver, "a") == 0, "something is left")
        beat = await bench.beat_of("b1")
        await bench.bury("b1", beat)
        expect(await _waiting(driver, "a") == 2, "what a dead bot held does not count")
        expect(await driver.read(bench.rows.miscounted) == [], "something was miscounted")

    async def test_a_second_insert_of_a_key_needs_no_room(self, driver: Driver) -> None:
        """Insert nothing, so refuse nothing."""
        bench = Bench(driver)
        one = (Allowance("t", "a", 1),)
        [first] = await _apply(driver, bench.now, one, *_some(1, key="k"))
        expect(await _apply(driver, bench.now, one, *_some(1, key="k")) == [first], "another was inserted")
        expect(await _is_refused(driver, bench.now, one, *_some(1, key="l")), "there was room")

    async def test_what_is_refused_may_be_kept_with_the_reason(self, driver: Driver) -> None:
        """Show it as an error, take no room, and let it run again."""
        bench = Bench(driver)
        task = NewTask(function="f", tenant="t", app="a", key="k", channel="c")

        async def refuse() -> str:
            return await bench.do(lambda tx: bench.rows.refuse(tx, task, who="clock", why="too many", now=bench.now))

        name = await refuse()
        expect(await refuse() == name, "it is there twice")
        told = await bench.do(lambda tx: bench.rows.story(tx, name))
        expect([(line.new, line.who, line.why) for line in told][1:] == [("error", "clock", "too many")], f"{told}")
        expect(await _waiting(driver, "a") == 0 and await bench.claim("b1") == [], "it waits")
        await bench.retry(name)
        expect([each.id for each in await bench.claim("b1")] == [name], "it can't be run again")


def _some(count: int, **fields: Any) -> list[NewTask]:
    return [NewTask(**{"function": "f", "tenant": "t", "app": "a", **fields}) for _ in range(count)]


async def _apply(driver: Driver, now: float, allowances: tuple[Allowance, ...], *tasks: NewTask) -> list[str]:
    batch = Batch(who="user:x", why="", when=now, operations=tasks, allowances=allowances)
    return (await driver.apply(batch)).tasks


async def _is_refused(driver: Driver, now: float, allowances: tuple[Allowance, ...], *tasks: NewTask) -> bool:
    try:
        await _apply(driver, now, allowances, *tasks)
    except SeraiError as error:
        return error.code == "exhausted"
    return False


async def _waiting(driver: Driver, app: str) -> int:
    return await driver.read(lambda tx: driver.tasks.waiting(tx, "t", app, 1000))
