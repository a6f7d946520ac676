"""Where apps are on this host, and whom they belong to there."""

from __future__ import annotations

import os
from pathlib import Path

from serai.identity.descriptors import Tenant
from serai.services.apps import doorstep
from serai.services.apps.addresses import Site
from serai.services.apps.launch import Place
from serai.services.apps.recipes import contract, runtimes

#: Tenants' user IDs begin so far above the platform's own first one.
FIRST_TENANT = 1000


def place(home: Path, site: Site, tenant: str, app: str, uid: int | None) -> Place:
    """Return an app's place on this host."""
    return Place(
        tenant=tenant,
        app=app,
        uid=uid,
        folder=home / "data/apps" / tenant / app,
        launchers=next(mount.source for mount in runtimes.tools() if mount.target == contract.LIB),
        url=f"https://{site.name(tenant)}/{app}/",
        door=doorstep.path(home, tenant, app),
    )


def uid_of(home: Path, tenant: Tenant) -> int | None:
    """Return the host's user ID of a tenant; None where the platform is a plain user, and all its tenants with it.

    The group of the home's folders is the first of the platform's user IDs (see `serai.daemon.home`).
    """
    if os.geteuid() != 0:
        return None
    return (home / "data/apps").stat().st_gid + FIRST_TENANT + tenant.uid


def furnish(place: Place) -> None:
    """Make an app's folders except its data, each with the mode it must have; safe to call again. Blocks."""
    # Tenants' users pass through by name, and can list nothing; below `releases` and `cache` each folder has its own.
    for folder in (place.folder.parent, place.folder, place.folder / "releases", place.cache):
        folder.mkdir(mode=0o711, exist_ok=True)
        folder.chmod(0o711)
    if place.door is not None:
        doorstep.furnish(place.door, place.uid)
