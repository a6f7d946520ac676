"""How tasks of a channel follow each other."""

from __future__ import annotations

from serai.store.driver import Driver
from serai.store.tasks_conformance.bench import Bench, done, expect


class ChannelConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

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

    async def test_many_channels_go_on_at_once_each_by_its_own_rule(self, driver: Driver) -> None:
        """Acknowledge the heads of an ordinary, a wide, a paused and a delayed channel in one exchange."""
        bench = Bench(driver)
        await bench.limit("channel", "wide", most=2)
        names: dict[str, list[str]] = {}
        for channel in ("one", "wide", "paused", "later", "empty"):
            count = {"wide": 4, "empty": 1}.get(channel, 2)
            delay = 5 if channel == "later" else 0
            times = [0.0, *[bench.now + delay] * (count - 1)]
            names[channel] = [await bench.insert(channel=channel, tenant=channel, not_before=at) for at in times]
        heads = await bench.claim("b1")
        expect(len(heads) == 6, "each channel has a head, the wide one two")
        await bench.do(lambda tx: bench.rows.pause(tx, "paused", who="user:x", why="", now=bench.now))
        got = await bench.exchange("b1", *[done(task) for task in heads])
        expect(sorted(task.id for task in got.claimed) == sorted([names["one"][1], *names["wide"][2:]]), "wrong heads")
        expect(got.due == bench.now + 5, "the delayed one's time was not told")
        expect((await bench.get(names["paused"][1])).wait == "paused", "it waits for the end of the pause")
        bench.now += 5
        expect([task.id for task in await bench.claim("b1")] == [names["later"][1]], "its time has come")
        await bench.do(lambda tx: bench.rows.resume(tx, "paused", now=bench.now))
        expect([task.id for task in await bench.claim("b1")] == [names["paused"][1]], "the pause is over")
