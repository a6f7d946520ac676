"""How many tasks run at once, and how many start in a time."""

from __future__ import annotations

from functools import partial

from serai.errors import InvalidError
from serai.store.driver import Driver
from serai.store.tasks import Rule
from serai.store.tasks_conformance.bench import Bench, done, expect


class LimitConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

    async def test_a_limit_of_a_tenant_holds_and_delays_nobody_else(self, driver: Driver) -> None:
        """Let two of one tenant run at once, over several bots, also those that ran before the limit."""
        bench = Bench(driver)
        names = [await bench.insert(tenant="a") for _ in range(6)]
        other = await bench.insert(tenant="b")
        [before] = await bench.claim("b0", slots=1)
        expect(before.id == names[0], "not the first")
        await bench.limit("tenant", "a", most=2)
        claimed = await bench.claim("b1")
        expect({task.id for task in claimed} == {names[1], other}, "more than the limit, or less, or a foreign one")
        expect(await bench.claim("b2") == [], "the limit is not one of all bots")
        expect((await bench.get(names[2])).wait == "limit", "what it waits for is not told")
        [limit] = await bench.do(bench.rows.limits)
        expect((limit.scope, limit.name, limit.rule.most, limit.running) == ("tenant", "a", 2, 2), "wrong list")
        expect((limit.who, limit.why) == ("user:x", "too many"), "who and why are lost")
        [third] = (await bench.exchange("b0", done(before))).claimed
        expect(third.id == names[2], "a freed place was not given on")
        expect((await bench.get(before.id)).ties == 0, "what is done counts for the limit")
        await bench.limit("tenant", "a")
        expect(len(await bench.claim("b2")) == 3, "the limit did not end")
        expect(await bench.do(bench.rows.limits) == [], "an ended limit is listed")

    async def test_a_wide_channel_runs_so_many_at_once_in_order(self, driver: Driver) -> None:
        """Widen a channel with waiting tasks, and make it narrow again."""
        bench = Bench(driver)
        names = [await bench.insert(channel="c") for _ in range(8)]
        await bench.limit("channel", "c", most=3)
        claimed = await bench.claim("b1")
        expect([task.id for task in claimed] == names[:3], "not the first three")
        more = (await bench.exchange("b1", done(claimed[0], state="error"), done(claimed[1]))).claimed
        expect([task.id for task in more] == names[3:5], "the next are not the next")
        await bench.limit("channel", "c")
        await bench.exchange("b1", done(claimed[2]), done(more[0]), slots=0)
        expect(await bench.claim("b2") == [], "two of a channel at once")
        expect([task.id for task in (await bench.exchange("b1", done(more[1]))).claimed] == [names[5]], "no next")

    async def test_a_narrowed_channel_calls_back_what_did_not_start(self, driver: Driver) -> None:
        """Take the places of tasks that were let in, the youngest first."""
        bench = Bench(driver)
        await bench.limit("channel", "c", most=4)
        names = [await bench.insert(channel="c") for _ in range(4)]
        await bench.limit("channel", "c", most=2)
        claimed = await bench.claim("b1")
        expect([task.id for task in claimed] == names[:2], "not the two oldest")
        expect((await bench.get(names[3])).wait == "channel", "it still waits elsewhere")

    async def test_what_comes_back_into_a_narrowed_channel_stands_in_line(self, driver: Driver) -> None:
        """Run one at a time again as soon as the wide time is over."""
        bench = Bench(driver)
        await bench.limit("channel", "c", most=2)
        names = [await bench.insert(channel="c") for _ in range(2)]
        first, second = await bench.claim("b1")
        await bench.limit("channel", "c", most=1)
        back = done(first, state="to_do", why="handed back")
        expect((await bench.exchange("b1", back)).claimed == [], "two of a channel at once")
        expect([t.id for t in (await bench.exchange("b1", done(second))).claimed] == names[:1], "it is lost")

    async def test_a_rate_is_kept_and_tells_when_to_look_again(self, driver: Driver) -> None:
        """Start two a second at most, whatever the bots ask for."""
        bench = Bench(driver)
        await bench.limit("provider", "p", rate=120.0, per=60.0, burst=2.0)
        for _ in range(7):
            await bench.insert(provider="p")
        expect(len(await bench.claim("b1")) == 2, "the burst is not the bucket")
        await bench.enlist("b2")
        got = await bench.exchange("b2")
        expect(got.claimed == [] and got.due is not None and abs(got.due - bench.now - 0.5) < 0.01, "no due time")
        bench.now += 0.51
        expect(len(await bench.claim("b2")) == 1, "the token did not come")
        bench.now += 100
        expect(len(await bench.claim("b2")) == 2, "more than the bucket holds")
        bench.now -= 50
        expect(await bench.claim("b2") == [], "a clock that went back gave tokens")
        bench.now += 1.01
        expect(len(await bench.claim("b2")) == 2, "a clock that went back took the rate away")

    async def test_a_rate_of_one_channel_holds_that_channel_only(self, driver: Driver) -> None:
        """Let tasks of the same tenant pass."""
        bench = Bench(driver)
        await bench.limit("channel", "c", most=10, rate=1.0, per=60.0)
        for _ in range(3):
            await bench.insert(channel="c", tenant="a")
        free = await bench.insert(tenant="a")
        expect(free in [task.id for task in await bench.claim("b1")], "a rate held what is not its own")
        expect(await bench.claim("b1") == [], "the rate was not kept")
        await bench.limit("channel", "c", most=10)
        expect(len(await bench.claim("b1")) == 2, "the rate did not end")

    async def test_two_limits_hold_both(self, driver: Driver) -> None:
        """Pass a tenant's and a provider's gate."""
        bench = Bench(driver)
        await bench.limit("tenant", "a", most=2)
        await bench.limit("provider", "p", most=3)
        for _ in range(4):
            await bench.insert(tenant="a", provider="p")
        for _ in range(4):
            await bench.insert(tenant="b", provider="p")
        first = await bench.claim("b1")
        expect(len(first) == 3, "the provider's limit was not kept")
        expect(sum(task.tenant == "a" for task in first) <= 2, "the tenant's limit was not kept")
        rest = first
        for _ in range(8):
            rest = (await bench.exchange("b1", *[done(task) for task in rest])).claimed
            expect(len(rest) <= 3 and sum(task.tenant == "a" for task in rest) <= 2, "a limit was not kept")
        counts = [limit.running for limit in await bench.do(bench.rows.limits)]
        expect(rest == [] and counts == [0, 0], "something is left")

    async def test_a_closed_lane_costs_its_tenant_no_share(self, driver: Driver) -> None:
        """Give a tenant whose provider is down as many as another one."""
        bench = Bench(driver)
        for provider in ("p", "q", "r"):
            await bench.do(partial(bench.rows.provider_down, name=provider, who="x", why="", now=bench.now))
        for number in range(80):
            await bench.insert(tenant="a", provider=("p", "q", "r", "")[number % 4])
            await bench.insert(tenant="b")
        claimed = [task for _ in range(6) for task in await bench.claim("b1", slots=4)]
        expect(10 <= sum(task.tenant == "a" for task in claimed) <= 14, "not a half for each")

    async def test_a_limit_outlives_lost_bots(self, driver: Driver) -> None:
        """Give the places of a dead bot to others."""
        bench = Bench(driver)
        await bench.limit("tenant", "a", most=1)
        await bench.insert(tenant="a")
        await bench.claim("b1")
        await bench.bury("b1", await bench.beat_of("b1"))
        expect(len(await bench.claim("b2")) == 1, "a dead bot keeps its place")

    async def test_limits_that_mean_nothing_are_refused(self, driver: Driver) -> None:
        """Check what people say."""
        bench = Bench(driver)
        for rule in (Rule(most=0), Rule(rate=0.0), Rule(rate=float("nan")), Rule(rate=1.0, per=0.0)):
            work = partial(bench.rows.limit, scope="tenant", name="a", rule=rule, who="x", why="", now=bench.now)
            await bench.refused(InvalidError, work)
