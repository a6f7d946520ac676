import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from serai.cloud.drivers.conformance import Bench
from serai.cloud.drivers.process import ProcessDriver

TENANT = 1_900_000_001
PLATFORM = 1_900_000_000


@pytest.fixture
def shared():
    """A folder that a tenant can reach; pytest's own are root's only."""
    folder = Path(tempfile.mkdtemp(prefix="serai-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture
async def bench(shared):
    root = os.geteuid() == 0
    name = f"test-{secrets.token_hex(4)}"
    folder = shared / "mounts"
    folder.mkdir()

    def make():
        return ProcessDriver(shared / "run", name=name, gid=PLATFORM if root else None)

    bench = Bench(make, TENANT if root else None, folder)
    yield bench
    for handle in await bench.driver.recover():
        await bench.driver.stop(handle, grace=0)
        await bench.driver.remove(handle)
    await bench.driver.retire()
