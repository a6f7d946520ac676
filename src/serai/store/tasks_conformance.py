"""What every engine must do with rows of tasks, as tests: subclass `TaskConformance` and give it a fixture ``driver``.

``driver`` is an empty engine (`serai.store.driver.Driver`). Time is what each call says, so nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from serai.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, SeraiError
from serai.store.contract import NewTask
from serai.store.driver import Driver
from serai.store.tasks import (
    MAX_LOG_LINES,
    MAX_LOST,
    MAX_PAYLOAD,
    Exchange,
    Filter,
    Finish,
    Note,
    Task,
    TaskRows,
    Want,
)

T = TypeVar("T")


def expect(condition: object, sentence: str) -> None:
    """Fail with a sentence."""
    if not condition:
        raise AssertionError(sentence)


class Bench:
    """An engine with a clock that is set by hand and the calls that most tests make."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.rows: TaskRows[Any] = driver.tasks
        self.now = 1_000_000.0

    async def do(self, work: Callable[[Any], T]) -> T:
        """Run work in a transaction."""
        return await self.driver.write(work)

    async def insert(self, function: str = "f", **fields: Any) -> str:
        """Insert a task."""
        task = NewTask(function=function, **fields)
        return await self.do(lambda tx: self.rows.insert(tx, task, who="user:x", now=self.now))

    async def enlist(self, bot: str, *queues: str) -> None:
        """Make a bot known."""
        await self.do(lambda tx: self.rows.enlist(tx, bot, queues or ("any",), now=self.now))

    async def exchange(self, bot: str, *finishes: Finish, **want: Any) -> Exchange:
        """Acknowledge, and claim up to ten tasks of "any" unless told otherwise."""
        wanted = Want(**{"queues": ("any",), "slots": 10, **want})
        return await self.do(lambda tx: self.rows.exchange(tx, bot, finishes, wanted, now=self.now))

    async def claim(self, bot: str, **want: Any) -> list[Task]:
        """Claim, and enlist the bot where it is new."""
        if bot not in [row.name for row in await self.do(self.rows.bots)]:
            await self.enlist(bot)
        return (await self.exchange(bot, **want)).claimed

    async def get(self, task: str) -> Task:
        """Read a task."""
        return await self.driver.read(lambda tx: self.rows.get(tx, task))

    async def moves(self, task: str) -> list[tuple[str, str]]:
        """Return the transitions of a task."""
        return [(line.old, line.new) for line in await self.driver.read(lambda tx: self.rows.story(tx, task))]

    async def cancel(self, task: str) -> str:
        """Ask for a task to be cancelled."""
        return await self.do(lambda tx: self.rows.cancel(tx, task, who="user:x", why="not needed", now=self.now))

    async def retry(self, task: str) -> None:
        """Run a task again."""
        await self.do(lambda tx: self.rows.retry(tx, task, who="user:x", why="try again", now=self.now))

    async def bury(self, bot: str, beat: int | None) -> list[str]:
        """Strike a bot off."""
        return await self.do(lambda tx: self.rows.bury(tx, bot, beat, "it died", who="clock", now=self.now))

    async def beat_of(self, bot: str) -> int:
        """Return a bot's beat."""
        return next(row.beat for row in await self.do(self.rows.bots) if row.name == bot)

    async def refused(self, kind: type[SeraiError], work: Callable[[Any], Any]) -> None:
        """Expect an error."""
        try:
            await self.do(work)
        except kind:
            return
        raise AssertionError(f"{kind.__name__} should have been raised")


def done(task: Task, **more: Any) -> Finish:
    """Say that a task's run went well."""
    return Finish(**{"number": task.number, "run": task.run, "state": "done", **more})


