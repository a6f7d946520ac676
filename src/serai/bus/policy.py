"""Who may do what on the bus: as data, by the user at the other end of a connection.

Whoever serves a subject decides what its callers see, and whoever publishes on one makes others act. A process that
faces the network may be taken over, so it gets what it needs and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from serai.bus.subjects import covers
from serai.errors import DeniedError

Verb = Literal["publish", "subscribe", "call", "serve"]


class Rights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Subjects by what may be done with them: each is a subject, ``a.*`` for all below ``a``, or ``*`` for all."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    call: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()

    def __or__(self, other: Rights) -> Rights:
        """Return what either allows, in an order that does not depend on theirs."""
        names = self.__struct_fields__
        return Rights(**{name: tuple(sorted({*getattr(self, name), *getattr(other, name)})) for name in names})

    def check(self, verb: Verb, subject: str) -> None:
        """Raise `DeniedError` for what is not among them; ``subject`` may be the pattern of a subscription."""
        patterns: tuple[str, ...] = getattr(self, verb)
        if not any(covers(pattern, subject) for pattern in patterns):
            raise DeniedError(f"This client may not {verb} {subject} on the bus.", verb=verb, subject=subject)


NOTHING = Rights()
EVERYTHING = Rights(publish=("*",), subscribe=("*",), call=("*",), serve=("*",))


class Policy(msgspec.Struct, frozen=True):
    """Rights by user ID; a user that is not named may do nothing."""

    users: Mapping[int, Rights] = {}

    def of(self, uid: int) -> Rights:
        """Return what a user may do."""
        return self.users.get(uid, NOTHING)
