"""What people ask for: each function checks it, computes one transaction and commits it.

These are the functions behind the API. The caller has authorised them; ``who`` is the principal that goes into the
history. What takes time is left to tasks, whose IDs are returned; desired instances are descriptors at once.
All raise `NotFoundError` for tenants, apps and releases that do not exist, `InvalidError` (with ``path``) for malformed
values, and `UnavailableError` where the store is away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from serai.errors import AlreadyExistsError, ConflictError, ExhaustedError, InvalidError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.services.apps import plan, quota, variables
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_name, check_number
from serai.services.apps.descriptors import APP_NAME, ENVIRONMENT, PROCESS, PROD, App, Release
from serai.services.apps.git import source
from serai.services.apps.git.source import Source
from serai.services.apps.picture import again, take
from serai.services.apps.rollout import Rollout, rollout, task
from serai.services.apps.variables import Variables, check_variables
from serai.store import NewTask, Put, Record, Store
from serai.store.contract import Seals

MAX_APPS = 1000  # of one tenant


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that was uploaded (``blob`` is the tar stream's hash in the blob store), or a commit to be fetched.

    It goes live in ``environment`` when it works; None: it is only built, and answers at its own URL.
    """

    app: str
    blob: str = ""
    git: Source | None = None
    environment: str | None = PROD
    title: str = ""


async def create_app(store: Store, site: Site, who: str, tenant: str, app: str) -> None:
    """Make an app without a release. `AlreadyExistsError`, `ExhaustedError` beyond `MAX_APPS`."""
    check_name("app", APP_NAME, app)
    await store.get(Tenant, tenant, tenant)
    await _check_room(store, tenant)
    try:
        await store.put(who, f"create app {app}", tenant, app, App(host=site.host), expect=0)
    except ConflictError as error:
        raise AlreadyExistsError(f"There is an app {app} already.", app=app) from error


async def _check_room(store: Store, tenant: str) -> None:
    if len(await store.find(App, tenant, limit=MAX_APPS)) >= MAX_APPS:
        raise ExhaustedError(f"A tenant has at most {MAX_APPS} apps.", tenant=tenant)


async def deploy(store: Store, site: Site, who: str, tenant: str, upload: Upload) -> Rollout:
    """Make a release of an upload, and the app where there is none; return its number and its tasks.

    Where a repository leads is not looked up here: that takes time, and may be another place when it is fetched.
    """
    check_name("app", APP_NAME, upload.app)
    if upload.environment is not None:
        check_name("environment", ENVIRONMENT, upload.environment)
    if len(upload.title) > 500:
        raise InvalidError("A title has at most 500 characters.", path="title")
    if bool(upload.blob) == (upload.git is not None):
        raise InvalidError("A deployment is either of an upload (blob) or of a repository (git).", path="blob")
    if upload.git is not None:
        source.check(upload.git)
    await store.get(Tenant, tenant, tenant)

    async def attempt() -> Rollout:
        try:
            record = await store.get(App, tenant, upload.app)
            app, version = replace(record.spec, host=record.spec.host or site.host), record.version
        except NotFoundError:
            await _check_room(store, tenant)
            app, version = App(host=site.host), 0
        number = app.next_release
        release = Release(
            app=upload.app, number=number, blob=upload.blob, git=upload.git, created=time.time(), who=who,
            title=upload.title,
        )  # fmt: skip
        fetch = upload.git is not None
        result, tasks = rollout(app, tenant, upload.app, number, upload.environment, build=True, fetch=fetch)
        await store.change(
            who,
            upload.title or f"deploy {upload.app} as release {number}",
            [
                Put(tenant, upload.app, replace(app, next_release=number + 1), version),
                Put(tenant, f"{upload.app}.{number}", release, 0),
                *tasks,
            ],
        )
        return result

    return await again(attempt)


