"""The skeleton's task functions: what takes time, or has to last beyond the request that wants it."""

from __future__ import annotations

import msgspec

from serai.errors import NotFoundError
from serai.services.skeleton.descriptors import Greeting
from serai.tasks import TaskContext, task


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which tenant wants to be greeted how."""

    tenant: str
    text: str


@task("skeleton.greet", retries=3, short=True)
async def greet(ctx: TaskContext, wish: Wish) -> int:
    """Write a tenant's default greeting; return the change's number. Running it again changes nothing."""
    wanted = Greeting(text=wish.text)
    try:
        record = await ctx.store.get(Greeting, wish.tenant, "default")
    except NotFoundError:
        return await ctx.store.put(ctx.who, "a greeting is wanted", wish.tenant, "default", wanted, expect=0)
    if record.spec == wanted:
        ctx.log("It is so already.")
        return record.change
    return await ctx.store.put(
        ctx.who, "another greeting is wanted", wish.tenant, "default", wanted, expect=record.version
    )
