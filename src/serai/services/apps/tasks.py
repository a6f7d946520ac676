"""The task functions of a deployment: each gets what it needs from the bot that runs it, and takes one step.

Their bot is the host's own (queue ``host:NAME``), beside the agent: it offers ``home``, ``host`` and ``base``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serai.services.apps import departing, fetching, folders, hosts, once, prune, steps, switching
from serai.services.apps.git.outside import Outside
from serai.services.apps.rollout import BUILD_SECONDS, RETRIES, STEP_SECONDS
from serai.services.apps.work import Work, work_of
from serai.tasks import TaskContext, task


class OfApp(msgspec.Struct, frozen=True, kw_only=True):
    """Which app."""

    tenant: str
    app: str


class OfRelease(OfApp, frozen=True, kw_only=True):
    """Which release, and in which environment it goes live; "" in none. ``back``: it was live there before."""

    release: int
    environment: str = ""
    back: bool = False


class Cleared(OfApp, frozen=True, kw_only=True):
    """Which app, and which uploads its releases that are gone were made of."""

    blobs: tuple[str, ...] = ()


class Removal(Cleared, frozen=True, kw_only=True):
    """Which deleted app, and whether its data goes as well."""

    data: bool = False
    trash: str = ""  # under which name it is kept; "" in tasks of before there was one


class Kept(OfApp, frozen=True, kw_only=True):
    """Which deleted app, as it is kept."""

    trash: str


class Once(OfRelease, frozen=True, kw_only=True):
    """Which recurring command of a release."""

    command: str


def on(ctx: TaskContext, which: OfApp) -> Work:
    """Return what a step works with."""
    return work_of(ctx, which.tenant, which.app)


@task("apps.fetch", deadline=BUILD_SECONDS, retries=RETRIES, kills=True)
async def fetch(ctx: TaskContext, which: OfRelease) -> Any:
    """Fetch what a release is made of from its repository."""
    networks, authorities = ctx.resources.get("private_networks", ()), ctx.resources.get("private_authorities", "")
    outside = Outside(networks=tuple(networks), authorities=str(authorities))
    return await fetching.fetch(on(ctx, which), which.release, outside)


@task("apps.build", deadline=BUILD_SECONDS, retries=RETRIES, kills=True)
async def build(ctx: TaskContext, which: OfRelease) -> Any:
    """Make a release's folder of its upload."""
    return await steps.make(on(ctx, which), which.release)


@task("apps.start", deadline=BUILD_SECONDS, retries=RETRIES, kills=True)
async def start(ctx: TaskContext, which: OfRelease) -> Any:
    """Run a release's own command, and want its instances."""
    return await steps.start(on(ctx, which), which.release, which.environment)


@task("apps.check", deadline=BUILD_SECONDS + STEP_SECONDS, retries=RETRIES)
async def check(ctx: TaskContext, which: OfRelease) -> Any:
    """Wait until a release serves, or fail it."""
    return await steps.check(on(ctx, which), which.release)


@task("apps.switch", deadline=STEP_SECONDS, retries=RETRIES)
async def switch(ctx: TaskContext, which: OfRelease) -> Any:
    """Make a release live."""
    said = await switching.switch(on(ctx, which), which.release, which.environment, back=which.back)
    await ctx.tasks.unpark(which.tenant, which.app)
    return said


@task("apps.drain", deadline=STEP_SECONDS, retries=RETRIES)
async def drain(ctx: TaskContext, which: OfRelease) -> Any:
    """Let the instances of releases that are not live finish what they do."""
    return await switching.drain(on(ctx, which))


@task("apps.stop", deadline=STEP_SECONDS, retries=RETRIES)
async def stop(ctx: TaskContext, which: OfRelease) -> Any:
    """See to it that what drains ends."""
    return await switching.stop(on(ctx, which))


@task("apps.unpark", deadline=STEP_SECONDS, retries=RETRIES)
async def unpark(ctx: TaskContext, which: OfApp) -> Any:
    """Let tasks go that wait for a function of an app."""
    return f"{await ctx.tasks.unpark(which.tenant, which.app)} tasks try again."


@task("apps.restart", deadline=BUILD_SECONDS + STEP_SECONDS, retries=RETRIES)
async def restart(ctx: TaskContext, which: OfApp) -> Any:
    """Renew an app's instances."""
    return await switching.restart(on(ctx, which))


@task("apps.run", deadline=86400.0, kills=True)
async def run(ctx: TaskContext, which: Once) -> Any:
    """Run a recurring command of a release."""
    return await once.recurring(on(ctx, which), which.release, which.command)


@task("apps.prune", deadline=STEP_SECONDS, retries=RETRIES)
async def clear_releases(ctx: TaskContext, which: Cleared) -> Any:
    """Take away the folders of releases that were deleted."""
    work = on(ctx, which)
    count = await prune.sweep(work, patient=True)
    await prune.unload(work, which.blobs)
    return f"{count} folders are gone."


@task("apps.remove", deadline=STEP_SECONDS, retries=RETRIES)
async def remove(ctx: TaskContext, which: Removal) -> Any:
    """Take away the folders of a deleted app."""
    work = on(ctx, which)
    await hosts.let_go(work, ctx.tasks)
    said = await switching.remove(work, data=which.data, trash=which.trash)
    await prune.unload(work, which.blobs)
    return said


@task("apps.leave", deadline=STEP_SECONDS, retries=RETRIES)
async def leave(ctx: TaskContext, which: Kept) -> Any:
    """Take away what a deleted tenant, which is named like an app of the platform's, still has."""
    work = on(ctx, which)
    steps = await departing.leave(work.store, work.site, work.who, work.app, which.trash)
    return f"Nothing of {work.app} is left, after {steps} more steps." if steps else f"Nothing of {work.app} is left."


@task("apps.undelete", deadline=STEP_SECONDS, retries=RETRIES)
async def undelete(ctx: TaskContext, which: Kept) -> Any:
    """Bring the folders of a deleted app back, and let it run."""
    return await folders.bring_back(on(ctx, which), which.trash)


@task("apps.purge", deadline=STEP_SECONDS, retries=RETRIES)
async def purge(ctx: TaskContext, which: Kept) -> Any:
    """Clear what is kept of a deleted app or tenant."""
    work = on(ctx, which)
    await hosts.let_go(work, ctx.tasks)
    if not work.tenant:  # its parts have tasks of their own
        await departing.leave(work.store, work.site, work.who, work.app, which.trash)
    return await folders.purge(work, which.trash)
