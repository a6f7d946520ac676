"""The API's way to a shell: its door, for those whose shell it is."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from serai.cloud.visiting import Caller
from serai.errors import NotFoundError
from serai.identity import Principal
from serai.services.apps.shell import ID
from serai.services.apps.shells.wish import Greeting

FOLDER = "run/shells"


def whose(principal: Principal) -> str:
    """Return whom a shell belongs to: a user, whether they ask by themselves or by a token."""
    return principal.user or principal.id


@contextlib.asynccontextmanager
async def at_door(
    home: Path, tenant: str, app: str, shell: str, principal: Principal | None = None
) -> AsyncIterator[Caller]:
    """Call at the door of an app's shell, for the one whose it is; for anybody where ``principal`` is None.

    `NotFoundError` where there is none, or it is somebody else's: that is not told apart.
    """
    missing = NotFoundError("There is no such shell: it has ended, or is somebody else's.", shell=shell[:64])
    if not ID.match(shell):
        raise missing
    try:
        caller = await Caller.call(home / FOLDER / shell / "door")
    except NotFoundError:
        raise missing from None
    with contextlib.closing(caller):
        told = msgspec.json.decode(caller.greeting, type=Greeting)
        mine = principal is None or told.whose == whose(principal)
        if not mine or (told.tenant, told.app) != (tenant, app):
            raise missing
        yield caller
