"""How an instance is asked whether it is well: as the edge would ask it."""

from __future__ import annotations

from pathlib import Path

from serai.services.apps import health
from serai.services.apps.addresses import Site, environment_path
from serai.services.apps.descriptors import Health
from serai.services.apps.desired import Known
from serai.services.apps.plan import WEB


class Probe:
    """What is needed to ask one instance for its health: its port, what a request by the edge would carry."""

    def __init__(self, check: Health, port: int, host: str, prefix: str) -> None:
        self.check = check
        self.port = port
        self.host = host
        self.prefix = prefix

    async def ask(self, connector: Path) -> str:
        """Return "" or what is wrong."""
        return await health.ask(connector, self.port, self.check, self.host, self.prefix)


def probe_of(known: Known, site: Site) -> Probe | None:
    """Return how to ask whether an instance is well, None for a worker."""
    if known.record.spec.process != WEB:
        return None
    app = known.release.app
    path = next(
        (environment_path(app, name) for name, live in known.app.live.items() if live == known.release.number),
        f"/{app}/{known.release.number}/",
    )
    return Probe(known.release.health, known.release.port, site.name(known.record.tenant), path.rstrip("/"))
