"""Tasks that wait for a release that knows their function: they are let go as one goes live.

A run that asked the release before may be acknowledged as parked after that. Its bot is alive then, or the run would
not count any more; and a bot that could not tell the store of a run for the length of a lease is not. So who runs while
a release goes live is looked at once more when any such lease is over.
"""

from __future__ import annotations

from serai.store.contract import NewTask
from serai.tasks import Filter, TaskContext

AFTER = 60.0  # seconds: several leases of a bot
_MOST = 1000  # running tasks that are looked at


async def let_go(ctx: TaskContext, tenant: str, app: str) -> None:
    """Let an app's parked tasks go, and see to those that are just being parked."""
    await ctx.tasks.unpark(tenant, app)
    running = await ctx.tasks.find(Filter(state="is_processing", tenant=tenant, app=app, limit=_MOST))
    if any(":" in one.function for one in running):
        again = NewTask(
            function="apps.unpark",
            arguments={"tenant": tenant, "app": app},
            tenant=tenant,
            app=app,
            queue=ctx.task.queue,
            not_before=ctx.clock.now() + AFTER,
        )
        await ctx.tasks.add(ctx.who, again, "what ran as a release went live may yet be parked for want of it")
