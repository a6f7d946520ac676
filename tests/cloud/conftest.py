import fcntl
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from serai.cloud.drivers.conformance import Bench
from serai.cloud.drivers.process import ProcessDriver

# Nobody else's, and not those of tests that run beside these: the kernel counts processes by user.
PLATFORM = 1_900_000_000 + 8 * os.getpid()
TENANT = PLATFORM + 1


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


@pytest.fixture
def internet():
    """There is one at a time on this machine: its addresses are those of documentation, and the rules know them."""
    with Path(tempfile.gettempdir(), "serai-internet.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Internet()


class Internet:
    """A namespace behind this host that stands for the rest of the world, with a public and a private address."""

    def __init__(self):
        self.name = f"sw{secrets.token_hex(3)}"
        self.public, self.private = "203.0.113.2", "10.213.0.2"

    def __enter__(self):
        far = ["ip", "-n", self.name]
        for argv in (
            ["ip", "netns", "add", self.name],
            ["ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name],
            ["ip", "address", "add", "203.0.113.1/24", "dev", self.name],
            ["ip", "address", "add", "10.213.0.1/24", "dev", self.name],
            ["ip", "link", "set", self.name, "up"],
            [*far, "address", "add", "203.0.113.2/24", "dev", "eth0"],
            [*far, "address", "add", "10.213.0.2/24", "dev", "eth0"],
            [*far, "link", "set", "eth0", "up"],
        ):
            subprocess.run(argv, check=True)
        serve = "import socket\nlistening = socket.create_server(('0.0.0.0', 7000))\nprint('up', flush=True)\n"
        serve += "while True: listening.accept()[0].sendall(b'world')"
        argv = ["ip", "netns", "exec", self.name, "python3", "-c", serve]
        self.server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "up\n"
        return self

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        subprocess.run(["ip", "link", "delete", self.name], check=False)
        subprocess.run(["ip", "netns", "delete", self.name], check=False)
