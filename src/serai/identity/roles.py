"""The roles, as data.

An action is ``noun.verb``: a kind of descriptor or a thing of the API, and what is done to it. A role lists the
actions that it allows; ``*`` stands for any noun or any verb. What no role of a principal lists is denied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from serai.errors import InvalidError

MAX_ACTIONS = 200  # of one custom role
_PATTERN = re.compile(r"(?:[a-z][a-z0-9-]{0,62}|\*)\.(?:[a-z][a-z0-9-]{0,62}|\*)\Z")

#: What a release needs to come to life and to be looked after, without power over the tenant or over data's end.
_DEVELOP = (
    "*.read",
    "app.deploy",
    "app.domain",
    "app.env",
    "app.logs",
    "app.promote",
    "app.rollback",
    "app.scale",
    "app.shell",
    "apply.write",
    "blob.write",
    "change.watch",
    "channel.pause",
    "provider.write",
    "task.cancel",
    "task.retry",
    "task.run",
    "task.schedule",
)
#: What a program may do at the door of its own application.
_APP = ("push.publish", "push.ticket", "task.cancel", "task.read", "task.retry", "task.run", "task.schedule")

#: What a host has to know to do its work: what there is to run and where, as it changes. Nothing of people.
_HOST = (
    "change.watch",
    *(f"{kind}.read" for kind in ("app", "domain", "host", "instance", "need", "release", "route", "tenant")),
)

ROLES: Mapping[str, Sequence[str]] = {
    "operator": ("*.*",),
    "owner": (*_DEVELOP, "app.delete", "audit.*", "invitation.*", "member.*", "role.*", "token.*"),
    "developer": _DEVELOP,
    "viewer": ("*.read", "app.logs", "change.watch"),
    "app": _APP,
    "host": _HOST,
    "billing": ("tenant.read", "usage.read"),
}

#: What anybody may, without being recognised: it proves something by itself, or shows nothing.
OPEN_TO_ALL = frozenset({"session.begin", "invitation.take", "password.reset"})
#: What everybody may who was recognised, since it is about themselves or about nobody.
OPEN_TO_KNOWN = frozenset({"me.read", "me.leave", "about.read", "schema.read"})
#: What a user may do to themselves; no token may, or a leaked one would outlive its end.
OPEN_TO_USERS = frozenset({"me.write"})


def allows(patterns: Sequence[str], action: str) -> bool:
    """Tell whether one of a role's patterns names the action."""
    noun, _, verb = action.partition(".")
    return any(pattern in {action, f"{noun}.*", f"*.{verb}", "*.*"} for pattern in patterns)


def check_patterns(patterns: Sequence[str], path: str) -> None:
    """Refuse what is not ``noun.verb``."""
    if len(patterns) > MAX_ACTIONS:
        raise InvalidError(f"At most {MAX_ACTIONS} actions.", path=path)
    for pattern in patterns:
        if not _PATTERN.match(pattern):
            raise InvalidError("An action is noun.verb, each of which may be *.", path=path, action=pattern[:64])