class TaskConformance:
    """The suite; each method is one promise of `TaskRows`."""

    async def test_a_task_is_stored_claimed_once_and_done(self, driver: Driver) -> None:
        """Follow a task through its life."""
        bench = Bench(driver)
        one = await bench.insert(arguments={"a": [1, "é"]}, tenant="acme", app="shop")
        waiting = await bench.get(one)
        expect((waiting.state, waiting.wait, waiting.arguments) == ("to_do", "ready", {"a": [1, "é"]}), "wrong row")
        [task] = await bench.claim("b1")
        expect(task.id == one and task.arguments == {"a": [1, "é"]}, "wrong claim")
        expect((task.state, task.run, task.bot) == ("is_processing", 1, "b1"), "the claim does not say so")
        expect(await bench.claim("b2") == [], "it was claimed twice")
        bench.now += 5
        expect((await bench.exchange("b1", done(task, outcome=b"\x07"))).refused == [], "it was not acknowledged")
        over = await bench.get(one)
        expect((over.state, over.result, over.progress, over.bot) == ("done", 7, 1.0, ""), "wrong end")
        expect(over.finished == bench.now and over.started == bench.now - 5, "wrong times")
        moves = [("", "to_do"), ("to_do", "is_processing"), ("is_processing", "done")]
        expect(await bench.moves(one) == moves, "wrong story")
        story = await driver.read(lambda tx: driver.tasks.story(tx, one))
        expect([line.who for line in story] == ["user:x", "bot:b1", "bot:b1"], "the story does not say who")

    async def test_one_key_is_one_task_within_a_tenant(self, driver: Driver) -> None:
        """Insert twice with the same key."""
        bench = Bench(driver)
        first = await bench.insert(tenant="a", key="k")
        expect(await bench.insert(tenant="a", key="k", function="g") == first, "a second task was made")
        expect(await bench.insert(tenant="b", key="k") != first, "a key reaches into another tenant")
        [task, _] = await bench.claim("b1")
        await bench.exchange("b1", done(task))
        expect(await bench.insert(tenant="a", key="k") == first, "a key is forgotten with its task's end")

    async def test_ids_are_given_kept_and_unique(self, driver: Driver) -> None:
        """Take the caller's ID, once."""
        bench = Bench(driver)
        expect(await bench.insert(id="mine") == "mine", "the ID was changed")
        task = NewTask(function="f", id="mine")
        await bench.refused(AlreadyExistsError, lambda tx: bench.rows.insert(tx, task, who="x", now=0.0))
        await bench.refused(NotFoundError, lambda tx: bench.rows.get(tx, "other"))

    async def test_arguments_have_a_largest_size(self, driver: Driver) -> None:
        """Take a mebibyte, refuse more."""
        bench = Bench(driver)
        text = "x" * (MAX_PAYLOAD - 8)  # map of one, "a", str 32: 1 + 2 + 5 octets of head
        one = await bench.insert(arguments={"a": text})
        expect((await bench.get(one)).arguments == {"a": text}, "the largest arguments differ")
        [task] = await bench.claim("b1")
        expect(task.arguments == {"a": text}, "the bot got other arguments")
        large = NewTask(function="f", arguments={"a": text + "x"})
        await bench.refused(InvalidError, lambda tx: bench.rows.insert(tx, large, who="x", now=0.0))
        odd = NewTask(function="f", arguments={"a": object()})
        await bench.refused(InvalidError, lambda tx: bench.rows.insert(tx, odd, who="x", now=0.0))

    async def test_claims_follow_priority_then_turn(self, driver: Driver) -> None:
        """Take the urgent first."""
        bench = Bench(driver)
        names = [await bench.insert(priority=priority) for priority in (0, 5, 0, -1, 5)]
        expect([t.id for t in await bench.claim("b1")] == [names[i] for i in (1, 4, 0, 2, 3)], "wrong order")

    async def test_a_tenant_with_many_tasks_does_not_delay_another(self, driver: Driver) -> None:
        """Give each tenant its turn, also one that comes later."""
        bench = Bench(driver)
        for _ in range(50):
            await bench.insert(tenant="many")
        await bench.insert(tenant="few")
        expect([t.tenant for t in await bench.claim("b1", slots=2)] == ["many", "few"], "no turns")
        await bench.claim("b1", slots=20)
        late = await bench.insert(tenant="late")
        expect(late in [t.id for t in await bench.claim("b1", slots=2)], "a newcomer waits behind a backlog")

    async def test_a_bot_gets_its_own_queues_only(self, driver: Driver) -> None:
        """Leave other hosts' tasks alone."""
        bench = Bench(driver)
        mine, other, general = [await bench.insert(queue=queue) for queue in ("host:a", "host:b", "any")]
        claimed = await bench.claim("b1", queues=("host:a", "any"))
        expect([task.id for task in claimed] == [mine, general], "wrong queues")
        expect((await bench.get(other)).state == "to_do", "another host's task was taken")

    async def test_a_channel_runs_one_after_another_in_order(self, driver: Driver) -> None:
        """Hold all but the first, also while that one is delayed, retried or canceled."""
        bench = Bench(driver)
        names = [await bench.insert(channel="c", not_before=bench.now + (10 if n == 0 else 0)) for n in range(4)]
        expect(await bench.claim("b1") == [], "order was broken by a delay")
        bench.now += 11
        [first] = await bench.claim("b1")
        expect(first.id == names[0] and await bench.claim("b2") == [], "two of a channel at once")
        again = done(first, state="to_do", not_before=bench.now + 5, burn=True)
        expect((await bench.exchange("b1", again)).claimed == [], "order was broken by a retry")
        bench.now += 6
        [first] = await bench.claim("b2")
        expect(first.id == names[0] and first.failures == 1, "the retry is lost")
        expect(await bench.cancel(names[1]) == "canceled", "what waits is canceled at once")
        expect(await bench.claim("b1") == [], "cancelling one that waits let another start")
        [third] = (await bench.exchange("b2", done(first))).claimed
        expect(third.id == names[2], "the next is not the next")
        [last] = (await bench.exchange("b2", done(third, state="error"))).claimed
        expect(last.id == names[3], "an error stopped the channel")

    async def test_cancelling_a_head_lets_the_next_come(self, driver: Driver) -> None:
        """Advance a channel whose first task is canceled while it waits."""
        bench = Bench(driver)
        first, second = await bench.insert(channel="c", not_before=bench.now + 99), await bench.insert(channel="c")
        await bench.cancel(first)
        expect([task.id for task in await bench.claim("b1")] == [second], "the channel is stuck")

    async def test_a_repeated_old_task_never_runs_beside_its_channel(self, driver: Driver) -> None:
        """Put an ended task behind the one that runs."""
        bench = Bench(driver)
        old, running, waiting = [await bench.insert(channel="c") for _ in range(3)]
        [task] = await bench.claim("b1")
        [task] = (await bench.exchange("b1", done(task, state="error"))).claimed
        expect(task.id == running, "wrong head")
        await bench.retry(old)
        await bench.cancel(waiting)
        expect(await bench.claim("b2") == [], "two of a channel at once")
        expect([t.id for t in (await bench.exchange("b1", done(task))).claimed] == [old], "the repeated one is lost")

    async def test_a_paused_channel_starts_nothing(self, driver: Driver) -> None:
        """Pause and resume, with a reason that can be read."""
        bench = Bench(driver)
        await bench.insert(channel="c")
        await bench.do(lambda tx: bench.rows.pause(tx, "c", who="user:x", why="maintenance", now=bench.now))
        await bench.insert(channel="c")
        expect(await bench.claim("b1") == [], "a paused channel ran")
        expect([pause.why for pause in await bench.do(bench.rows.pauses)] == ["maintenance"], "the reason is lost")
        expect(await bench.do(lambda tx: bench.rows.resume(tx, "c", now=bench.now)), "there was a pause")
        expect(len(await bench.claim("b1")) == 1, "the channel did not go on")
        expect(not await bench.do(lambda tx: bench.rows.resume(tx, "c", now=bench.now)), "there is no pause")

    async def test_a_delayed_task_waits_for_its_time(self, driver: Driver) -> None:
        """Tell when the next is due."""
        bench = Bench(driver)
        await bench.insert(not_before=bench.now + 30)
        await bench.enlist("b1")
        expect((await bench.exchange("b1")).due == bench.now + 30, "the time is not told")
        bench.now += 30
        expect(len((await bench.exchange("b1")).claimed) == 1, "its time has come")

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

    async def test_short_tasks_come_in_batches_and_long_ones_in_slots(self, driver: Driver) -> None:
        """Give a bot what it has room for."""
        bench = Bench(driver)
        for number in range(20):
            await bench.insert("short" if number % 2 else "long")
        short = frozenset({"short"})
        claimed = await bench.claim("b1", slots=1, batch=5, short=short)
        expect([t.function for t in claimed] == ["long", *["short"] * 5], f"wrong mixture: {claimed}")
        claimed = await bench.claim("b1", slots=0, batch=2, short=short)
        expect([t.function for t in claimed] == ["short"] * 2, "no room for long ones")
        expect(len(await bench.claim("b1", slots=0, batch=0, short=short)) == 0, "no room at all")

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
