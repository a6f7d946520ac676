"""What recurs, as an application asks for it at its door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.daemon.module import Context
from serai.services.apps.door import answers
from serai.services.apps.door.answers import Answer
from serai.services.apps.running import schedules

if TYPE_CHECKING:
    from serai.services.apps.door.routes import Visit


class Schedules:
    """Read and write an application's schedules."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def find(self, visit: Visit) -> Answer:
        """List them."""
        found = await schedules.everything(self._ctx, visit.visitor.tenant, visit.visitor.app)
        return answers.of({"items": [schedules.shown(one, self._ctx.clock.now()) for one in found]})

    async def show(self, visit: Visit) -> Answer:
        """Show one."""
        record = await schedules.get(self._ctx, visit.visitor.tenant, visit.visitor.app, visit.name)
        return answers.of(schedules.shown(record, self._ctx.clock.now()))

    async def put(self, visit: Visit) -> Answer:
        """Write one, new or not."""
        visitor = visit.visitor
        plan = schedules.decode(visit.body)
        own = await schedules.owner_of(self._ctx, visitor.tenant, visitor.app)
        record = await schedules.put(self._ctx, visitor.principal.who, own, visit.name, plan)
        return answers.of(schedules.shown(record, self._ctx.clock.now()))

    async def delete(self, visit: Visit) -> Answer:
        """Take one away."""
        visitor = visit.visitor
        await schedules.delete(self._ctx, visitor.principal.who, visitor.tenant, visitor.app, visit.name)
        return answers.of({"deleted": visit.name})