async def promote(
    store: Store, who: str, tenant: str, app: str, release: int, environment: str = PROD, *, back: bool = False
) -> Rollout:
    """Make a release live in an environment, when it works; with ``back``, as the one that it showed before.

    `ConflictError` where it was not built, `ExhaustedError` where the tenant's quotas do not suffice for it.
    """
    check_name("environment", ENVIRONMENT, environment)
    record = await store.get(App, tenant, app)
    spec = (await store.get(Release, tenant, f"{app}.{check_number(release)}")).spec
    if not spec.built:
        raise ConflictError(f"Release {release} is not built: it is {spec.state}.", release=release)
    # An early no; `apps.switch` asks again, in the transaction that makes it live.
    await quota.admit(store, tenant, {app: replace(record.spec, live={**record.spec.live, environment: release})})
    result, tasks = rollout(record.spec, tenant, app, release, environment, back=back)
    why = f"roll {environment} of {app} back to {release}" if back else f"promote {app} {release} to {environment}"
    await store.change(who, why, tasks)
    return result


async def rollback(store: Store, who: str, tenant: str, app: str, environment: str = PROD) -> Rollout:
    """Make the release live that an environment showed before. `ConflictError` where there was none."""
    record = await store.get(App, tenant, app)
    before = record.spec.before.get(environment, ())
    if not before:
        raise ConflictError(f"Nothing was live in {environment} before.", environment=environment)
    return await promote(store, who, tenant, app, before[-1], environment, back=True)


async def scale(store: Store, site: Site, who: str, tenant: str, app: str, process: str, count: int) -> None:
    """Say how many instances of a process the live releases have, now and in time to come.

    `ExhaustedError` beyond the tenant's quotas. Instances that are too many finish what they do first.
    """
    check_name("process", PROCESS, process)
    if not 0 <= count <= 100:
        raise InvalidError("A process has 0 to 100 instances.", path="count")

    async def attempt() -> None:
        picture = await take(store, site, tenant, app)
        live = picture.live() & picture.releases.keys()
        if live and not any(process in picture.releases[number].spec.processes for number in live):
            raise InvalidError(f"{app} has no process {process}.", path="process")
        spec = replace(picture.app.spec, scale={**picture.app.spec.scale, process: count})
        changed = replace(picture, app=replace(picture.app, spec=spec))
        room = await quota.admit(store, tenant, {app: spec})
        await store.change(
            who,
            f"scale {app} {process} to {count}",
            [room, Put(tenant, app, spec, picture.app.version), *plan.settle(changed, live)],
        )

    await again(attempt)


async def set_env(
    store: Store,
    seals: Seals,
    who: str,
    tenant: str,
    app: str,
    values: Mapping[str, str | None],
    *,
    plain: bool = False,
    expect: int | None = None,
) -> tuple[str, ...]:
    """Set (or with None take away) environment variables; return the tasks that renew the running instances.

    They are sealed, and shown to nobody again unless ``plain`` says that these may be. `ConflictError` where
    ``expect`` names another version of them than there is (0: none were ever set).
    """
    check_variables(values)

    async def attempt() -> tuple[str, ...] | ConflictError:
        record = await store.get(App, tenant, app)
        before, version = await variables.stored(store, tenant, app)
        if expect not in {None, version}:
            return ConflictError("Somebody changed the variables meanwhile.", version=version)
        merged = {**before.values, **values}
        kept = {key: value for key, value in merged.items() if value is not None}
        shown = {name for name in before.shown if name not in values} | (set(values) if plain else set())
        wanted = Variables(values=kept, shown=tuple(sorted(shown & kept.keys())))
        wanted.check()
        after = wanted.at_rest(seals, tenant, app, before)
        if after == before:
            return ()
        tasks = _restart(record)
        # The app is written as it is: where somebody deletes it at this moment, no values stay behind.
        puts = (Put(tenant, app, record.spec, record.version), Put(tenant, app, after, version))
        await store.change(who, f"set {', '.join(sorted(values))} of {app}", [*puts, *tasks])
        return tuple(new.id for new in tasks)

    done = await again(attempt)
    if isinstance(done, ConflictError):
        raise done
    return done


async def restart(store: Store, who: str, tenant: str, app: str) -> tuple[str, ...]:
    """Renew the running instances one after the other, without a request lost; return the tasks."""
    tasks = _restart(await store.get(App, tenant, app))
    await store.change(who, f"restart {app}", tasks)
    return tuple(new.id for new in tasks)


def _restart(app: Record[App]) -> tuple[NewTask, ...]:
    if not app.spec.live:
        return ()
    return (task("apps.restart", app.spec, app.tenant, app.name),)
