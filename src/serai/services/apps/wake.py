"""Start a release because somebody asks for it: the edge calls ``apps.wake`` while it holds the request."""

from __future__ import annotations

from typing import Any

import msgspec

from serai.cloud.descriptors import Instance
from serai.errors import ExhaustedError, InvalidError, NotFoundError, UnavailableError
from serai.services.apps import plan, quota
from serai.services.apps.addresses import Site
from serai.services.apps.picture import Picture, again, everything, take
from serai.store import Put, Store

SUBJECT = "apps.wake"
#: Releases of one tenant that run only because somebody asked for them.
MAX_ON_DEMAND = 16


class Wake(msgspec.Struct, frozen=True):
    """Which release is asked for."""

    tenant: str
    app: str
    release: int


def understand(message: Any) -> Wake:
    """Return a message of the bus as what it should be, or raise `InvalidError`."""
    try:
        return msgspec.convert(message, Wake)
    except msgspec.ValidationError as error:
        raise InvalidError("That is no wish to wake a release.", detail=str(error)) from error


async def wake(store: Store, site: Site, who: str, wish: Wake) -> bool:
    """See to it that a release has an instance; return whether one had to be made.

    `NotFoundError` where there is no such release or it has nothing to run, `UnavailableError` where it failed or was
    scaled to nothing, `ExhaustedError` where the tenant has too many such instances, or not enough room for this one.
    """

    async def attempt() -> bool:
        picture = await take(store, site, wish.tenant, wish.app)
        record = picture.releases.get(wish.release)
        if record is None or plan.WEB not in record.spec.processes:
            raise NotFoundError("There is no such release to run.", app=wish.app, release=wish.release)
        state = record.spec.state
        if state not in {"built", "live"}:
            raise UnavailableError(
                f"Release {wish.release} is {state}.", temporary=state != "failed", release=wish.release
            )
        if plan.alive(picture, wish.release, plan.WEB):
            return False
        room = await _check(store, picture, wish)
        instance = plan.add(picture, wish.release, plan.WEB, 1)
        await store.change(who, f"{wish.app} {wish.release} is asked for", [*room, *instance])
        return True

    return await again(attempt)


async def _check(store: Store, picture: Picture, wish: Wake) -> tuple[Put, ...]:
    if (
        wish.release in picture.live()
        and plan.count(picture.app.spec, picture.releases[wish.release].spec, plan.WEB) == 0
    ):
        raise UnavailableError(f"{wish.app} is scaled to nothing.", temporary=False, app=wish.app)
    running = await everything(store, Instance, wish.tenant)
    web = [one for one in running if one.spec.wanted == "running" and one.spec.process == plan.WEB]
    idle = [one for one in web if (one.spec.app, one.spec.release) != (wish.app, wish.release)]
    if wish.release in picture.live():
        return ()
    if len(idle) >= MAX_ON_DEMAND:
        raise ExhaustedError("Too many old releases are awake; they go to sleep by themselves.", app=wish.app)
    awake = {wish.app: {wish.release}}
    for one in web:
        awake.setdefault(one.spec.app, set()).add(one.spec.release)
    return (await quota.admit(store, wish.tenant, {}, awake),)
