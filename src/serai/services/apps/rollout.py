"""Which tasks a deployment consists of, as data.

All of them are inserted with the change that causes them, in one channel per app: they run in this order, and the next
deployment begins when this one is over. A step whose release has failed before does nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serai.services.apps.descriptors import App
from serai.store import NewTask
from serai.store.tasks_rules import new_id

BUILD_SECONDS = 3600.0
STEP_SECONDS = 900.0
#: Steps begin again after their bot died; this many times at most.
RETRIES = 2


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A release on its way: its number, and the IDs of its tasks in the order in which they run."""

    release: int
    tasks: tuple[str, ...]


def rollout(
    app: App,
    tenant: str,
    name: str,
    release: int,
    environment: str | None,
    *,
    build: bool = False,
    fetch: bool = False,
    back: bool = False,
) -> tuple[Rollout, tuple[NewTask, ...]]:
    """Return what a deployment (or, without ``build``, a promotion) will be known by, and its tasks.

    ``fetch``: its files are not there yet; ``back``: the environment goes back to what it showed before.
    """
    functions = [*(["apps.fetch"] if fetch else []), *(["apps.build"] if build else [])]
    if environment is not None:
        functions += ["apps.start", "apps.check", "apps.switch", "apps.drain", "apps.stop"]
    arguments = {"release": release, "environment": environment, "back": back or None}
    tasks = tuple(task(function, app, tenant, name, **arguments) for function in functions)
    return Rollout(release=release, tasks=tuple(one.id for one in tasks)), tasks


def task(function: str, app: App, tenant: str, name: str, **arguments: Any) -> NewTask:
    """Return a task about an app; it runs on the app's host, in turn with all others about that app."""
    return NewTask(
        function=function,
        arguments={"tenant": tenant, "app": name, **{k: v for k, v in arguments.items() if v is not None}},
        tenant=tenant,
        app=name,
        queue=f"host:{app.host}",
        # Waiting for what ends keeps no other deployment waiting.
        channel=f"{'drain' if function in {'apps.stop', 'apps.prune'} else 'app'}:{tenant}/{name}",
        deadline=BUILD_SECONDS if function in {"apps.build", "apps.fetch"} else STEP_SECONDS,
        retries=RETRIES,
        id=new_id(),
    )
