"""What every engine of the store must do for the audit."""

from __future__ import annotations

import msgspec

from serai.errors import InvalidError
from serai.store.audit import Audit, Refused, Wanted
from serai.store.conformance_kit import Lamp, OtherKind, Suite, equal, refused
from serai.store.contract import Delete


def attempt(number: int, tenant: str = "ada", who: str = "user:eve from 192.0.2.7") -> Refused:
    """Return an attempt to do something at second ``number``."""
    return Refused(
        at=float(number),
        who=who,
        action="lamp.write",
        tenant=tenant,
        app="",
        kind="lamp",
        name="desk",
        reason="no role",
    )


class AuditConformance(Suite):
    """Each test is a promise of `serai.store.driver.Driver`, seen through an `Audit`."""

    async def test_changes_are_found_by_who_where_what_and_when(self) -> None:
        """Newest first, wherever somebody asked from; a delete is one, too."""
        async with self.opened() as store:
            await store.put("user:ada", "one", "ada", "desk", Lamp())
            await store.put("user:ada from 192.0.2.7", "two", "ada", "desk", Lamp(watts=2))
            await store.put("user:adam from 192.0.2.7", "three", "bob", "desk", OtherKind())
            await store.change("user:bob", "four", [Delete("lamp", "ada", "desk")])
            audit = Audit(store)

            async def why(wanted: Wanted) -> list[str]:
                return [one.why for one in await audit.changes(wanted)]

            equal(await why(Wanted()), ["four", "three", "two", "one"])
            equal(await why(Wanted(who="user:ada")), ["two", "one"])
            equal(await why(Wanted(who="user:ada from 192.0.2.7")), ["two"])
            equal(await why(Wanted(tenant="ada", kind="lamp", name="desk")), ["four", "two", "one"])
            equal(await why(Wanted(tenant="")), [])
            equal(await why(Wanted(until=1.0)), [])
            [newest, third] = await audit.changes(Wanted(limit=2))
            equal((newest.change, newest.version, newest.deleted, newest.kind), (4, 3, True, "lamp"))
            equal((third.tenant, third.name, third.deleted), ("bob", "desk", False))
            equal(await why(Wanted(before=third.change)), ["two", "one"])

    async def test_refused_attempts_are_kept_in_order_and_found(self) -> None:
        """By tenant and by who, page after page, until they are pruned."""
        async with self.opened() as store:
            audit = Audit(store)
            await audit.refuse([attempt(1), attempt(2, "bob")])
            await audit.refuse([attempt(3, who="user:nobody"), attempt(4)])
            await audit.refuse([])
            found = await audit.refusals(Wanted())
            equal([one.at for one in found], [4.0, 3.0, 2.0, 1.0])
            equal([one.number for one in found] == sorted((one.number for one in found), reverse=True), True)
            equal(found[-1], msgspec.structs.replace(attempt(1), number=found[-1].number))
            equal([one.at for one in await audit.refusals(Wanted(tenant="ada", who="user:eve"))], [4.0, 1.0])
            equal([one.at for one in await audit.refusals(Wanted(before=found[1].number, limit=1))], [2.0])
            equal([one.at for one in await audit.refusals(Wanted(since=2.0, until=3.0))], [3.0, 2.0])
            equal(await audit.prune(4.0, 2), 2)
            equal(await audit.prune(4.0), 1)
            equal(await audit.prune(4.0), 0)
            equal([one.at for one in await audit.refusals(Wanted())], [4.0])

    async def test_what_attackers_write_is_kept_short_and_printable(self) -> None:
        """And what can't be looked for is refused."""
        async with self.opened() as store:
            audit = Audit(store)
            odd = Refused(
                at=1.0,
                who="user:\x00\r\n\ud800",
                action="a" * 9999,
                tenant="",
                app="'; --",
                kind="",
                name="é😀",
                reason="",
            )
            await audit.refuse([odd])
            [kept] = await audit.refusals(Wanted())
            equal((kept.who, len(kept.action), kept.app, kept.name), ("user:????", 400, "'; --", "é😀"))
            for wanted in (
                Wanted(who="\x00"),
                Wanted(tenant="A B"),
                Wanted(limit=0),
                Wanted(kind="?"),
                Wanted(before=0),
            ):
                await refused(InvalidError, audit.refusals(wanted))
