"""The network between bots, clock and PostgreSQL is cut and healed at random under load: the same holds."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serai.store.cluster.private import PrivateServer
from serai.store.open import open_store
from serai.tasks import Tasks

sys.path.append(str(Path(__file__).parent))
import links
import matrix

pytestmark = [
    pytest.mark.xdist_group("timed"),  # one at a time: leases must be kept by who is well
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces"),
    pytest.mark.skipif(not (shutil.which("ip") and shutil.which("nft")), reason="needs ip and nft"),
]
NAMES = ("bot0", "bot1", "clock")


@pytest.fixture
def network() -> Iterator[links.Links]:
    network = links.Links(NAMES)
    yield network
    network.remove()


@pytest.fixture
def server(network: links.Links, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A database server that those in the network reach by TCP, and the test by its Unix socket."""
    folder = Path("/var/tmp", f"serai-pg-{os.getpid()}-{random.randrange(1 << 32):x}")  # not below another's 0700
    server = PrivateServer(folder, listen_addresses=links.SERVER)
    try:
        server.create()
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all serai {links.NETWORK} trust\n")
        with network.inside("server"):
            server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.timeout(matrix.STUCK + 60)
async def test_whatever_the_network_swallows_every_task_runs_and_none_twice_at_once(
    tmp_path: Path, network: links.Links, server: PrivateServer
) -> None:
    database = server.database()
    store = open_store(server.address(database))
    chance = random.Random(3)
    cuts = planned(chance)
    remote = f"postgresql://serai@{links.SERVER}/{database}"
    machine = matrix.Machine(tmp_path, bots=2, store=remote, inside=network.inside)
    whole, healing = set(NAMES), []

    def heal(name: str) -> None:
        network.heal(name)
        whole.add(name)

    def cut() -> str:
        names, way, seconds = cuts.pop()
        for name in whole.intersection(names):
            network.cut(name, way)
            whole.discard(name)
            healing.append(asyncio.get_running_loop().call_later(seconds, heal, name))
        return f"cut {way} {names} {seconds:.2f}"

    machine.more, machine.share, machine.long = [cut], 1.0, 0.1
    try:
        inserted = await matrix.torment(store, machine, chance, hurts=len(cuts))
    finally:
        machine.end()
        for each in healing:
            each.cancel()
    counted = await matrix.verify(Tasks(store), machine)
    await store.close()
    assert counted["tasks"] == inserted >= 100
    assert counted["losses"] > 0, "nobody was hit: this proves nothing"


def planned(chance: random.Random) -> list[tuple[tuple[str, ...], str, float]]:
    """Return who is cut, how and for how long: in each way within a lease, and a bot in each way far beyond it."""
    short = [(chance.choice([NAMES, *((name,) for name in NAMES)]), way, 0.3 * matrix.LEASE) for way in links.WAYS]
    long = [(chance.choice([NAMES, ("bot0",), ("bot1",)]), way, 2.0 * matrix.LEASE) for way in links.WAYS]
    cuts = [*short, *long, (("clock",), "both", 3.0 * matrix.LEASE)]
    chance.shuffle(cuts)
    return cuts
