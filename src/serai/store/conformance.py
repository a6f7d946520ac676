"""What every engine of the store must do: subclass, say how one is made, and let pytest run it.

class TestMyEngine(StoreConformance):
    def make(self) -> Driver: ...          # a new, empty store
    def again(self, driver: Driver) -> Driver: ...  # the same store once more, as another process would open it

What concerns the feed and history is in `serai.store.past_conformance`, and runs along.
"""

from __future__ import annotations

import asyncio

import msgspec

from serai.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from serai.store.audit_conformance import AuditConformance
from serai.store.conformance_kit import (
    WHO,
    WHY,
    Lamp,
    NewLamp,
    OldLamp,
    OtherKind,
    Owner,
    Relic,
    Shade,
    WiderShade,
    equal,
    refused,
)
from serai.store.contract import Delete, Holding, NewTask, Put, RawSpec, Transaction
from serai.store.past_conformance import PastConformance
from serai.store.tasks_holds import Rule

__all__ = ["Lamp", "NewLamp", "OldLamp", "StoreConformance"]


class StoreConformance(PastConformance, AuditConformance):
    """Each test is a promise of `serai.store.driver.Driver`, seen through a `Store`."""

    async def test_an_empty_store_has_an_identity_and_nothing_else(self) -> None:
        """The ID is the store's, not the connection's."""
        async with self.twice() as (one, two):
            equal(await one.identity(), await two.identity())
            equal(len(await one.identity()) >= 32, True)
            equal((await one.last_change(), await one.changes(0), await one.find(Lamp)), (0, [], []))
            await refused(NotFoundError, one.get(Lamp, "ada", "desk"))

    async def test_what_was_put_is_read_with_its_version_and_change(self) -> None:
        """And each write counts both on."""
        async with self.opened() as store:
            equal(await store.put(WHO, WHY, "ada", "desk", Lamp(watts=5)), 1)
            equal(await store.put(WHO, WHY, "ada", "hall", Lamp()), 2)
            equal(await store.put(WHO, WHY, "ada", "desk", Lamp(watts=6, colour="rød 💡")), 3)
            found = await store.get(Lamp, "ada", "desk")
            equal((found.spec, found.version, found.change), (Lamp(watts=6, colour="rød 💡"), 2, 3))
            equal((found.kind, found.tenant, found.name), ("lamp", "ada", "desk"))
            equal(found.raw, {"watts": 6, "colour": "rød 💡"})

    async def test_an_expected_version_that_does_not_hold_is_a_conflict(self) -> None:
        """Zero means that nothing may be there."""
        async with self.opened() as store:
            await refused(ConflictError, store.put(WHO, WHY, "ada", "desk", Lamp(), expect=1))
            await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)
            await refused(ConflictError, store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0))
            await store.put(WHO, WHY, "ada", "desk", Lamp(watts=2), expect=1)
            error = await refused(ConflictError, store.change(WHO, WHY, [Delete("lamp", "ada", "desk", 1)]))
            equal((error.fields["expected"], error.fields["version"]), (1, 2))
            await store.change(WHO, WHY, [Delete("lamp", "ada", "desk", 2)])
            await refused(NotFoundError, store.change(WHO, WHY, [Delete("lamp", "ada", "desk")]))
            await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)

    async def test_of_many_who_expect_the_same_version_one_wins(self) -> None:
        """Also where they were opened apart."""
        async with self.twice() as (one, two):
            await one.put(WHO, WHY, "ada", "desk", Lamp())
            tries = [s.put(WHO, WHY, "ada", "desk", Lamp(watts=n), expect=1) for n in range(20) for s in (one, two)]
            results = await asyncio.gather(*tries, return_exceptions=True)
            equal(sum(result == 2 for result in results), 1)
            equal(sum(isinstance(result, ConflictError) for result in results), len(tries) - 1)
            equal(await one.last_change(), 2)

    async def test_a_transaction_is_all_or_nothing(self) -> None:
        """A refused one leaves no number unused and no task behind."""
        async with self.opened() as store:
            bad = (
                Put("ada", "desk", Lamp()),
                NewTask(function="light"),
                Delete("lamp", "ada", "nowhere"),
            )
            await refused(NotFoundError, store.apply(Transaction(WHO, WHY, bad)))
            equal((await store.last_change(), await store.find(Lamp)), (0, []))
            good = (Put("ada", "desk", Lamp()), NewTask(function="light"), Put("ada", "desk", Lamp(watts=2)))
            done = await store.apply(Transaction(WHO, WHY, good))
            equal((done.changes, done.versions, len(done.tasks)), ([1, 2], [1, 2], 1))

    async def test_nothing_is_written_into_a_tenant_that_was_deleted(self) -> None:
        """Not even at the same moment; what outlives tenants is, and so is what comes back with one."""
        async with self.twice() as (one, two):
            await one.put(WHO, WHY, "ada", "before", Lamp())  # this store knew no tenants yet
            await one.put(WHO, WHY, "ada", "ada", Owner())
            lamps = [(one, two)[n % 2].put(WHO, WHY, "ada", f"n{n}", Lamp()) for n in range(20)]
            ends = two.change(WHO, WHY, [Delete(Owner.KIND, "ada", "ada")])
            results = await asyncio.gather(*lamps[:10], ends, *lamps[10:], return_exceptions=True)
            equal({type(one) for one in results if isinstance(one, Exception)} <= {NotFoundError}, True)
            [gone] = [each for each in await one.changes(0) if each.kind == Owner.KIND and each.spec is None]
            equal([each for each in await one.changes(gone.number) if each.kind == Lamp.KIND], [])
            await refused(NotFoundError, one.put(WHO, WHY, "ada", "desk", Lamp()))
            await refused(NotFoundError, one.change(WHO, WHY, [Put("ada", "desk", Lamp()), Put("bob", "x", Lamp())]))
            await one.put(WHO, WHY, "ada", "old", Relic())
            await one.change(WHO, WHY, [Put("ada", "desk", Lamp()), Put("ada", "ada", Owner(), 0)])
            equal((await two.get(Lamp, "ada", "desk")).version, 1)

    async def test_tasks_are_held_back_with_what_tells_of_it_or_not_at_all(self) -> None:
        """Pause, limit and the like belong to the transaction."""
        async with self.opened() as store:
            rows = store.driver.tasks
            pause = Holding(verb="pause", name="c", at=1.0)
            bad = (Put("ada", "desk", Lamp()), pause, Delete("lamp", "ada", "nowhere"))
            await refused(NotFoundError, store.apply(Transaction(WHO, WHY, bad)))
            equal((await store.last_change(), await store.driver.read(rows.pauses)), (0, []))
            down = Holding(verb="down", name="p", at=1.0)
            limit = Holding(verb="limit", scope="tenant", name="ada", rule=Rule(most=3), at=1.0)
            await store.apply(Transaction(WHO, WHY, (pause, Put("ada", "desk", Lamp()), down, limit)))
            [held] = await store.driver.read(rows.pauses)
            equal((held.channel, held.who, held.why), ("c", WHO, WHY))
            equal([one.state for one in await store.driver.read(rows.providers)], ["down"])
            equal([one.rule.most for one in await store.driver.read(rows.limits)], [3])
            ends = (Holding(verb="resume", name="c", at=2.0), Holding(verb="up", name="p", at=2.0))
            await store.apply(Transaction(WHO, WHY, (*ends, msgspec.structs.replace(limit, rule=Rule()))))
            equal(await store.driver.read(rows.pauses), [])
            equal([one.state for one in await store.driver.read(rows.providers)], ["resuming"])
            equal(await store.driver.read(rows.limits), [])

    async def test_a_conflict_fails_nobody_who_commits_at_the_same_time(self) -> None:
        """Numbers stay gap-free."""
        async with self.opened() as store:
            await store.put(WHO, WHY, "ada", "desk", Lamp())
            calls = [store.put(WHO, WHY, "ada", "desk" if n % 3 == 0 else f"n{n}", Lamp(), expect=0) for n in range(60)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            equal(sorted(r for r in results if isinstance(r, int)), list(range(2, 42)))
            equal([c.number for c in await store.changes(0)], list(range(1, 42)))

    async def test_finding_walks_tenants_and_names_in_order(self) -> None:
        """By tenant, by prefix, page by page."""
        async with self.opened() as store:
            keys = [
                ("", "base"),
                ("ada", "a"),
                ("ada", "a-b"),
                ("ada", "a.b"),
                ("ada", "ab"),
                ("ada-2", "a"),
                ("b", "z"),
            ]
            for tenant, name in reversed(keys):
                await store.put(WHO, WHY, tenant, name, Lamp())
                await store.put(WHO, WHY, tenant, name, OtherKind())
            found = [(r.tenant, r.name) for r in await store.find(Lamp)]
            equal(found, keys)
            equal([r.name for r in await store.find(Lamp, "ada")], ["a", "a-b", "a.b", "ab"])
            equal([r.name for r in await store.find(Lamp, "")], ["base"])
            equal([(r.tenant, r.name) for r in await store.find(Lamp, prefix="a-")], [("ada", "a-b")])
            equal([r.name for r in await store.find(Lamp, "ada", prefix="a", after="ada/a-b", limit=1)], ["a.b"])
            equal([r.tenant for r in await store.find(Lamp, after="ada/ab")], ["ada-2", "b"])
            equal(await store.find(Lamp, "ada", after="b/"), [])
            equal([r.name for r in await store.find(Lamp, "ada", after="/base", limit=1)], ["a"])
            equal(await store.find(Lamp, "ada", prefix="%"), [])

    async def test_an_export_walks_all_kinds_page_by_page(self) -> None:
        """Deleted ones are not in it."""
        async with self.opened() as store:
            for name in ("c", "a", "b"):
                await store.put(WHO, WHY, "ada", name, OtherKind())
                await store.put(WHO, WHY, "ada", name, Lamp())
            await store.change(WHO, WHY, [Delete("lamp", "ada", "b")])
            first = await store.export(limit=3)
            last = first[-1]
            rest = await store.export((last.kind, last.tenant, last.name))
            wanted = [("lamp", "a"), ("lamp", "c"), ("lantern", "a"), ("lantern", "b"), ("lantern", "c")]
            equal([(row.kind, row.name) for row in first + rest], wanted)

    async def test_old_and_new_code_share_a_store(self) -> None:
        """Upgraders one way, fields kept the other way, also those of a struct below."""
        async with self.twice() as (old, new):
            await old.put(WHO, WHY, "ada", "desk", OldLamp(watts=2, shade=None))
            found = await new.get(NewLamp, "ada", "desk")
            equal((found.spec, found.raw), (NewLamp(watts=2, lumen=160), {"watts": 2, "shade": None}))
            shade = WiderShade(cloth="silk", width=7)
            await new.put(WHO, WHY, "ada", "desk", NewLamp(watts=3, lumen=7, shade=shade))
            equal((await old.get(OldLamp, "ada", "desk")).spec, OldLamp(watts=3, shade=Shade(cloth="silk")))
            await old.put(WHO, WHY, "ada", "desk", OldLamp(watts=4, shade=Shade(cloth="wool")))
            spec = (await new.get(NewLamp, "ada", "desk")).spec
            equal(spec, NewLamp(watts=4, lumen=7, shade=WiderShade(cloth="wool", width=7)))
            equal([c.schema for c in await new.changes(0)], [1, 2, 2])
            equal((await new.diff(NewLamp, "ada", "desk", 1, 3))["lumen"], (160, 7))
            await old.restore(WHO, OldLamp, "ada", "desk", 2)
            equal((await new.get(NewLamp, "ada", "desk")).spec, NewLamp(watts=3, lumen=7, shade=shade))

    async def test_kinds_that_nobody_declared_are_read_raw(self) -> None:
        """By the kind's name."""
        async with self.opened() as store:
            await store.put(WHO, WHY, "ada", "desk", OldLamp(watts=2))
            await store.put(WHO, WHY, "ada", "desk", Lamp(watts=2))
            found = await store.get_any("evolving", "ada", "desk")
            equal((found.spec, found.raw), (RawSpec(), {"watts": 2, "shade": None}))
            equal([r.spec for r in await store.find_any("lamp")], [Lamp(watts=2)])
            await refused(InvalidError, store.put(WHO, WHY, "ada", "desk", found.spec))

    async def test_a_closed_store_is_unavailable(self) -> None:
        """Closing twice is fine."""
        async with self.opened() as store:
            await store.put(WHO, WHY, "ada", "desk", Lamp())
            await store.close()
            await refused(UnavailableError, store.get(Lamp, "ada", "desk"))
            await refused(UnavailableError, store.put(WHO, WHY, "ada", "desk", Lamp()))
