"""Every service of the house: its name, and where its manifest is. A new service is one line here.

Third parties add theirs by an entry point of the group ``serai.services``.
"""

from __future__ import annotations

from serai.daemon.lean import later
from serai.daemon.service import Service, load

SERVICES: dict[str, str] = {
    "apps": "serai.services.apps:SERVICE",
    "edge": "serai.services.edge:SERVICE",
    "push": "serai.services.push:SERVICE",
    "series": "serai.services.series:SERVICE",
}


def services() -> dict[str, Service]:
    """Return all manifests by name; importing one imports no code of its modules."""
    later("zipfile", "csv")  # of packages that are archives, and of lists of their files
    from importlib.metadata import entry_points  # noqa: PLC0415 - see above

    third_party = {point.name: point.value for point in entry_points(group="serai.services")}
    return {name: load(path) for name, path in {**third_party, **SERVICES}.items()}
