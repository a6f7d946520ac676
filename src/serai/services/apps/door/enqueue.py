"""How wishes become tasks: some at once, a group with one behind it, a chain; each in one transaction."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from serai.daemon.module import Context
from serai.errors import InvalidError, NotFoundError
from serai.services.apps.door import answers
from serai.services.apps.door.answers import Answer
from serai.services.apps.running import wishes
from serai.services.apps.running.room import room_of
from serai.services.apps.running.schedules import owner_of
from serai.services.apps.running.wishes import MAX_ITEMS, Wish
from serai.store.contract import NewTask
from serai.store.tasks_rules import new_id
from serai.tasks import Tasks, flow

if TYPE_CHECKING:
    from serai.services.apps.door.routes import Visit
    from serai.services.apps.door.visitor import Visitor


class Enqueue:
    """Insert tasks for applications."""

    def __init__(self, ctx: Context, tasks: Tasks) -> None:
        self._ctx = ctx
        self._tasks = tasks

    async def some(self, visit: Visit) -> Answer:
        """Enqueue ``{"items": […]}``, or one: all or none."""
        made = await self._tasks_of(visit, wishes.decode(visit.body))
        return await self._insert(visit, made)

    async def group(self, visit: Visit) -> Answer:
        """Enqueue ``items`` that run side by side, and ``then``, which runs when all of them are over.

        Where one of them did not end well, ``then`` is an error; with its ``on_error`` "run" it runs all the same.
        """
        plain = wishes.parse(visit.body)
        if unknown := plain.keys() - {"items", "then"}:
            raise InvalidError("There is no such field.", path=min(unknown)[:64])
        made = [named(one) for one in await self._tasks_of(visit, _items(plain))]
        if plain.get("then") is not None:
            [then] = await self._tasks_of(visit, (wishes.convert(plain["then"], "then"),))
            made = flow.group(made, named(then), on_error=then.on_error)
        return await self._insert(visit, made)

    async def chain(self, visit: Visit) -> Answer:
        """Enqueue ``items``, each of which runs when the one before is done; one that fails fails those behind."""
        plain = wishes.parse(visit.body)
        if unknown := plain.keys() - {"items"}:
            raise InvalidError("There is no such field.", path=min(unknown)[:64])
        made = [named(one) for one in await self._tasks_of(visit, _items(plain))]
        return await self._insert(visit, flow.chain(made))

    async def _tasks_of(self, visit: Visit, wanted: Sequence[Wish]) -> list[NewTask]:
        visitor = visit.visitor
        own = await owner_of(self._ctx, visitor.tenant, visitor.app)
        for name in {one.parent for one in wanted if one.parent} | {name for one in wanted for name in one.after}:
            await self._check_own(visitor, name)
        now = self._ctx.clock.now()
        return [wishes.new_task(one, own, now) for one in wanted]

    async def _check_own(self, visitor: Visitor, name: str) -> None:
        """Refuse a tie to a task that is not the application's, as what does not exist."""
        try:
            task = await self._tasks.get(name)
        except NotFoundError:
            raise NotFoundError("Nothing has that name.") from None
        if (task.tenant, task.app) != (visitor.tenant, visitor.app) or ":" not in task.function:
            raise NotFoundError("Nothing has that name.")

    async def _insert(self, visit: Visit, made: Sequence[NewTask]) -> Answer:
        visit.tasks.demand("tasks", len(made))
        why = "its application asked for it"
        visitor = visit.visitor
        done = await room_of(self._ctx.store).insert(visitor.principal.who, why, visitor.tenant, visitor.app, made)
        items = [{"id": name, "function": one.function} for name, one in zip(done.tasks, made, strict=True)]
        return answers.of({"items": items}, 201)


def named(task: NewTask) -> NewTask:
    """Give a task its ID before it is inserted, so that others can come after it.

    With an idempotency key it follows from that (UUIDv8, RFC 9562 section 5.8): a request that is made again, since
    its answer was lost, finds the tasks of the first one, and ties itself to none that does not exist.
    """
    if not task.key or task.unique != "ever":
        return msgspec.structs.replace(task, id=new_id())
    digest = bytearray(hashlib.sha256(f"{task.tenant}\0{task.key}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return msgspec.structs.replace(task, id=str(uuid.UUID(bytes=bytes(digest))))


def _items(plain: dict[str, Any]) -> tuple[Wish, ...]:
    items = plain.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidError(f"items is a list of 1 to {MAX_ITEMS} tasks.", path="items")
    return tuple(wishes.convert(item, f"items[{index}]") for index, item in enumerate(items))
