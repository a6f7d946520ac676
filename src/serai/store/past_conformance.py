"""What every engine of the store must do with what was: the feed, history, and what is removed of them."""

from __future__ import annotations

import asyncio
import time

from serai.errors import InvalidError, NotFoundError
from serai.store.conformance_kit import WHO, WHY, Lamp, OtherKind, Suite, equal, refused
from serai.store.contract import Delete, Put
from serai.store.driver import Keep
from serai.store.store import Store

FUTURE = 1e12  # seconds since the epoch: all that was written is older


class PastConformance(Suite):
    """Each test is a promise of `serai.store.driver.Driver`, seen through a `Store`."""

    async def test_the_feed_tells_all_in_order_and_marks_its_past(self) -> None:
        """A delete has no spec; marks differ even where entries are alike."""
        async with self.opened() as store:
            await store.put(WHO, WHY, "ada", "desk", Lamp())
            await store.change(WHO, WHY, [Delete("lamp", "ada", "desk")])
            await store.put(WHO, WHY, "ada", "desk", Lamp())
            feed = await store.changes(0)
            equal([(c.number, c.version, c.spec is None) for c in feed], [(1, 1, False), (2, 2, True), (3, 3, False)])
            equal(len({c.mark for c in feed}), 3)
            equal(await store.changes(1, limit=1), feed[1:2])
            equal(await store.changes(3), [])

    async def test_history_outlives_deletion_and_can_be_restored(self) -> None:
        """Who, when, what and why of each version."""
        async with self.opened() as store:
            await store.put("user:ada", "bought", "ada", "desk", Lamp(watts=5))
            await store.put("user:bob", "saves\npower", "ada", "desk", Lamp(watts=3))
            await store.change("user:bob", "broken", [Delete("lamp", "ada", "desk")])
            history = await store.history(Lamp, "ada", "desk")
            told = [(r.version, r.change, r.who, r.why, r.deleted) for r in history]
            equal(
                told,
                [
                    (3, 3, "user:bob", "broken", True),
                    (2, 2, "user:bob", "saves\npower", False),
                    (1, 1, "user:ada", "bought", False),
                ],
            )
            equal([r.spec for r in history], [None, {"watts": 3, "colour": "white"}, {"watts": 5, "colour": "white"}])
            equal(await store.diff(Lamp, "ada", "desk", 1, 2), {"watts": (5, 3)})
            equal(await store.diff("lamp", "ada", "desk", 2, 3), {"watts": (3, None), "colour": ("white", None)})
            await refused(InvalidError, store.restore(WHO, Lamp, "ada", "desk", 3))
            await refused(NotFoundError, store.restore(WHO, Lamp, "ada", "desk", 9))
            equal(await store.restore(WHO, Lamp, "ada", "desk", 1), 4)
            found = await store.get(Lamp, "ada", "desk")
            equal((found.version, found.spec), (4, Lamp(watts=5)))
            equal(len(await store.history("lamp", "ada", "desk", limit=2)), 2)

    async def test_nothing_is_pruned_that_is_young_new_or_live(self) -> None:
        """Neither entries of the feed that must stay, nor the newest revisions, nor what was written since."""
        async with self.opened() as store:
            await write(store, 10)
            for keep in (
                Keep(feed=1, versions=1, since=FUTURE),
                Keep(feed=99, versions=10, since=FUTURE),
                Keep(feed=99, versions=1, since=0.0),
                Keep(feed=99, versions=1, since=FUTURE, kinds={"lamp": 0.0}),
            ):
                equal(await prune(store, keep), 0)
            equal((await store.first_change(), len(await store.changes(0))), (1, 10))

    async def test_pruning_removes_what_is_spent_a_few_at_a_time(self) -> None:
        """And leaves the descriptor, its newest revisions and the rest of the feed as they are."""
        async with self.opened() as store:
            await write(store, 10)
            feed = await store.changes(0)
            keep = Keep(feed=9, versions=4, since=FUTURE)
            equal(await store.prune(keep, 0, 4), (4, 4))
            equal((await store.first_change(), await store.changes(4)), (5, feed[4:]))
            equal(await store.prune(keep, 4, 4), (8, 2))
            equal(await store.prune(keep, 8, 4), (0, 0))
            equal((await store.first_change(), await store.changes(6)), (7, feed[6:]))
            equal([r.version for r in await store.history(Lamp, "ada", "desk")], [10, 9, 8, 7])
            equal((await store.get(Lamp, "ada", "desk")).spec, Lamp(watts=9))
            equal(await store.diff(Lamp, "ada", "desk", 8, 9), {"watts": (7, 8)})
            await refused(NotFoundError, store.restore(WHO, Lamp, "ada", "desk", 6))
            equal(await store.restore(WHO, Lamp, "ada", "desk", 7), 11)

    async def test_who_asks_for_pruned_changes_is_told(self) -> None:
        """Never is a feed returned that has a gap; the numbers go on as if nothing had gone."""
        async with self.twice() as (one, two):
            await write(one, 5)
            await one.put(WHO, WHY, "ada", "hall", OtherKind())
            equal(await prune(one, Keep(feed=99, versions=1, since=FUTURE)), 4)
            error = await refused(NotFoundError, two.changes(3))
            equal(error.fields["first"], 5)
            equal([change.number for change in await two.changes(4)], [5, 6])
            equal([row.change for row in await two.export()], [5, 6])
            equal(await two.put(WHO, WHY, "ada", "desk", Lamp(watts=7)), 7)
            equal((await one.get(Lamp, "ada", "desk")).version, 6)

    async def test_a_deletion_keeps_the_way_back_until_it_is_old_itself(self) -> None:
        """Then nothing is left of the name, and the next one begins at version 1."""
        async with self.opened() as store:
            await write(store, 3)
            await store.change(WHO, WHY, [Delete("lamp", "ada", "desk")])
            await store.put(WHO, WHY, "ada", "hall", Lamp())
            await store.put(WHO, WHY, "ada", "hall", OtherKind())
            equal(await prune(store, Keep(feed=99, versions=5, since=time.time() - 60)), 0)
            equal(await prune(store, Keep(feed=99, versions=2, since=FUTURE, kinds={"lamp": 0.0})), 0)
            equal(await prune(store, Keep(feed=99, versions=2, since=FUTURE)), 4)
            equal(await store.history(Lamp, "ada", "desk"), [])
            await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=0)
            found = await store.get(Lamp, "ada", "desk")
            equal((found.version, found.change), (1, 7))

    async def test_the_newest_change_stays_even_where_it_is_a_deletion(self) -> None:
        """The next change's number and mark follow from it."""
        async with self.opened() as store:
            await write(store, 3)
            await store.change(WHO, WHY, [Delete("lamp", "ada", "desk")])
            newest = await store.changes(3)
            equal(await prune(store, Keep(feed=99, versions=1, since=FUTURE)), 3)
            equal((await store.last_change(), await store.changes(3)), (4, newest))
            equal(await store.put(WHO, WHY, "ada", "desk", Lamp()), 5)

    async def test_writers_go_on_while_the_past_is_pruned(self) -> None:
        """Each step is a transaction of its own; no number is lost or given twice."""
        async with self.twice() as (one, two):
            await write(one, 40)

            async def sweep() -> int:
                return await prune(two, Keep(feed=30, versions=1, since=FUTURE), step=3)

            writes = [one.put(WHO, WHY, "ada", f"n{n}", Lamp()) for n in range(30)]
            removed, *numbers = await asyncio.gather(sweep(), *writes)
            equal((removed, sorted(numbers)), (29, list(range(41, 71))))
            equal([change.number for change in await two.changes(29)], list(range(30, 71)))


async def write(store: Store, count: int) -> None:
    """Write one descriptor again and again."""
    for number in range(count):
        await store.change(WHO, WHY, [Put("ada", "desk", Lamp(watts=number))])


async def prune(store: Store, keep: Keep, step: int = 4) -> int:
    """Prune to the end and return how many revisions went."""
    at, total = 0, 0
    while True:
        at, removed = await store.prune(keep, at, step)
        total += removed
        if at == 0:
            return total
