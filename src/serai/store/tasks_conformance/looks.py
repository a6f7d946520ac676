"""How tasks are listed, told and forgotten."""

from __future__ import annotations

from typing import Any

from serai.errors import NotFoundError
from serai.store.driver import Driver
from serai.store.tasks import Filter
from serai.store.tasks_conformance.bench import Bench, done, expect


class LookConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

    async def test_lists_are_filtered_and_paged(self, driver: Driver) -> None:
        """Show newest first."""
        bench = Bench(driver)
        names = [await bench.insert(tenant="ab"[n % 2], app="x", parent="p" * (n % 2)) for n in range(10)]

        async def find(**wanted: Any) -> list[str]:
            return [task.id for task in await driver.read(lambda tx: driver.tasks.find(tx, Filter(**wanted)))]

        expect(await find() == names[::-1], "not all, newest first")
        expect(await find(tenant="b", app="x", state="to_do", parent="p") == names[:0:-2], "wrong filter")
        page = await driver.read(lambda tx: driver.tasks.find(tx, Filter(limit=4)))
        expect(await find(before=page[-1].number, limit=4) == names[5:1:-1], "wrong page")
        expect(await find(state="error") == await find(channel="c") == [], "something was found")

    async def test_what_waits_of_an_app_is_counted_up_to_a_bound(self, driver: Driver) -> None:
        """Count each task that has not begun, whatever it waits for."""
        bench = Bench(driver)
        for app in ("a", "a", "b", ""):
            await bench.insert(tenant="t", app=app)
        await bench.insert(tenant="u", app="a", channel="c")
        for fields in ({"not_before": bench.now + 9e9}, {"channel": "c"}):
            await bench.insert(tenant="t", app="a", **fields)

        async def count(tenant: str, app: str = "", most: int = 100) -> int:
            return await driver.read(lambda tx: driver.tasks.waiting(tx, tenant, app, most))

        counts = [await count("t", "a"), await count("t", "b"), await count("t"), await count("t", "a", 3)]
        expect(counts == [4, 1, 5, 3], f"not all that waits, and nothing else: {counts}")
        expect(await count("x") == await count("u", "b") == 0, "another's was counted")
        claimed = await bench.claim("b1", slots=1)
        expect(await count("t", claimed[0].app) == counts[claimed[0].app == "b"] - 1, "what runs was counted")

    async def test_what_is_long_over_is_forgotten(self, driver: Driver) -> None:
        """Delete finished tasks in steps, keep the living."""
        bench = Bench(driver)
        old, live = await bench.insert(), await bench.insert(not_before=bench.now + 9e9)
        [task] = await bench.claim("b1")
        await bench.exchange("b1", done(task))
        step = await bench.do(lambda tx: bench.rows.forget(tx, 0, bench.now + 1, 1))
        expect(step == task.number, "not told where it is")
        step = await bench.do(lambda tx: bench.rows.forget(tx, step, bench.now + 1, 10))
        expect(step == 0, "not told that it is at the end")
        await bench.refused(NotFoundError, lambda tx: bench.rows.get(tx, old))
        expect((await bench.get(live)).state == "to_do", "a living task was deleted")

    async def test_marks_of_schedules_are_kept(self, driver: Driver) -> None:
        """Set, move and forget a mark."""
        bench = Bench(driver)
        await bench.do(lambda tx: bench.rows.mark(tx, "acme/nightly", 5.0))
        await bench.do(lambda tx: bench.rows.mark(tx, "acme/nightly", 7.5))
        expect(await bench.do(bench.rows.marks) == {"acme/nightly": 7.5}, "the mark is lost")
        await bench.do(lambda tx: bench.rows.mark(tx, "acme/nightly", None))
        expect(await bench.do(bench.rows.marks) == {}, "the mark is not forgotten")

    async def test_a_story_tells_ordinary_and_other_moves_alike(self, driver: Driver) -> None:
        """Hand back, repeat, cancel: nothing is left out, nothing is told twice."""
        bench = Bench(driver)
        one = await bench.insert()
        expect(await bench.moves(one) == [("", "to_do")], "the insert is not told")
        [task] = await bench.claim("b1")
        bench.now += 1
        await bench.exchange("b1", done(task, state="to_do", why="handed back"), slots=0)
        bench.now += 1
        [task] = await bench.claim("b2")
        bench.now += 1
        await bench.exchange("b2", done(task, state="error", why="broken", error=b"\x80"), slots=0)
        await bench.retry(one)
        [task] = await bench.claim("b1")
        bench.now += 1
        await bench.exchange("b1", done(task), slots=0)
        story = await bench.do(lambda tx: bench.rows.story(tx, one))
        told = [(line.who, line.new, line.why, line.at - bench.now) for line in story]
        expect(
            told
            == [
                ("user:x", "to_do", "", -4.0),
                ("bot:b1", "is_processing", "", -4.0),
                ("bot:b1", "to_do", "handed back", -3.0),
                ("bot:b2", "is_processing", "", -2.0),
                ("bot:b2", "error", "broken", -1.0),
                ("user:x", "to_do", "try again", -1.0),
                ("bot:b1", "is_processing", "", -1.0),
                ("bot:b1", "done", "", 0.0),
            ],
            f"wrong story: {told}",
        )
