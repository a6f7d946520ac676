"""What happens while a provider is down."""

from __future__ import annotations

from typing import Any

from serai.store.driver import Driver
from serai.store.tasks import Finish, Provider, Task
from serai.store.tasks_conformance.bench import Bench, done, expect


def down(task: Task, provider: str = "p", **more: Any) -> Finish:
    """Say that a task's provider is down."""
    return done(task, state="to_do", provider=provider, why="unavailable: connection refused", **more)


async def condition(bench: Bench) -> Provider:
    """Return the only provider."""
    [provider] = await bench.do(bench.rows.providers)
    return provider


class ProviderConformance:
    """Each method is one promise of `serai.store.tasks.TaskRows`."""

    async def test_a_task_whose_provider_is_down_parks_with_its_fellows(self, driver: Driver) -> None:
        """Burn no retry, hold the others, let tasks of other providers pass."""
        bench = Bench(driver)
        names = [await bench.insert(provider="p") for _ in range(3)]
        other = await bench.insert(provider="q")
        [first] = await bench.claim("b1", slots=1)
        claimed = (await bench.exchange("b1", down(first))).claimed
        expect([task.id for task in claimed] == [other], "its fellows were not held, or another's were")
        waiting = await bench.get(names[0])
        expect((waiting.state, waiting.wait, waiting.failures) == ("to_do", "provider", 0), "it did not park")
        expect((await bench.get(names[2])).wait == "provider", "its fellow does not say why it waits")
        provider = await condition(bench)
        expect((provider.name, provider.state, provider.declared) == ("p", "down", False), "not listed as down")
        expect(provider.who == "bot:b1" and "refused" in provider.why, "who and why are lost")
        expect(provider.since == bench.now and provider.next_probe > bench.now, "no times")
        expect((await bench.exchange("b1")).due == provider.next_probe, "a bot is not told when to look")

    async def test_one_task_tries_and_then_more_and_more_resume(self, driver: Driver) -> None:
        """Probe at growing intervals, then resume gradually."""
        bench = Bench(driver)
        for _ in range(40):
            await bench.insert(provider="p")
        [task] = await bench.claim("b1", slots=1)
        await bench.exchange("b1", down(task), slots=0)
        waits = []
        for _ in range(3):
            due = (await condition(bench)).next_probe
            waits.append(due - bench.now)
            bench.now = due
            [probe] = await bench.claim("b1")
            expect(await bench.claim("b2") == [], "two probes at once")
            await bench.exchange("b1", down(probe), slots=0)
        expect(waits[0] < waits[1] < waits[2], "probes do not become rarer")
        bench.now = (await condition(bench)).next_probe
        running = await bench.claim("b1")
        widths = []
        while running:
            widths.append(len(running))
            finishes = [done(task) for task in running]
            running = (await bench.exchange("b1", *finishes, slots=100)).claimed
        expect(widths[:5] == [1, 1, 2, 4, 8] and sum(widths) == 40, f"not gradual: {widths}")
        expect((await condition(bench)).state in {"resuming", "up"}, "still down")

    async def test_a_provider_that_fails_while_it_resumes_is_down_again(self, driver: Driver) -> None:
        """Go back to probing."""
        bench = Bench(driver)
        for _ in range(4):
            await bench.insert(provider="p")
        [task] = await bench.claim("b1", slots=1)
        await bench.exchange("b1", down(task), slots=0)
        bench.now = (await condition(bench)).next_probe
        [probe] = await bench.claim("b1")
        bench.now += 1
        [task] = (await bench.exchange("b1", done(probe))).claimed
        expect((await condition(bench)).state == "resuming", "the probe was not believed")
        bench.now += 1
        expect((await bench.exchange("b1", down(task))).claimed == [], "something was let through")
        expect((await condition(bench)).state == "down", "it is not down again")

    async def test_people_declare_a_provider_down_and_up(self, driver: Driver) -> None:
        """Try nothing until they say so."""
        bench = Bench(driver)
        for _ in range(3):
            await bench.insert(provider="p")
        await bench.do(lambda tx: bench.rows.provider_down(tx, "p", who="user:x", why="they move", now=bench.now))
        provider = await condition(bench)
        expect(
            (provider.state, provider.declared, provider.who, provider.why) == ("down", True, "user:x", "they move"), ""
        )
        bench.now += 1e6
        expect(await bench.claim("b1") == [], "a declared one was tried")
        await bench.do(lambda tx: bench.rows.provider_up(tx, "p", who="user:x", why="they are back", now=bench.now))
        expect(len(await bench.claim("b1")) == 1, "it does not resume gradually")
        expect((await condition(bench)).state == "resuming", "not listed as resuming")

    async def test_a_registered_function_tries_instead(self, driver: Driver) -> None:
        """Insert its task when the time comes, and believe its end."""
        bench = Bench(driver)
        await bench.do(lambda tx: bench.rows.provider_probe(tx, "p", "p.check", now=bench.now))
        expect((await condition(bench)).probe == "p.check", "the probe is not listed")
        await bench.insert(provider="p")
        [task] = await bench.claim("b1")
        await bench.exchange("b1", down(task), slots=0)
        for verdict in ("error", "done"):
            expect(await bench.claim("b1") == [], "something was let through")
            bench.now = (await condition(bench)).next_probe
            [probe] = await bench.claim("b1")
            expect((probe.function, probe.arguments) == ("p.check", {"provider": "p"}), "another task tries")
            expect(await bench.claim("b2") == [], "two probes at once")
            await bench.exchange("b1", done(probe, state=verdict), slots=0)
        expect([t.id for t in await bench.claim("b1")] == [task.id], "its success was not believed")

    async def test_a_lost_probe_is_followed_by_another(self, driver: Driver) -> None:
        """Let no dead bot hold a provider down for ever."""
        bench = Bench(driver)
        await bench.insert(provider="p")
        [task] = await bench.claim("b1")
        await bench.exchange("b1", down(task), slots=0)
        bench.now = (await condition(bench)).next_probe
        await bench.claim("b1")
        await bench.bury("b1", await bench.beat_of("b1"))
        bench.now = (await condition(bench)).next_probe
        expect(len(await bench.claim("b2")) == 1, "nobody tries any more")

    async def test_an_error_may_name_another_provider(self, driver: Driver) -> None:
        """Park the task with that one's fellows; what began before the last change is no news."""
        bench = Bench(driver)
        one, two = await bench.insert(), await bench.insert()
        first, second = await bench.claim("b1")
        bench.now += 1
        await bench.exchange("b1", down(first, "p"), slots=0)
        expect((await bench.get(one)).provider == "p" and (await bench.get(one)).wait == "provider", "not parked")
        bench.now += 1
        await bench.do(lambda tx: bench.rows.provider_up(tx, "p", who="user:x", why="", now=bench.now))
        await bench.exchange("b1", down(second, "p"), slots=0)
        expect((await condition(bench)).state == "resuming", "old news shut it again")
        expect((await bench.get(two)).state == "to_do", "it is lost")
