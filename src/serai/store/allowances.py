"""How many tasks may wait, as descriptors say it."""

from __future__ import annotations

import contextlib
from typing import Any

from serai.errors import NotFoundError
from serai.store.contract import Allowance
from serai.store.store import Store


async def allowances(store: Store, tenant: str, app: str) -> tuple[Allowance, ...]:
    """Return how many tasks of an app, and of all apps of its tenant, may wait: what kinds with ``TASKS`` say.

    None for what is about no app. They go into the transaction that inserts, which counts.
    """
    found: list[Allowance] = []
    for kind in store.kinds if app else ():
        if not kind.TASKS:
            continue
        whose = (tenant, app) if kind.TASKS == "app" else (tenant, "")
        with contextlib.suppress(NotFoundError):
            spec: Any = (await store.get(kind, tenant, whose[1] or tenant)).spec
            found += [Allowance(*whose, spec.tasks)] if spec.tasks else []
    return tuple(found)
