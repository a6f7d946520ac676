"""The steps of a deployment, from a blob to a release that serves.

Each can be killed at any moment and begun again: it looks at what is there, and does what is missing. A step that
finds its release failed does nothing, so that the tasks after a failure pass by. The live release is touched by
`serai.services.apps.switching` alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.errors import ExhaustedError, InvalidError, SeraiError
from serai.services.apps import addresses, once, plan, prune, quota
from serai.services.apps.builder import BuildError, build
from serai.services.apps.descriptors import App, Command, Release
from serai.services.apps.picture import Picture, again, take
from serai.services.apps.work import Work, log_of, shown, until
from serai.services.apps.written import written
from serai.store import Operation, Put, Record

#: Besides the time that a release's health check allows for its start: the agent's own.
LEEWAY = 15.0


#: Codes of errors that are the platform's, not the program's.
_OURS = frozenset({"internal", "already_exists", "exhausted"})


class FailedError(InvalidError):
    """The release does not work, and trying again does not help; its descriptor says why."""


async def make(work: Work, number: int) -> str:
    """Build a release; return what it became, as a sentence."""
    picture = await take(work.store, work.site, work.tenant, work.app)
    record = release_of(picture, number)
    where = await work.place()
    if record.spec.built and where.release(number).is_dir():
        return "It is built already."
    if not record.spec.blob:
        if record.spec.state != "failed":
            # Its task is over, or this one would not run.
            await fail(work, number, "Its fetch was given up; the task tells why.")
        return "It was not fetched."
    await write(work, number, lambda spec: replace(spec, state="building", reason="", tail=""))
    try:
        built = await build(work, where, number, record.spec.blob)
        release = written(record.spec, built, time.time())
    except SeraiError as error:
        if error.temporary:
            raise
        await fail(work, number, error.public, error.tail if isinstance(error, BuildError) else "")
        if error.code in _OURS:
            # It may go better the next time; then this failure is forgotten.
            raise
        raise FailedError(error.public) from error
    await write(
        work,
        number,
        lambda spec: replace(release, state="live" if spec.state == "live" else "built", prepared=spec.prepared),
    )
    if gone := await prune.retain(work):
        work.note(f"The app keeps {release.keep} releases: {', '.join(map(str, gone))} went.")
    return f"Release {number} is built: {release.recipe} {release.runtime}".rstrip() + "."


async def start(work: Work, number: int, environment: str) -> str:
    """Run what must run before a release goes live, and want its instances, if the tenant's quotas allow them."""
    picture = await take(work.store, work.site, work.tenant, work.app)
    release = release_of(picture, number).spec
    if not release.built:
        if release.state != "failed":
            # Its task is over, or this one would not run.
            await fail(work, number, "Its build was given up; the task tells why.")
        return "Its build failed."
    if release.state == "failed":
        # It was built, and did not work then; somebody promotes it again.
        await write(work, number, lambda spec: replace(spec, state="built", reason="", tail=""))
    await _admit(work, picture.app.spec, number, environment)
    if release.before_live is not None and not release.prepared:
        await _prepare(work, release, release.before_live)

    async def attempt() -> int:
        latest = await take(work.store, work.site, work.tenant, work.app)
        missing = plan.start(latest, number)
        if missing:
            await work.store.change(work.who, f"start release {number} of {work.app}", missing)
        return len(missing)

    return f"{await again(attempt)} new instances."


async def _admit(work: Work, app: App, number: int, environment: str) -> None:
    # Only now is it known what the release needs: its build found out. An early no, as in `actions.promote`.
    try:
        await quota.admit(work.store, work.tenant, {work.app: replace(app, live={**app.live, environment: number})})
    except ExhaustedError as error:
        await fail(work, number, error.public)
        raise FailedError(error.public) from error


async def _prepare(work: Work, release: Release, command: Command) -> None:
    work.tell(0.1, "Run the release command")
    try:
        await once.command(work, release, "before-live", command)
    except SeraiError as error:
        if error.temporary:
            raise
        reason = f"The release command: {error.public}"
        await fail(work, release.number, reason, str(error.fields.get("tail", "")))
        raise FailedError(reason) from error
    await write(work, release.number, lambda spec: replace(spec, prepared=True))


async def check(work: Work, number: int) -> str:
    """Wait until all web instances of a release serve; where one does not, the release has failed."""
    release = release_of(await take(work.store, work.site, work.tenant, work.app), number).spec
    if release.state == "failed" or not release.built:
        return "The release has failed before."
    if plan.WEB not in release.processes:
        return "The edge serves its files."
    wrong = ""

    async def serve() -> bool:
        nonlocal wrong
        picture = await take(work.store, work.site, work.tenant, work.app)
        instances = plan.alive(picture, number, plan.WEB)
        wrong = next((_wrong(one) for one in instances if _wrong(one)), "")
        ready = [one for one in instances if one.spec.state == "ready"]
        work.tell(0.5, f"{len(ready)} of {len(instances)} instances are ready")
        return bool(wrong) or (bool(instances) and len(ready) == len(instances))

    if not await until(serve, release.health.start + LEEWAY):
        wrong = f"It was not ready within {release.health.start:g} s."
    if wrong:
        await fail(work, number, wrong, shown(await log_of(work, number)))
        raise FailedError(wrong)
    return "All instances are ready."


def _wrong(record: Record[Instance]) -> str:
    if record.spec.state in {"failed", "unhealthy"}:
        return f"{record.name}: {record.spec.reason}"
    return ""


async def fail(work: Work, number: int, reason: str, tail: str = "") -> None:
    """Mark a release as failed, stop its instances and take its address away; what is live stays as it is."""

    async def attempt() -> None:
        picture = await take(work.store, work.site, work.tenant, work.app)
        record = release_of(picture, number)
        if number in picture.live():
            # It serves somewhere: an attempt to show it somewhere else as well does not change that.
            return
        failed = replace(record.spec, state="failed", reason=reason[:1000], tail=tail)
        instances = [one for one in picture.instances if one.spec.release == number]
        operations: list[Operation] = [
            Put(work.tenant, record.name, failed, record.version),
            *plan.retire(instances, now=True),
            *routes(picture, {number: failed}),
        ]
        await work.store.change(work.who, f"release {number} failed: {reason}"[:1000], operations)

    await again(attempt)


async def write(work: Work, number: int, change: Callable[[Release], Release]) -> None:
    """Change a release, and its Routes with it, in one transaction."""

    async def attempt() -> None:
        picture = await take(work.store, work.site, work.tenant, work.app)
        record = release_of(picture, number)
        spec = change(record.spec)
        operations: list[Operation] = [*routes(picture, {number: spec})]
        if spec != record.spec:
            operations.append(Put(work.tenant, record.name, spec, record.version))
        if operations:
            await work.store.change(work.who, f"release {number} is {spec.state}", operations)

    await again(attempt)


def routes(picture: Picture, changed: dict[int, Release]) -> tuple[Operation, ...]:
    """Return what makes an app's Routes what they should be with some releases changed."""
    releases = {number: record.spec for number, record in picture.releases.items()} | changed
    wanted = addresses.routes(picture.site, picture.tenant, picture.app, releases, picture.domains)
    return addresses.changes(picture.routes, wanted)


def release_of(picture: Picture, number: int) -> Record[Release]:
    """Return a release that a step is about, or raise `FailedError`."""
    if number not in picture.releases:
        raise FailedError(f"There is no release {number} of {picture.app.name}.", release=number)
    return picture.releases[number]
