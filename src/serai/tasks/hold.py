"""What people did to hold tasks back, or to let them go: a descriptor for each, whose history says who, when and why.

What holds is in the rows of tasks, where bots look; this is what remains of it once it is over. Both are written in one
transaction: nothing holds of which nobody could tell who did it, and nothing is told that does not hold.
"""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec

from serai.errors import NotFoundError
from serai.store.contract import NAME, Delete, Holding, Put, Spec, Verb
from serai.store.store import Store

What = Literal["limit", "outage", "pause"]

_WHAT: Mapping[Verb, What] = {
    "pause": "pause", "resume": "pause", "limit": "limit", "down": "outage", "up": "outage",
}  # fmt: skip
_LONGEST = 370  # characters of a name as it is written here
_SAFE = "/@._-"  # and no colon, which ends the scope


class Hold(Spec, frozen=True, kw_only=True):
    """A limit (`serai.store.tasks.Rule`), a paused channel or a provider that was declared down; deleted as it ends.

    Named ``pause:CHANNEL``, ``outage:PROVIDER`` or ``limit:SCOPE:NAME``, percent-encoded (RFC 3986, section 2.1).
    """

    KIND: ClassVar[str] = "hold"
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"(?:limit|outage|pause):[A-Za-z0-9/:@._~%-]{1,390}\Z")
    RETURNS: ClassVar[bool] = False

    most: int | None = None
    rate: float | None = None
    per: float = 60.0
    burst: float = 0.0

    def app_of(self, name: str) -> str:
        """Return the app whose channel or provider it is."""
        return owner_of(urllib.parse.unquote(name.rpartition(":")[2]))[1]


def owner_of(name: str) -> tuple[str, str]:
    """Return the tenant and the app of a channel or provider ``TENANT/APP/NAME``; all others are the platform's."""
    tenant, _, rest = name.partition("/")
    app, mark, _ = rest.partition("/")
    return (tenant, app) if mark and NAME.fullmatch(tenant) else ("", "")


def name_of(what: What, name: str) -> str:
    """Return the name of the descriptor; one that is too long is cut, and told from others by its digest."""
    scope, mark, called = name.partition(":") if what == "limit" else ("", "", name)
    quoted = urllib.parse.quote(called, safe=_SAFE)
    if len(quoted) > _LONGEST:
        quoted = f"{quoted[:300]}~{hashlib.sha256(called.encode()).hexdigest()[:16]}"
    return f"{what}:{scope}{mark}{quoted}"


async def put(store: Store, who: str, why: str, act: Holding) -> None:
    """Hold tasks back and write down that somebody did, in one transaction."""
    tenant, key = _key(act)
    await store.change(who, why, (Put(tenant, key, Hold(**msgspec.structs.asdict(act.rule))), act))


async def end(store: Store, who: str, why: str, act: Holding) -> None:
    """Let tasks go and write down that somebody did, in one transaction."""
    tenant, key = _key(act)
    gone = Delete(Hold.KIND, tenant, key)
    try:
        await store.change(who, why, (gone, act))
    except NotFoundError:  # it holds since a time when that was not written down
        await store.change(who, why, (Put(tenant, key, Hold()), gone, act))


def _key(act: Holding) -> tuple[str, str]:
    """Return the tenant and the name of an act's descriptor."""
    name = f"{act.scope}:{act.name}" if act.verb == "limit" else act.name
    whole = act.verb == "limit" and act.scope == "tenant" and NAME.fullmatch(act.name)
    return act.name if whole else owner_of(act.name)[0], name_of(_WHAT[act.verb], name)
