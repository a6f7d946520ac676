"""The roles, as data.

An action is ``noun.verb``: a kind of descriptor or a thing of the API, and what is done to it. A role lists the
actions that it allows; ``*`` stands for any noun or any verb. What no role of a principal lists is denied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    "blob.write",
    "change.watch",
    "task.cancel",
    "task.retry",
)

ROLES: Mapping[str, Sequence[str]] = {
    "operator": ("*.*",),
    "owner": (*_DEVELOP, "app.delete"),
    "developer": _DEVELOP,
    "viewer": ("*.read", "app.logs", "change.watch"),
    "billing": ("tenant.read", "usage.read"),
}


def allows(patterns: Sequence[str], action: str) -> bool:
    """Tell whether one of a role's patterns names the action."""
    noun, _, verb = action.partition(".")
    return any(pattern in {action, f"{noun}.*", f"*.{verb}", "*.*"} for pattern in patterns)
