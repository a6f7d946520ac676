import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

USER = str(1_900_000_000 + 8 * os.getpid() + 3)  # nobody else's, also of tests that run beside these
# A tun device that everybody may open, as most systems have it, in a mount namespace of its own.
PREPARE = (
    "mount --make-rprivate / && mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
    'exec setpriv --reuid "$1" --regid "$1" --clear-groups -- "$2" -c "$3" "$4" "$5" "$6"'
)
INSIDE = """
import asyncio, sys
from pathlib import Path
from serai.cloud.drivers.conformance.bench import said
from serai.cloud.drivers.contract import Workload
from serai.cloud.drivers.process import ProcessDriver

async def main(home, port, world):
    driver = ProcessDriver(Path(home) / "run", name=home)
    probes = {probe.ability: probe.result for probe in await driver.probe()}
    if probes["egress"] != "ok":
        sys.exit("skip: " + probes["egress"])
    script = '''
import socket, sys
for word in sys.argv[1:]:
    name, port = word.split(":")
    one = socket.socket()
    one.settimeout(1.5)
    try:
        one.connect((name, int(port)))
        print(one.recv(9).decode())
    except OSError:
        print("held")
'''
    targets = [world + ":7000", "10.213.0.2:7000", "10.0.2.2:" + port, "127.0.0.1:" + port, "203.0.113.1:" + port]
    argv = ("/usr/bin/python3", "-I", "-c", script, *targets)
    handle = await driver.start(Workload(id="one", uid=None, argv=argv, network="egress"))
    await driver.wait(handle)
    print(said(handle))
    await driver.remove(handle)

asyncio.run(main(*sys.argv[1:4]))
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a tun device that all may open")
@pytest.mark.skipif(not Path("/dev/net/tun").exists() or not shutil.which("slirp4netns"), reason="no slirp4netns")
def test_a_plain_users_way_out_leads_to_the_world_and_nowhere_else(internet):
    home = Path(tempfile.mkdtemp(prefix="serai-home-", dir="/var/tmp"))
    os.chown(home, int(USER), int(USER))
    try:
        with internet as world, socket.create_server(("0.0.0.0", 0)) as listening:
            port = str(listening.getsockname()[1])
            argv = ["unshare", "--mount", "sh", "-c", PREPARE, "sh", USER, sys.executable, INSIDE]
            tried = [*argv, str(home), port, world.public]
            ended = subprocess.run(tried, check=False, capture_output=True, text=True, timeout=60, cwd="/")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if ended.stderr.startswith("skip: "):
        pytest.skip(ended.stderr)
    assert ended.stdout.split() == ["world", "held", "held", "held", "held"], ended.stderr
