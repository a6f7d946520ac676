"""How bots hold tasks, lose them and give them back."""

from __future__ import annotations

from serai.errors import ConflictError
from serai.store.driver import Driver
from serai.store.tasks import MAX_LOG_LINES, MAX_LOST, Note
from serai.store.tasks_conformance.bench import Bench, done, expect


class BotConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

    async def test_cancel_has_two_steps_where_a_task_runs(self, driver: Driver) -> None:
        """Ask, then let the bot say that it is over."""
        bench = Bench(driver)
        one = await bench.insert()
        [task] = await bench.claim("b1")
        expect(await bench.do(lambda tx: bench.rows.beat(tx, "b1")) == [], "nobody asked yet")
        expect(await bench.cancel(one) == await bench.cancel(one) == "to_cancel", "it is to be cancelled")
        expect(await bench.do(lambda tx: bench.rows.beat(tx, "b1")) == [task.number], "the bot was not told")
        await bench.exchange("b1", done(task, state="to_do"))
        expect((await bench.get(one)).state == "canceled", "a hand-back of what is to be cancelled cancels it")
        await bench.retry(one)
        [task] = await bench.claim("b1")
        await bench.cancel(one)
        await bench.exchange("b1", done(task))
        expect((await bench.get(one)).state == "done", "it was faster than the wish")
        await bench.refused(ConflictError, lambda tx: bench.rows.cancel(tx, one, who="x", why="", now=0.0))
        await bench.refused(ConflictError, lambda tx: bench.rows.retry(tx, one, who="x", why="", now=0.0))

    async def test_what_was_stopped_though_nobody_asked_for_it_is_handed_back(self, driver: Driver) -> None:
        """Take a bot's word that is late: it heard of a wish that was about an earlier run."""
        bench = Bench(driver)
        one, other = await bench.insert(), await bench.insert()
        [task, beside] = await bench.claim("b1", slots=2)
        got = await bench.exchange("b1", done(task, state="canceled"), done(beside), slots=0)
        expect(got.refused == [], "it holds both")
        expect((await bench.get(one)).state == "to_do", "nobody cancelled it")
        expect((await bench.get(other)).state == "done", "what was told with it was not taken")

    async def test_a_dead_bots_tasks_go_back_and_its_late_word_is_refused(self, driver: Driver) -> None:
        """Tell a claim from an earlier one."""
        bench = Bench(driver)
        one, two = await bench.insert(), await bench.insert()
        first, _ = await bench.claim("b1")
        await bench.cancel(two)
        stale = await bench.beat_of("b1")
        await bench.do(lambda tx: bench.rows.beat(tx, "b1"))
        expect(await bench.bury("b1", stale) == [], "a bot that beats was buried")
        expect(set(await bench.bury("b1", stale + 1)) == {one, two}, "tasks were not handed back")
        expect((await bench.get(two)).state == "canceled", "nobody is left to cancel it")
        await bench.refused(ConflictError, lambda tx: bench.rows.beat(tx, "b1"))
        [again] = await bench.claim("b2")
        expect((again.id, again.run, again.lost) == (one, 2, 1), "the re-run is not explained")
        await bench.enlist("b1")
        expect((await bench.exchange("b1", done(first))).refused == [first.number], "a lost run was acknowledged")
        expect((await bench.get(one)).state == "is_processing", "a lost run changed the task")

    async def test_a_task_that_kills_its_bots_ends_in_error(self, driver: Driver) -> None:
        """Stop poison."""
        bench = Bench(driver)
        one = await bench.insert(retries=99)
        for turn in range(MAX_LOST):
            expect(len(await bench.claim(f"b{turn}")) == 1, "it was not repeated")
            await bench.bury(f"b{turn}", await bench.beat_of(f"b{turn}"))
        dead = await bench.get(one)
        expect(dead.state == "error" and dead.error and "died" in dead.error["public"], "poison goes on")

    async def test_a_bot_that_leaves_hands_back_without_a_mark(self, driver: Driver) -> None:
        """Drain."""
        bench = Bench(driver)
        one = await bench.insert()
        await bench.claim("b1")
        expect(await bench.bury("b1", None) == [one], "it was not handed back")
        task = await bench.get(one)
        expect((task.state, task.lost, task.failures) == ("to_do", 0, 0), "leaving counts as dying")

    async def test_a_parked_task_waits_for_a_bot_that_knows_it(self, driver: Driver) -> None:
        """Keep an unknown function out of the way."""
        bench = Bench(driver)
        one = await bench.insert("new.thing")
        [task] = await bench.claim("b1")
        await bench.exchange("b1", done(task, state="to_do", park=True, why="unknown"))
        expect((await bench.get(one)).wait == "function", "the reason is not told")
        expect(await bench.claim("b2") == [], "it was not parked")
        expect([t.id for t in await bench.claim("b2", known=frozenset({"new.thing"}))] == [one], "it stays parked")

    async def test_parked_tasks_of_an_app_go_on_when_its_code_changed(self, driver: Driver) -> None:
        """Let an app's tasks try again, in their order, and nobody else's."""
        bench = Bench(driver)
        mine = [await bench.insert("jobs:f", tenant="t", app="a", channel="c") for _ in range(2)]
        theirs = await bench.insert("jobs:f", tenant="t", app="b")
        for task in await bench.claim("b1"):
            await bench.exchange("b1", done(task, state="to_do", park=True, why="unknown"))
        waits = [(await bench.get(one)).wait for one in (*mine, theirs)]
        expect(waits == ["function", "channel", "function"], "what is behind a parked one overtook it")
        expect(await bench.do(lambda tx: bench.rows.unpark(tx, "t", "a", now=bench.now)) == 1, "not one was let go")
        expect([task.id for task in await bench.claim("b1")] == mine[:1], "not the first of its channel came")
        expect((await bench.get(theirs)).wait == "function", "another app's came as well")
        expect(await bench.do(lambda tx: bench.rows.unpark(tx, "t", "a", now=bench.now)) == 0, "it counts what runs")

    async def test_what_runs_as_its_apps_code_changes_is_not_parked_after_that(self, driver: Driver) -> None:
        """Run it again: it looked at the code that was there before. The next time it has looked at what there is."""
        bench = Bench(driver)
        mine = await bench.insert("jobs:f", tenant="t", app="a")
        theirs = await bench.insert("jobs:f", tenant="t", app="b")
        both = await bench.claim("b1")
        await bench.do(lambda tx: bench.rows.unpark(tx, "t", "a", now=bench.now))
        parks = [done(task, state="to_do", park=True, why="unknown") for task in both]
        [again] = (await bench.exchange("b1", *parks)).claimed
        expect(again.id == mine, "another one came")
        expect((await bench.get(theirs)).wait == "function", "another app's was not parked")
        await bench.exchange("b1", done(again, state="to_do", park=True, why="unknown"))
        expect((await bench.get(mine)).wait == "function", "it is never parked again")
        await bench.do(lambda tx: bench.rows.unpark(tx, "t", "a", now=bench.now))
        [again] = await bench.claim("b1")
        await bench.do(lambda tx: bench.rows.unpark(tx, "t", "a", now=bench.now))
        expect((await bench.exchange("b1", done(again))).refused == [], "one that went well was refused")
        expect((await bench.get(mine)).state == "done", "it did not end")

    async def test_progress_and_log_lines_are_kept_bounded(self, driver: Driver) -> None:
        """Keep the newest lines, and only those of the run that the bot holds."""
        bench = Bench(driver)
        one = await bench.insert()
        [task] = await bench.claim("b1")
        lines = tuple((bench.now, f"line {n}") for n in range(MAX_LOG_LINES + 10))
        note = Note(number=task.number, run=task.run, progress=7.0, sentence="half", lines=lines)
        stale = Note(number=task.number, run=task.run + 1, progress=0.1, lines=((0.0, "stale"),))
        await bench.do(lambda tx: bench.rows.note(tx, "b1", [note, stale]))
        kept = await bench.do(lambda tx: bench.rows.log(tx, one, 0))
        expect([line.line for line in kept] == list(range(11, MAX_LOG_LINES + 11)), "not the newest are kept")
        expect(len(await bench.do(lambda tx: bench.rows.log(tx, one, MAX_LOG_LINES + 9))) == 1, "paging fails")
        expect((await bench.get(one)).progress == 1.0 and (await bench.get(one)).sentence == "half", "no progress")
