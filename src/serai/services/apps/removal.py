"""Deleting apps and releases, as people ask for it. The functions behind the API; see `actions`."""

from __future__ import annotations

import time

from msgspec.structs import replace

from serai.cloud.descriptors import Instance, Route
from serai.errors import ConflictError, InvalidError, NotFoundError
from serai.services.apps import hosts, prune, tokens, trash, variables
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_number
from serai.services.apps.descriptors import App, Domain, Release, Trash
from serai.services.apps.git.token import GitToken
from serai.services.apps.picture import Picture, again, everything, take
from serai.services.apps.rollout import task
from serai.services.apps.running import schedules
from serai.services.apps.variables import Variables
from serai.store import Delete, NewTask, Operation, Store
from serai.tasks.schedule import Schedule


async def delete_release(store: Store, site: Site, who: str, tenant: str, app: str, number: int) -> tuple[str, ...]:
    """Delete a release that nobody shows, and keep it for a while; see `trash`. Return the tasks to follow: none.

    Its number is never used again. `ConflictError` where it is live, or under way.
    """
    check_number(number)

    async def attempt() -> tuple[str, ...] | ConflictError:
        picture = await take(store, site, tenant, app)
        if number not in picture.releases:
            raise NotFoundError(f"{app} has no release {number}.", release=number)
        if refusal := _refusal(picture, number):
            return refusal  # not raised here: it is no conflict that another attempt would resolve
        host = await hosts.living(store, site, picture.app.spec.host)
        keep = trash.kept_release(picture, picture.releases[number], who, time.time(), host)
        await store.change(who, f"delete release {number} of {app}", [*prune.without(picture, {number}), *keep])
        return ()

    done = await again(attempt)
    if isinstance(done, ConflictError):
        raise done
    return done


def _refusal(picture: Picture, number: int) -> ConflictError | None:
    live = sorted(name for name, one in picture.app.spec.live.items() if one == number)
    if live:
        return ConflictError(f"Release {number} is live in {', '.join(live)}.", release=number)
    state = picture.releases[number].spec.state
    if state in prune.UNDER_WAY:
        return ConflictError(f"Release {number} is {state}.", release=number)
    return None


async def delete_app(
    store: Store, site: Site, who: str, tenant: str, app: str, *, confirm: str, data: bool = False
) -> tuple[str, ...]:
    """Delete an app with its releases, instances, domains; return the task that clears its folders.

    ``confirm`` repeats the app's name (`InvalidError` otherwise). Its data folder stays unless ``data`` says so.
    """
    if confirm != app:
        raise InvalidError("Repeat the app's name to delete it.", path="confirm")

    async def attempt() -> tuple[str, ...]:
        picture = await take(store, site, tenant, app)
        operations = await removing(store, picture, who, data=data)
        await store.change(who, f"delete app {app}{' and its data' if data else ''}", operations)
        return tuple(one.id for one in operations if isinstance(one, NewTask) and not one.not_before)

    return await again(attempt)


async def removing(store: Store, picture: Picture, who: str, *, data: bool) -> list[Operation]:
    """Return what takes an app away with all that is its own, and keeps it for a while; see `trash`.

    Where its host is gone, its folders went with that, and the rest ends here.
    """
    tenant, app = picture.tenant, picture.app.name
    host = await hosts.living(store, picture.site, picture.app.spec.host)
    _, version = await variables.stored(store, tenant, app)
    _, token = await tokens.stored(store, tenant, app)
    own = await everything(store, Schedule, tenant, schedules.prefix_of(app))
    releases = [one for one in await everything(store, Trash, tenant, f"{app}.") if one.spec.what == "release"]
    deletes = [
        *(Delete(Route.KIND, "", name, route.version) for name, route in picture.routes.items()),
        *(Delete(Domain.KIND, tenant, domain.name, domain.version) for domain in picture.domains),
        *(Delete(Schedule.KIND, tenant, one.name, one.version) for one in own),
        *(Delete(Release.KIND, tenant, one.name, one.version) for one in picture.releases.values()),
        # They are told apart by their numbers, and those of another app of that name begin anew.
        *(Delete(Trash.KIND, tenant, one.name, one.version) for one in releases if one.spec.app == app),
        *([Delete(Variables.KIND, tenant, app, version)] if version else []),
        *([Delete(GitToken.KIND, tenant, app, token)] if token else []),
        Delete(App.KIND, tenant, app, picture.app.version),
    ]
    blobs = {blob for one in releases for blob in one.spec.blobs}
    name, keep = trash.kept(picture, deletes, who, time.time(), host=host, data=data, blobs=blobs)
    derived = [
        *(Delete(Schedule.KIND, tenant, name, one.version) for name, one in picture.schedules.items()),
        *(Delete(Instance.KIND, tenant, one.name, one.version) for one in picture.instances),
    ]
    clear = task("apps.remove", App(host=host), tenant, app, data=data, trash=name)
    if host != picture.app.spec.host:
        clear = replace(clear, channel=hosts.channel(tenant, app))
    return [*deletes, *derived, *keep, clear]
