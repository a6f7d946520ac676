"""The names of channels, and what may be said of each.

The platform's own: ``task/TENANT/ID``, ``app/TENANT/APP``, ``tenant/TENANT``, ``tasks/TENANT`` (all tasks of a tenant)
and ``host`` (what belongs to no tenant). Where a tenant is named "-", the platform itself is meant.
``own/TENANT/APP/NAME`` is an application's channel NAME: its visitors know it by that name alone.
"""

from __future__ import annotations

import re
import urllib.parse

from serai.errors import InvalidError

MOST_ASKED = 16  # channels of one request
MAX_CHANNEL = 256  # characters

_TENANT = r"(?:[a-z][a-z0-9-]{0,62}|-)"
_APP = r"[a-z][a-z0-9-]{0,40}"
_PLATFORM = re.compile(
    rf"(?:task/{_TENANT}/[A-Za-z0-9_-]{{1,64}}|app/{_TENANT}/{_APP}|(?:tenant|tasks)/{_TENANT}|host)\Z"
)
_OWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}\Z")
#: What the platform says of a stream itself.
RESERVED = frozenset({"ready", "reset", "end", "error", "open"})


def check_channel(name: str) -> str:
    """Return the name of a channel of the platform's, or raise `InvalidError`."""
    if len(name) > MAX_CHANNEL or not _PLATFORM.match(name):
        raise InvalidError(
            "A channel is task/TENANT/ID, app/TENANT/APP, tenant/TENANT, tasks/TENANT or host.", path="channel"
        )
    return name


def check_own(name: str) -> str:
    """Return the name that an application gave a channel, or raise `InvalidError`."""
    if not _OWN.match(name):
        raise InvalidError("A channel's name is 1 to 64 letters, digits, '.', '_', ':' or '-'.", path="channel")
    return name


def check_event(name: str) -> str:
    """Return the name of an application's event, or raise `InvalidError`."""
    if not _EVENT.match(name) or name in RESERVED:
        raise InvalidError(
            f"An event's name is 1 to 64 letters, digits, '.', '_' or '-', and none of {', '.join(sorted(RESERVED))}.",
            path="event",
        )
    return name


def own(tenant: str, app: str, name: str) -> str:
    """Return the whole name of an application's channel."""
    return f"own/{tenant}/{app}/{name}"


def shown(channel: str) -> str:
    """Return a channel's name as its clients know it."""
    return channel.split("/", 3)[3] if channel.startswith("own/") else channel


def tenant_of(channel: str) -> str:
    """Return whose a channel is, "-" for the platform's."""
    _, _, rest = channel.partition("/")
    return rest.partition("/")[0] or "-"


def permit_path(channel: str) -> str:
    """Return the API's path that says whether somebody may follow a channel of the platform's."""
    kind, _, rest = channel.partition("/")
    if kind == "app":
        return f"/v1/push/apps/{rest}"
    if kind == "task":
        return f"/v1/push/tasks/{urllib.parse.quote(rest.partition('/')[2], safe='')}"
    return f"/v1/push/tenants/{rest or '-'}"
