"""Tasks that come after others, keys that are given on, and tasks that must start in time."""

from __future__ import annotations

from functools import partial

from serai.errors import ConflictError, InvalidError, NotFoundError
from serai.store.contract import Backoff, NewTask
from serai.store.driver import Driver
from serai.store.tasks import MAX_LOST
from serai.store.tasks_conformance.bench import Bench, done, expect


class FlowConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

    async def test_a_join_runs_when_all_before_it_are_done_and_sees_their_results(self, driver: Driver) -> None:
        """Wait for a group, in order of naming, also where some are over before it is inserted."""
        bench = Bench(driver)
        names = [await bench.insert() for _ in range(3)]
        early, *rest = await bench.claim("b1")
        await bench.exchange("b1", done(early, outcome=b"\x01"), slots=0)
        join = await bench.insert("join", after=(names[2], names[0], names[1]))
        expect((await bench.get(join)).wait == "tasks", "what it waits for is not told")
        expect((await bench.exchange("b1", done(rest[0], outcome=b"\x02"))).claimed == [], "it did not wait for all")
        claimed = (await bench.exchange("b1", done(rest[1], outcome=b"\x03"))).claimed
        expect([task.id for task in claimed] == [join], "it does not run")
        ended = await bench.do(lambda tx: bench.rows.results(tx, join))
        expect(
            [(one.id, one.state, one.result) for one in ended]
            == [(names[2], "done", 3), (names[0], "done", 1), (names[1], "done", 2)],
            "",
        )

    async def test_what_comes_after_an_error_fails_or_runs_anyway(self, driver: Driver) -> None:
        """Follow a chain to its end, and a join that does not mind."""
        bench = Bench(driver)
        first = await bench.insert()
        second = await bench.insert(after=(first,))
        third = await bench.insert(after=(second,))
        anyway = await bench.insert(after=(first,), on_error="run")
        [task] = await bench.claim("b1")
        claimed = (await bench.exchange("b1", done(task, state="error", why="broken"))).claimed
        expect([task.id for task in claimed] == [anyway], "not the one that runs anyway")
        dead = await bench.get(third)
        expect(dead.state == "error" and dead.error and dead.error["code"] == "conflict", "the chain goes on")
        expect(await bench.moves(second) == [("", "to_do"), ("to_do", "error")], "wrong story")
        late = await bench.insert(after=(first,))
        expect((await bench.get(late)).state == "error", "one that comes too late waits for ever")

    async def test_a_join_hears_of_members_that_are_cancelled_or_kill_their_bots(self, driver: Driver) -> None:
        """Let nobody wait for what never ends well: fail, or run once all are over."""
        bench = Bench(driver)
        waiting, running, deadly = [await bench.insert(priority=3 - n) for n in range(3)]
        joins = [await bench.insert(after=(each,)) for each in (waiting, running, deadly)]
        whatever = await bench.insert(after=(waiting, running, deadly), on_error="run")
        await bench.cancel(waiting)
        expect((await bench.get(joins[0])).state == "error", "it waits for what was cancelled before it began")
        [task] = await bench.claim("b1", slots=1)
        await bench.cancel(running)
        expect((await bench.get(joins[1])).wait == "tasks", "what is to be cancelled is not over")
        await bench.exchange("b1", done(task, state="canceled"), slots=0)
        expect((await bench.get(joins[1])).state == "error", "it waits for what was cancelled while it ran")
        for turn in range(MAX_LOST):
            await bench.claim(f"d{turn}", slots=1)
            expect((await bench.get(whatever)).wait == "tasks", "not all were over")
            await bench.bury(f"d{turn}", await bench.beat_of(f"d{turn}"))
        expect((await bench.get(joins[2])).state == "error", "it waits for what kills its bots")
        expect([each.id for each in await bench.claim("b1")] == [whatever], "it was to run whatever happened")
        states = [each.state for each in await bench.do(lambda tx: bench.rows.results(tx, whatever))]
        expect(states == ["canceled", "canceled", "error"], "it can't see how they ended")

    async def test_a_chain_is_run_again_from_its_broken_link(self, driver: Driver) -> None:
        """Repeat the first, then the one after it."""
        bench = Bench(driver)
        first = await bench.insert()
        second = await bench.insert(after=(first,))
        await bench.cancel(first)
        expect((await bench.get(second)).state == "error", "its fellow is gone")
        await bench.refused(ConflictError, lambda tx: bench.rows.retry(tx, second, who="x", why="", now=bench.now))
        await bench.retry(first)
        await bench.retry(second)
        expect((await bench.get(second)).wait == "tasks", "it does not wait")
        [task] = await bench.claim("b1")
        expect([t.id for t in (await bench.exchange("b1", done(task))).claimed] == [second], "it did not come after")

    async def test_a_repeated_task_is_waited_for_again(self, driver: Driver) -> None:
        """Count each task before a join once."""
        bench = Bench(driver)
        one, two = await bench.insert(), await bench.insert()
        join = await bench.insert(after=(one, two), on_error="run")
        first, second = await bench.claim("b1")
        await bench.exchange("b1", done(first, state="error"), slots=0)
        await bench.retry(one)
        await bench.exchange("b1", done(second), slots=0)
        expect((await bench.get(join)).wait == "tasks", "it did not wait for the repeated one")
        [again] = await bench.claim("b1")
        expect([t.id for t in (await bench.exchange("b1", done(again))).claimed] == [join], "it does not run")

    async def test_cancelling_a_parent_cancels_waiting_children(self, driver: Driver) -> None:
        """Reach grandchildren, and leave alone what runs or is another tenant's."""
        bench = Bench(driver)
        running = await bench.insert(parent="root")
        await bench.claim("b1", slots=1)
        root = await bench.insert(id="root", after=(running,))
        child = await bench.insert(parent=root)
        grandchild = await bench.insert(parent=child)
        foreign = await bench.insert(parent=root, tenant="other")
        await bench.cancel(root)
        states = [(await bench.get(name)).state for name in (root, child, grandchild, foreign, running)]
        expect(states == ["canceled", "canceled", "canceled", "to_do", "is_processing"], f"wrong states: {states}")
        expect("root" in (await bench.do(lambda tx: bench.rows.story(tx, child)))[-1].why, "the story has no reason")

    async def test_a_task_comes_after_known_ones_of_its_tenant_only(self, driver: Driver) -> None:
        """Refuse foreign ones like unknown ones, and too many."""
        bench = Bench(driver)
        foreign = await bench.insert(tenant="other")
        for after in ((foreign,), ("nobody",)):
            task = NewTask(function="f", after=after)
            await bench.refused(NotFoundError, partial(bench.rows.insert, task=task, who="x", now=0.0))
        twice = NewTask(function="f", after=("a", "a"))
        await bench.refused(InvalidError, lambda tx: bench.rows.insert(tx, twice, who="x", now=0.0))

    async def test_a_waiting_task_of_a_channel_holds_up_nobody(self, driver: Driver) -> None:
        """Take a place in the channel only when it may run."""
        bench = Bench(driver)
        first = await bench.insert()
        after = await bench.insert(channel="c", after=(first,))
        free = await bench.insert(channel="c")
        [task, other] = await bench.claim("b1")
        expect({task.id, other.id} == {first, free}, "a waiting task holds its channel")
        expect((await bench.exchange("b1", done(task))).claimed == [], "two of a channel at once")
        expect([t.id for t in (await bench.exchange("b1", done(other))).claimed] == [after], "it is lost")

    async def test_a_key_may_be_given_on(self, driver: Driver) -> None:
        """Hold it while the task is live, or only while it waits."""
        bench = Bench(driver)
        live = await bench.insert(key="a", unique="live")
        waiting = await bench.insert(key="b", unique="waiting")
        expect(await bench.insert(key="a", unique="live") == live, "two live ones")
        expect(await bench.insert(key="b", unique="waiting") == waiting, "two waiting ones")
        one, two = await bench.claim("b1")
        expect(await bench.insert(key="a", unique="live") == live, "two live ones")
        second = await bench.insert(key="b", unique="waiting")
        expect(second != waiting, "a key was held by one that runs")
        await bench.exchange("b1", done(one, state="error"), done(two, state="to_do", why="handed back"), slots=0)
        next_live = await bench.insert(key="a", unique="live")
        expect(next_live != live, "a key was held by one that is over")
        await bench.refused(ConflictError, lambda tx: bench.rows.retry(tx, live, who="x", why="", now=bench.now))
        await bench.cancel(next_live)
        await bench.retry(live)
        expect(await bench.insert(key="a", unique="live") == live, "a repeated one did not get its key back")

    async def test_a_task_that_must_start_in_time_does_not_start_late(self, driver: Driver) -> None:
        """End it where it waits, wherever it does."""
        bench = Bench(driver)
        head = await bench.insert(channel="c", expires=bench.now + 5)
        behind = await bench.insert(channel="c", expires=bench.now + 5)
        delayed = await bench.insert(not_before=bench.now + 9, expires=bench.now + 5)
        [task] = await bench.claim("b1")
        expect(task.id == head, "it did not start in time")
        bench.now += 6
        expect((await bench.exchange("b1", done(task))).claimed == [], "it started late")
        for name in (behind, delayed):
            late = await bench.get(name)
            expect(late.state == "error" and late.error and late.error["code"] == "deadline", "it waits for ever")
        await bench.retry(behind)
        expect(len(await bench.claim("b1")) == 1, "a person's wish does not count")

    async def test_a_channel_goes_on_after_many_that_end_at_once_without_running(self, driver: Driver) -> None:
        """Let the next in after those that are too late, and those whose parent is canceled."""
        bench = Bench(driver)
        root = await bench.insert()
        await bench.claim("b0")
        for _ in range(3):
            await bench.insert(channel="c", expires=bench.now + 5)
            await bench.insert(channel="d", parent=root)
        after = [await bench.insert(channel=channel) for channel in "cd"]
        await bench.cancel(root)
        bench.now += 6
        expect([task.id for task in await bench.claim("b1")] == after, "a channel is stuck")

    async def test_a_backoff_is_kept_with_its_task(self, driver: Driver) -> None:
        """Read it where it is claimed."""
        bench = Bench(driver)
        backoff = Backoff(first=1.0, factor=3.0, longest=30.0, jitter=0.0)
        await bench.insert(backoff=backoff)
        [task] = await bench.claim("b1")
        expect(task.backoff == backoff, "the back-off is lost")
        odd = NewTask(function="f", backoff=Backoff(first=5.0, longest=1.0))
        await bench.refused(InvalidError, lambda tx: bench.rows.insert(tx, odd, who="x", now=0.0))
