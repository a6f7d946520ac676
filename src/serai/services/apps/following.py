"""What follows where people write apps, domains, variables and schedules as descriptors: addresses, instances, tasks.

The verbs of `actions` and `domains` do one thing each; here many come together, in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from serai.daemon.module import Context
from serai.errors import ExhaustedError, InvalidError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.services.apps import addresses, departing, plan, quota
from serai.services.apps.actions import MAX_APPS
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_name
from serai.services.apps.descriptors import PROCESS, App, Domain
from serai.services.apps.domains import MAX_DOMAINS, check_domain, check_free
from serai.services.apps.git.token import GitToken
from serai.services.apps.picture import Picture, everything, take
from serai.services.apps.removal import removing
from serai.services.apps.rollout import task
from serai.services.apps.running import schedules, wishes
from serai.services.apps.running.wishes import Wish
from serai.services.apps.variables import Variables
from serai.store import Delete, Operation, Put, Record, Spec, Store
from serai.tasks.schedule import Schedule


class Writes(msgspec.Struct, frozen=True):
    """The writes of a transaction that are about apps, by name; None is a delete."""

    apps: dict[str, App | None]
    domains: dict[str, Domain | None]
    variables: set[str]
    tokens: set[str]


async def follow(ctx: Context, who: str, tenant: str, operations: Sequence[Operation]) -> list[Operation]:
    """Return all operations of a transaction, with what apps need besides.

    `InvalidError` (with ``path``), `AlreadyExistsError`, `DeniedError` and `ExhaustedError` as the verbs have them.
    """
    site = Site(ctx.host, ctx.base)
    if any(isinstance(one, Delete) and one.kind == Tenant.KIND for one in operations):
        return await departing.leaving(ctx.store, site, who, tenant, operations)
    writes = Writes(
        _written(operations, App),
        _written(operations, Domain),
        set(_written(operations, Variables)),
        set(_written(operations, GitToken)),
    )
    plans = _written(operations, Schedule)
    ours = writes.apps or writes.domains or writes.variables or writes.tokens
    if not (ours or any(one and one.app for one in plans.values())):
        return list(operations)
    await _check(ctx.store, site, tenant, writes)
    before = {one.name: one for one in await everything(ctx.store, Domain, tenant)}
    touched = {*writes.apps, *writes.variables, *writes.tokens}
    touched |= {one.app for name in writes.domains for one in _both(before.get(name), writes.domains[name])}
    hosts: dict[str, str] = {}
    kept = {(Domain.KIND, name) for name, spec in writes.domains.items() if spec is not None}
    routes: list[Operation] = []
    rest: list[Operation] = []
    scaled: dict[str, App] = {}
    for app in sorted(touched):
        picture = await _picture(ctx.store, site, tenant, app, writes)
        new = writes.apps.get(app, picture.app.spec)
        hosts[app] = picture.app.spec.host or site.host
        if new is None:
            gone = await removing(ctx.store, picture, who, data=False)
            # A domain that moves to another app at the same moment stays.
            routes += [one for one in gone if not (isinstance(one, Delete) and (one.kind, one.name) in kept)]
            continue
        changed = _changed(picture, new, writes, before)
        routes += _routes(changed)
        rest += _besides(picture, changed, writes)
        if new.scale != picture.app.spec.scale and picture.app.version:
            scaled[app] = new
    if scaled:
        rest.append(await quota.admit(ctx.store, tenant, scaled))
    mine = [await _placed(ctx.store, site, tenant, one, hosts) for one in operations]
    # What one app gives up another may take: deletes come first.
    routes.sort(key=lambda one: not isinstance(one, Delete))
    return [*mine, *routes, *rest]


def _written(operations: Iterable[Operation], kind: type[Spec]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in operations:
        if isinstance(one, Put) and isinstance(one.spec, kind):
            found[one.name] = one.spec
        elif isinstance(one, Delete) and one.kind == kind.KIND:
            found[one.name] = None
    return found


async def _check(store: Store, site: Site, tenant: str, writes: Writes) -> None:
    """Refuse names that the verbs would refuse, and more apps or domains than there may be."""
    known = {one.name for one in await everything(store, App, tenant)}
    gone = {name for name, spec in writes.apps.items() if spec is None}
    if len((known | writes.apps.keys()) - gone) > MAX_APPS:
        raise ExhaustedError(f"A tenant has at most {MAX_APPS} apps.", tenant=tenant)
    for name, spec in writes.apps.items():
        for process in spec.scale if spec else ():
            try:
                check_name("process", PROCESS, process)
            except InvalidError as error:
                raise InvalidError(error.public, path=f"app/{name}: scale") from error
    there = (known | writes.apps.keys()) - gone
    wanted = {f"domain/{name}": one.app for name, one in writes.domains.items() if one}
    wanted |= {f"{Variables.KIND}/{name}": name for name in writes.variables - gone}
    wanted |= {f"{GitToken.KIND}/{name}": name for name in writes.tokens - gone}
    for where, app in wanted.items():
        if app not in there:
            raise InvalidError(f"There is no app {app[:64]}.", path=where)
    for name, domain in writes.domains.items():
        if domain is not None:
            check_domain(site, tenant, name, domain.environment)


async def _picture(store: Store, site: Site, tenant: str, app: str, writes: Writes) -> Picture:
    """Return what there is of an app: nothing where it is new."""
    try:
        return await take(store, site, tenant, app)
    except NotFoundError:
        if not writes.apps.get(app):
            raise
    record = Record(App.KIND, tenant, app, 0, 0, App(host=site.host))
    return Picture(site=site, tenant=tenant, app=record, releases={}, instances=[], domains=[], routes={}, schedules={})


def _changed(picture: Picture, new: App, writes: Writes, before: dict[str, Record[Domain]]) -> Picture:
    """Return the picture as it will be."""
    app = picture.app.name
    domains = {one.name: one for one in picture.domains if one.name not in writes.domains}
    for name, spec in writes.domains.items():
        if spec is not None and spec.app == app:
            known = before.get(name)
            domains[name] = Record(Domain.KIND, picture.tenant, name, known.version if known else 0, 0, spec)
    if len(domains) > MAX_DOMAINS:
        raise InvalidError(f"An app has at most {MAX_DOMAINS} domains.", path=f"app/{app}")
    return replace(picture, app=replace(picture.app, spec=new), domains=list(domains.values()))


def _routes(changed: Picture) -> tuple[Operation, ...]:
    releases = {number: record.spec for number, record in changed.releases.items()}
    wanted = addresses.routes(changed.site, changed.tenant, changed.app, releases, changed.domains)
    return addresses.changes(changed.routes, wanted)


def _besides(picture: Picture, changed: Picture, writes: Writes) -> Iterable[Operation]:
    app = picture.app
    if app.name not in writes.apps:
        # The app is written as it is: where somebody deletes it at this moment, nothing stays behind.
        yield Put(app.tenant, app.name, app.spec, app.version)
    live = changed.live() & changed.releases.keys()
    if changed.app.spec.scale != app.spec.scale and live:
        yield from plan.settle(changed, live)
    if app.name in writes.variables and app.spec.live:
        yield task("apps.restart", app.spec, app.tenant, app.name)


async def _placed(store: Store, site: Site, tenant: str, one: Operation, hosts: dict[str, str]) -> Operation:
    """Return an operation with what the platform says itself."""
    if not isinstance(one, Put):
        return one
    if isinstance(one.spec, App) and not one.spec.host:
        return replace(one, spec=replace(one.spec, host=site.host))
    if isinstance(one.spec, Domain) and not one.expect:
        await check_free(store, tenant, one.name)
    if isinstance(one.spec, Schedule) and one.spec.app:
        app = one.spec.app
        if app not in hosts:
            hosts[app] = (await store.get(App, tenant, app)).spec.host or site.host
        return replace(one, spec=_own(tenant, one.name, one.spec, hosts[app]))
    return one


def _own(tenant: str, name: str, spec: Schedule, host: str) -> Schedule:
    """Return an app's schedule on its host; refuse one that does anything but its own work, in its own channel."""
    owner = wishes.Owner(tenant, spec.app, host)
    where = f"schedule/{name}"
    try:
        work = wishes.arguments_of(spec.arguments)
        wishes.check(Wish(call=work.call, args=work.args, kwargs=work.kwargs, argv=work.argv, arguments=work.arguments))
    except (msgspec.ValidationError, InvalidError) as error:
        raise InvalidError(f"That is no work of an app: {str(error).rstrip('.')}.", path=where) from None
    if not name.startswith(schedules.prefix_of(spec.app)) or spec.function != wishes.listed(work.call, work.argv):
        raise InvalidError(
            f"The app's own are named {schedules.prefix_of(spec.app)}NAME, and run its functions.", path=where
        )
    if any(name and not name.startswith(owner.prefix) for name in (spec.channel, spec.provider)):
        raise InvalidError(f"The app's own channels and providers begin with {owner.prefix}.", path=where)
    return replace(spec, queue=wishes.queue_of(host))


def _both(before: Record[Domain] | None, after: Domain | None) -> Iterable[Domain]:
    if before is not None:
        yield before.spec
    if after is not None:
        yield after
