"""The task function of tenants' tasks: finds the release, borrows a runner, and hands the work over."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

import msgspec

from serai.cloud.drivers import Workload
from serai.errors import ExhaustedError, NotFoundError, UnsupportedError
from serai.services.apps import hosting, launch, variables
from serai.services.apps.descriptors import PROD, App, Release
from serai.services.apps.launch import Place
from serai.services.apps.plan import WEB
from serai.services.apps.recipes import contract
from serai.services.apps.recipes.commands import PYTHON as HOST_PYTHON
from serai.services.apps.recipes.python_packages import PYTHON, VENV
from serai.services.apps.running.pool import KIND, Key, Pool
from serai.services.apps.running.runner import PLACE, Report, UnknownError
from serai.services.apps.running.wishes import Work as What
from serai.services.apps.variables import Told
from serai.services.apps.work import Work, work_of
from serai.tasks import TaskContext, task
from serai.tasks.function import APPLICATIONS
from serai.tasks.outcome import FailedError, ParkedError

RUNNER = f"{contract.LIB}/serai_runner"
GRACE = 0.6  # of the seconds that a bot gives a function to stop: the rest is for killing it
STOP_SECONDS = 5.0  # where the bot does not say
AGAIN = "The task waits, and tries again when another release goes live."


class Context(msgspec.Struct, frozen=True):
    """What tasks of one release run in, as long as nothing about it changes."""

    release: Release
    variables: Told

    def key(self, tenant: str) -> Key:
        """Return what runners are told apart by; values of variables do not lie around in it."""
        digest = hashlib.sha256(msgspec.msgpack.encode(self.variables, order="sorted")).hexdigest()
        return (tenant, self.release.app, str(self.release.number), digest)


@task(APPLICATIONS, retries=0, kills=True)
async def run(ctx: TaskContext, what: What) -> Any:
    """Run a function or a command of a tenant's application in the context of its release."""
    # Whose it is says its row, never its arguments.
    work = work_of(ctx, ctx.task.tenant, ctx.task.app)
    while True:
        context = await context_of(work, what)
        try:
            return await run_in(ctx, what, work, context)
        except UnknownError as error:
            if what.release:  # which never changes
                raise
            # Where another one went live meanwhile, that has let go what was parked before.
            if await live(work) == context.release.number:
                raise ParkedError(f"{error.public} {AGAIN}") from error


async def run_in(ctx: TaskContext, what: What, work: Work, context: Context) -> Any:
    """Run it in a release."""
    make = functools.partial(prepare, work, context)
    grace = GRACE * float(ctx.resources.get("stop_seconds", STOP_SECONDS))
    async with pool_of(work.home).lend(context.key(work.tenant), make) as runner:
        try:
            return await runner.run(message(ctx, what), Report(ctx.log, ctx.progress), grace)
        except FailedError as error:
            if error.blob["code"] == "unavailable" and ctx.task.provider:
                raise FailedError({**error.blob, "provider": ctx.task.provider}) from error
            raise


@functools.cache
def pool_of(home: Path) -> Pool:
    """Return this process's pool of a home."""
    return Pool(hosting.driver(home), home / "run/runners")


async def live(work: Work) -> int:
    """Return the release that is live, 0 for none."""
    return (await work.store.get(App, work.tenant, work.app)).spec.live.get(PROD, 0)


async def context_of(work: Work, what: What) -> Context:
    """Return the release that a task runs in: the named one, or the one that is live now.

    `ParkedError` where there is none that could know a function, but may be one later.
    """
    number = what.release or await live(work)
    if not number:
        raise ParkedError(f"{work.app} has no live release. {AGAIN}", app=work.app)
    release = (await work.store.get(Release, work.tenant, f"{work.app}.{number}")).spec
    if not release.folder or release.state in {"waiting", "building"}:
        raise NotFoundError(f"Release {number} of {work.app} is not built.", release=number)
    if not release.processes and what.call and not what.release:
        raise ParkedError(f"Release {number} of {work.app} is a static site: it has no functions. {AGAIN}")
    if not release.processes:
        raise UnsupportedError(f"Release {number} of {work.app} is a static site: it has nothing to run.")
    spec, _ = await variables.stored(work.store, work.tenant, work.app)
    return Context(release, variables.told(work.home, spec, work.tenant, work.app))


async def prepare(work: Work, context: Context, name: str) -> Workload:
    """Have the app's folders ready, and return what a new runner is."""
    release = context.release
    where = await work.place(release.data_mb)
    if not work.driver.hard and await work.driver.data_used(where.data) > release.data_mb << 20:
        raise ExhaustedError(f"Its data folder is over its quota of {release.data_mb} MiB.")
    return workload(where, context, name)


def workload(where: Place, context: Context, name: str) -> Workload:
    """Return the sandbox of a runner; it is what the release's one-off commands get."""
    release = context.release
    made = launch.once(where, context.variables, release, name, program(release), {})
    return msgspec.structs.replace(
        made, id=launch.workload_id(KIND, where.tenant, f"{where.app}.{release.number}.{name}")
    )


def program(release: Release) -> tuple[str, ...]:
    """Return what runs the runner: the release's own Python where it has one, with its root and settings."""
    argv = release.processes[WEB].argv if WEB in release.processes else ()
    own = Path(release.folder, VENV, "bin/python")
    # A link to an interpreter that is at this place only in the sandbox.
    python = (PYTHON,) if own.is_symlink() or own.exists() else HOST_PYTHON
    options = [part for name in ("--root", "--settings") if name in argv for part in (name, _after(argv, name))]
    return (*_persisting(argv), *python, RUNNER, f"{PLACE}/bot.sock", *options)


def _persisting(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the launcher that fills the data folder before a release's programs start, where it has one."""
    if f"{contract.LIB}/persist.py" in argv and "--" in argv:
        return argv[: argv.index("--") + 1]
    return ()


def _after(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1] if argv.index(name) + 1 < len(argv) else ""


def message(ctx: TaskContext, what: What) -> dict[str, Any]:
    """Return what a runner is told."""
    common = {"id": ctx.task.id, "attempt": ctx.task.run}
    if what.call:
        return {**common, "do": "call", "call": what.call, "args": what.args, "kwargs": what.kwargs}
    return {**common, "do": "run", "argv": list(what.argv), "arguments": what.arguments}
