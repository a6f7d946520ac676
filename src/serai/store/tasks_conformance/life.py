"""How a task is inserted, claimed, and ends."""

from __future__ import annotations

import msgspec

from serai.errors import AlreadyExistsError, InvalidError, NotFoundError
from serai.store.contract import NewTask
from serai.store.driver import Driver
from serai.store.tasks import MAX_PAYLOAD
from serai.store.tasks_conformance.bench import Bench, done, expect


class LifeConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

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

    async def test_neither_priority_nor_providers_give_a_tenant_more_than_its_share(self, driver: Driver) -> None:
        """Order by priority within a tenant, and count all of its lanes as one."""
        bench = Bench(driver)
        for number in range(60):
            await bench.insert(tenant="loud", priority=1000, provider=f"p{number % 30}")
        for _ in range(20):
            await bench.insert(tenant="quiet", priority=-1000)
        quiet = 0
        for _ in range(10):
            claimed = await bench.claim("b1", slots=4)
            quiet += sum(task.tenant == "quiet" for task in claimed)
        expect(quiet >= 18, f"one of two tenants got {quiet} of 40")

    async def test_a_bot_gets_its_own_queues_only(self, driver: Driver) -> None:
        """Leave other hosts' tasks alone."""
        bench = Bench(driver)
        mine, other, general = [await bench.insert(queue=queue) for queue in ("host:a", "host:b", "any")]
        claimed = await bench.claim("b1", queues=("host:a", "any"))
        expect([task.id for task in claimed] == [mine, general], "wrong queues")
        expect((await bench.get(other)).state == "to_do", "another host's task was taken")

    async def test_a_delayed_task_waits_for_its_time(self, driver: Driver) -> None:
        """Tell when the next is due."""
        bench = Bench(driver)
        await bench.insert(not_before=bench.now + 30)
        await bench.enlist("b1")
        expect((await bench.exchange("b1")).due == bench.now + 30, "the time is not told")
        bench.now += 30
        expect(len((await bench.exchange("b1")).claimed) == 1, "its time has come")

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

    async def test_a_mebibyte_of_arguments_is_kept_and_an_octet_more_refused(self, driver: Driver) -> None:
        """Keep what is large beside its row, octet by octet."""
        bench = Bench(driver)
        most = MAX_PAYLOAD - len(msgspec.msgpack.encode({"x": "y" * (1 << 16)})) + (1 << 16)
        one = await bench.insert(arguments={"x": "y" * most})
        expect(len((await bench.get(one)).payload) == MAX_PAYLOAD, "not what was meant to be tried")
        more = NewTask(function="f", arguments={"x": "y" * (most + 1)})
        await bench.refused(InvalidError, lambda tx: bench.rows.insert(tx, more, who="user:x", now=bench.now))
        [task] = await bench.claim("b1")
        expect(task.arguments == {"x": "y" * most}, "the bot got something else")
        await bench.exchange("b1", done(task, outcome=task.payload))
        expect((await bench.get(one)).result == {"x": "y" * most}, "the result is something else")
