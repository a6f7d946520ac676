"""Tenant code that tries: every test here is an attempt that must fail to get out."""

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
from pathlib import Path

import msgspec
import pytest

from serai.cloud.drivers.conformance.bench import SMALL, said
from serai.cloud.drivers.conformance.programs import told
from serai.cloud.drivers.conformance.talk import entering
from serai.cloud.drivers.contract import Mount
from serai.cloud.drivers.process import network, processes
from serai.cloud.drivers.process.shim.watch import of_namespace
from serai.cloud.volumes import Volumes

ROOT = os.geteuid() == 0
OTHER = 1_900_000_002

pytestmark = pytest.mark.timeout(60)


async def inside(bench, script, *arguments, **changes):
    """Run a Python script inside; return the lines it printed."""
    _, text = await bench.output("python3", "-I", "-c", script, *map(str, arguments), **changes)
    return text.splitlines()


OPEN = """
import os, sys
for path in sys.argv[1:]:
    try:
        print(os.listdir(path) if path.endswith("/") else open(path, "rb").read(9))
    except OSError as error:
        print(error.strerror)
"""


async def test_files_of_the_host_and_of_other_tenants_are_not_there(bench, shared):
    secret = shared / "other" / "secret"
    secret.parent.mkdir(mode=0o755)
    secret.write_text("treasure")
    async with bench.running("sleep", "60") as neighbour:
        paths = (
            secret,
            f"{shared}/",
            neighbour.connector,
            neighbour.log,
            "/root/",
            "/home/",
            "/sys/",
            "/proc/1/root" + str(secret),
            "/proc/self/root/../../.." + str(secret),
            "/boot/",
            "/var/lib/",
            "/etc/shadow",
            "/etc/ssl/private/",
            "/run/dbus/system_bus_socket",
        )
        lines = await inside(bench, OPEN, *paths)
    assert set(lines) <= {"No such file or directory", "Permission denied"}
    assert len(lines) == len(paths)


async def test_passwd_tells_nothing_of_the_host(bench):
    _, text = await bench.output("cat", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/hostname")
    assert "app" in text
    assert socket.gethostname() not in text.split()
    assert "daemon" not in text


async def test_processes_of_others_are_neither_seen_nor_signalled(bench):
    script = """
import os, sys
print(max(int(name) for name in os.listdir("/proc") if name.isdigit()) < 20)
for pid in map(int, sys.argv[1:]):
    try:
        os.kill(pid, 9)
        print("killed")
    except ProcessLookupError:
        print("nobody")
"""
    async with bench.running("sleep", "60") as neighbour:
        lines = await inside(bench, script, os.getpid(), neighbour.pid, 30000)
        assert lines == ["True", "nobody", "nobody", "nobody"]
        assert processes.alive(neighbour.pid, neighbour.started)


async def test_signalling_all_ends_only_oneself(bench):
    async with bench.running("sleep", "60") as neighbour:
        ended, _ = await bench.output("sh", "-c", "kill -9 -1; sleep 1; echo here")
        assert ended.reason == "exited" or ended.code == -9
        assert processes.alive(neighbour.pid, neighbour.started)


async def test_a_fork_bomb_is_held_and_leaves_nothing(bench):
    async with bench.running("bash", "-c", "echo listening; b() { b | b & }; b; sleep 60") as handle:
        await bench.serving(handle)
        await asyncio.sleep(1)
        record = bench.driver._folders.record(handle)
        assert len(of_namespace(record.program)) <= SMALL.processes + 3
        subprocess.run(["true"], check=True)  # the host still forks
        await bench.driver.stop(handle, grace=0.2)
        assert of_namespace(record.program) == []


async def test_all_memory_by_many_processes_is_held(bench):
    script = """
import os, time
for _ in range(8):
    if not os.fork():
        kept = bytearray(os.urandom(1 << 20)) * 40
        time.sleep(2)
        os._exit(0)
print(sum(os.wait()[1] == 9 for _ in range(8)), "killed")
"""
    ended, text = await bench.output("python3", "-I", "-c", script)
    # A cgroup kills one of the family after the other; the watch of a plain user kills all.
    assert ended.reason == "out_of_memory" or int(text.split()[0]) >= 5, (ended, text)


FILL = """
import os, sys
for path in sys.argv[1:]:
    written = 0
    try:
        with open(path + "/filled", "wb", buffering=0) as file:
            while written < 256 << 20:
                written += file.write(bytes(1 << 20))
        print("unbounded")
    except OSError as error:
        print(error.strerror if written == 0 else "bounded")
"""


async def test_all_disk_is_held(bench):
    limits = msgspec.structs.replace(SMALL, memory_mb=512)
    places = ("/tmp", "/dev/shm", "/", "/dev", "/run", "/etc", "/usr", "/proc", "/var")
    lines = await inside(bench, FILL, *places, limits=limits)
    assert lines[:2] == ["bounded", "bounded"]
    assert set(lines[2:]) <= {"Read-only file system", "Permission denied", "No such file or directory"}


@pytest.mark.root
@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_a_data_volume_is_no_larger_than_it_is(bench, shared):
    volumes, probe = await Volumes.open(shared)
    if probe.result != "ok":
        pytest.skip(probe.result)
    path = shared / "data"
    await volumes.ensure(path, 16, bench.uid, bench.uid)
    try:
        lines = await inside(bench, FILL, "/data", mounts=(Mount(path, "/data", writable=True),))
        assert lines == ["bounded"]
        assert await volumes.usage(path) <= 16 << 20
    finally:
        await volumes.remove(path, named="data")


SOCKETS = """
import socket, sys
kinds = {
    "packet": (17, 3, 0), "raw": (2, 3, 1), "raw6": (10, 3, 58), "udp-raw": (2, 3, 17), "vsock": (40, 1, 0),
    "alg": (38, 5, 0), "netlink-audit": (16, 3, 9), "netlink-netfilter": (16, 3, 12), "bluetooth": (31, 3, 1),
    "packet-type": (2, 10, 0),
}
for name, arguments in kinds.items():
    try:
        socket.socket(*arguments)
        print(name)
    except OSError:
        pass
socket.socket(16, 3, 0)
socket.socket(2, 2, 0)
print("end")
"""


async def test_raw_and_odd_sockets_are_refused_and_ordinary_ones_are_not(bench):
    assert await inside(bench, SOCKETS) == ["end"]


CALLS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for word in sys.argv[1:]:
    name, number, *arguments = word.split(",")
    ctypes.set_errno(0)
    result = libc.syscall(int(number), *(ctypes.c_ulong(int(one)) for one in arguments))
    if result >= 0 or ctypes.get_errno() not in (1, 38):
        print(name, ctypes.get_errno())
print("end")
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64")
async def test_dangerous_system_calls_are_refused(bench):
    new_user, new_namespaces = 0x10000000, 0x10020000
    calls = [
        "ptrace,101,0,0,0,0",
        "ptrace-attach,101,16,1,0,0",
        "mount,165,0,0,0,0,0",
        "umount,166,0,0",
        f"unshare,272,{new_user}",
        f"clone,56,{new_namespaces},0,0,0,0",
        f"clone3,435,0,{new_user}",
        "setns,308,0,0",
        "pivot_root,155,0,0",
        "chroot,161,0",
        "keyctl,250,0,0,0,0,0",
        "add_key,248,0,0,0,0,0",
        "bpf,321,0,0,0",
        "perf_event_open,298,0,0,0,0,0",
        "userfaultfd,323,0",
        "io_uring_setup,425,1,0",
        "kexec_load,246,0,0,0,0",
        "init_module,175,0,0,0",
        "finit_module,313,0,0,0",
        "process_vm_readv,310,1,0,0,0,0,0",
        "open_by_handle_at,304,0,0,0",
        "name_to_handle_at,303,0,0,0,0,0",
        "reboot,169,0,0,0,0",
        "settimeofday,164,0,0",
        "personality,135,262144",
        "tiocsti,16,0,21522,0",
        "fsopen,430,0,0",
        "move_mount,429,0,0,0,0,0",
        "pidfd_getfd,438,0,0,0",
        "x32-getpid,1073741863",
        "unknown,2000",
        "syslog,103,3,0,0",
    ]
    assert await inside(bench, CALLS, *calls) == ["end"]


async def test_no_user_namespace_can_be_made_by_any_program(bench):
    ended, _ = await bench.output("unshare", "--user", "--map-root-user", "id")
    assert ended.code != 0
    ended, _ = await bench.output("bwrap", "--bind", "/", "/", "id")
    assert ended.code != 0


async def test_setuid_programs_give_no_rights(bench):
    script = "for one in su mount umount passwd chsh newgrp sudo; do $one </dev/null >/dev/null 2>&1; done; "
    script += "grep -E 'NoNewPrivs|Cap(Eff|Prm|Bnd|Amb)' /proc/self/status; su -c id root </dev/null"
    _, text = await bench.output("sh", "-c", script)
    values = dict(re.findall(r"(\w+):\s+(\w+)", text))
    assert values["NoNewPrivs"] == "1"
    assert {int(values[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert "uid=0" not in text


async def test_device_nodes_can_not_be_made_and_only_harmless_ones_are_there(bench):
    script = """
import os, stat
for mode, name in ((stat.S_IFBLK, "/tmp/disk"), (stat.S_IFCHR, "/tmp/mem")):
    try:
        os.mknod(name, mode | 0o666, os.makedev(1, 1))
        print("made", name)
    except OSError:
        pass
print(sorted(os.listdir("/dev")))
"""
    harmless = "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert await inside(bench, script) == [str(harmless.split())]


async def test_no_descriptor_of_the_platform_is_left_open(bench):
    script = "import os; print([one for one in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + one)])"
    assert await inside(bench, script) == ["['0', '1', '2']"]


async def test_unix_sockets_of_the_host_are_out_of_reach(bench, shared):
    name = f"serai-test-{secrets.token_hex(4)}"
    script = """
import socket, sys
for address in ("\\0" + sys.argv[1], sys.argv[2]):
    one = socket.socket(socket.AF_UNIX)
    try:
        one.connect(address)
        print("connected")
    except OSError:
        print("held")
"""
    path = shared / "api.sock"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        abstract.bind("\0" + name)
        abstract.listen()
        named.bind(str(path))
        path.chmod(0o666)
        named.listen()
        assert await inside(bench, script, name, path) == ["held", "held"]


async def test_secrets_are_in_no_argument_vector(bench):
    secret = secrets.token_hex(16)
    async with bench.running("sleep", "60", env={"PATH": "/usr/bin", "KEY": secret}) as handle:
        record = bench.driver._folders.record(handle)
        for pid in (handle.pid, record.sandbox, record.program):
            assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        for path in handle.folder.rglob("*"):
            assert path.is_dir() or path.is_socket() or secret.encode() not in path.read_bytes()


async def test_links_in_a_data_folder_lead_nowhere(bench, shared):
    secret = shared / "secret"
    secret.write_text("treasure")
    data = bench.folder / "data"
    data.mkdir()
    data.chmod(0o777)
    mounts = (Mount(data, "/data", writable=True),)
    await inside(bench, "import os, sys; os.symlink(sys.argv[1], '/data/link')", secret, mounts=mounts)
    assert await inside(bench, OPEN, "/data/link", mounts=mounts) == ["No such file or directory"]
    assert await Volumes(hard=False).usage(data) < 64 << 10


async def test_a_log_that_was_replaced_by_a_link_is_not_followed(bench, shared):
    secret = shared / "secret"
    secret.write_text('{"code": 0, "reason": "exited", "when": 0}')
    handle = await bench.driver.start(bench.workload("true"))
    await bench.driver.wait(handle)
    (handle.folder / "state" / "exit.json").unlink()
    (handle.folder / "state" / "exit.json").symlink_to(secret)
    assert (await bench.driver.wait(handle)).reason == "lost"
    await bench.driver.remove(handle)


async def test_the_death_of_a_shim_ends_its_workload(bench):
    async with bench.running("sh", "-c", "(setsid sleep 1000 &); sleep 1000") as handle:
        record = bench.driver._folders.record(handle)
        processes.send(handle.pid, handle.started, 9)
        ended = await bench.driver.wait(handle)
        await processes.ended(record.program, record.program_started)
        assert ended.reason == "lost"
        assert of_namespace(record.program) == []


@pytest.mark.root
@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_the_shim_has_no_more_rights_than_its_tenant(bench):
    async with bench.running("sleep", "60") as handle:
        for pid in (handle.pid, bench.driver._folders.record(handle).program):
            status = dict(re.findall(r"(\w+):\t(.*)", Path(f"/proc/{pid}/status").read_text()))
            assert set(status["Uid"].split()) == {str(bench.uid)}
            assert set(status["Gid"].split()) == {str(bench.uid)}
            assert status["Groups"].strip() == ""
            assert int(status["CapEff"], 16) == 0


@pytest.mark.root
@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_a_tenant_outside_of_its_sandbox_can_not_use_another_ones_connector(bench):
    script = "import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])"
    async with bench.running("sleep", "60") as handle:
        become = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
        tried = [*become, "/usr/bin/python3", "-I", "-c", script, str(handle.connector)]
        ended = subprocess.run(tried, check=False, capture_output=True, text=True)
        assert "PermissionError" in ended.stderr
        # The platform's own group may, and it may read the log.
        tried[2] = f"--regid={handle.folder.stat().st_gid}"
        assert subprocess.run(tried, check=False).returncode == 0
        assert handle.log.stat().st_gid == handle.folder.stat().st_gid
        assert handle.log.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64")
@pytest.mark.parametrize("size", [None, (24, 80)], ids=["pipes", "terminal"])
async def test_who_enters_is_held_as_the_program_is(bench, shared, size):
    secret = shared / "secret"
    secret.write_text("treasure")
    script = """
import ctypes, os, socket, sys
paths = ("/root/", "/home/", "/sys/", "/etc/shadow", sys.argv[1], "/proc/1/root" + sys.argv[1], "/proc/1/environ")
for path in paths:
    try:
        print("read", path, os.listdir(path) if path.endswith("/") else open(path, "rb").read(9))
    except OSError:
        pass
for path in ("/etc/passwd", "/usr/new", "/new"):
    try:
        open(path, "ab")
        print("wrote", path)
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
for name, number, *arguments in (
    ("ptrace", 101, 16, 1, 0, 0), ("mount", 165, 0, 0, 0, 0, 0), ("unshare", 272, 0x10000000), ("setns", 308, 0, 0),
    ("tiocsti", 16, 0, 0x5412, 0), ("bpf", 321, 0, 0, 0), ("chroot", 161, 0), ("keyctl", 250, 0, 0, 0, 0, 0),
):
    ctypes.set_errno(0)
    if libc.syscall(number, *map(ctypes.c_ulong, arguments)) >= 0 or ctypes.get_errno() not in (1, 38):
        print(name, ctypes.get_errno())
for family, kind, protocol in ((17, 3, 0), (2, 3, 1), (40, 1, 0)):
    try:
        socket.socket(family, kind, protocol)
        print("socket", family)
    except OSError:
        pass
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print([status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")], status["NoNewPrivs"].strip())
print([one for one in sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd/" + one)])
print(max(int(name) for name in os.listdir("/proc") if name.isdigit()) < 20, "case" in open("/proc/self/cgroup").read())
"""
    none = str(["0" * 16] * 4)
    async with (
        bench.running("sleep", "60") as handle,
        entering(bench, handle, "python3", "-I", "-c", script, str(secret), size=size) as talk,
    ):
        await talk.hear()
        wanted = [f"{none} 1", "['0', '1', '2']", "True False"]
        assert talk.output.decode().splitlines() == wanted, (talk.output, talk.errors)


async def test_who_enters_ignores_no_signal_that_the_platform_was_started_with(bench):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        async with (
            bench.running("sleep", "60") as handle,
            entering(bench, handle, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status") as talk,
        ):
            await talk.hear()
            assert told(talk.output.decode()) == {"SigBlk:": 0, "SigIgn:": 0}
    finally:
        signal.signal(signal.SIGINT, before)


async def test_secrets_of_who_enters_are_in_no_argument_vector_and_no_file(bench):
    secret = secrets.token_hex(16)
    env = {"PATH": "/usr/bin", "KEY": secret}
    async with bench.running("sleep", "60") as handle, entering(bench, handle, "cat", env=env) as talk:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert secret.encode() not in path.read_bytes()
            except OSError:
                continue
        for path in talk.visit.folder.iterdir():
            assert path.is_socket() or secret.encode() not in path.read_bytes()


async def test_the_death_of_who_stays_with_a_visit_ends_it_and_nothing_else(bench):
    async with bench.running("sh", "-c", "echo listening; exec sleep 60") as handle:
        await bench.serving(handle)
        record = bench.driver._folders.record(handle)
        before = of_namespace(record.program)
        async with entering(bench, handle, "sh", "-c", "echo in; exec sleep 1000", size=(24, 80)) as talk:
            await talk.hear(b"in")
            assert len(of_namespace(record.program)) == len(before) + 1
            processes.send(talk.visit.pid, talk.visit.started, 9)
            assert (await bench.driver.left(talk.visit)).reason == "lost"
            async with asyncio.timeout(5):
                while of_namespace(record.program) != before:
                    await asyncio.sleep(0.01)
        assert processes.alive(handle.pid, handle.started)


@pytest.mark.root
@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_only_the_owner_of_a_visit_talks_to_it(bench):
    script = "import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(sys.argv[1])"
    async with bench.running("sleep", "60") as handle, entering(bench, handle, "cat", owner=OTHER) as talk:
        for user, status in ((bench.uid, 1), (OTHER, 0)):
            become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
            tried = [*become, "/usr/bin/python3", "-I", "-c", script, str(talk.visit.door)]
            assert subprocess.run(tried, check=False, capture_output=True).returncode == status


REACH = """
import socket, sys
for word in sys.argv[1:]:
    name, port = word.rsplit(":", 1)
    one = socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET)
    one.settimeout(0.7)
    try:
        one.connect((name, int(port)))
        print(one.recv(9).decode())
    except OSError:
        print("held")
"""


@pytest.mark.root
@pytest.mark.skipif(not ROOT, reason="needs root")
async def test_a_way_out_leads_to_the_world_and_nowhere_else(bench, internet):
    home = bench.driver._plan
    assert isinstance(home, network.Plan)
    with internet as world, socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        server = "import socket\nlistening = socket.create_server(('0.0.0.0', 7000))\nprint('listening', flush=True)\n"
        server += "while True: listening.accept()[0].sendall(b'tenant')"
        async with bench.running("python3", "-I", "-c", server, network="egress", port=7000) as neighbour:
            await bench.serving(neighbour)
            other = home.pair(bench.driver._folders.record(neighbour).link)
            mine = home.pair(bench.driver._folders.record(neighbour).link + 1)
            targets = [f"{world.public}:7000", f"{world.private}:7000"]
            targets += [f"{other.address}:7000", f"{other.gateway}:{port}", f"{mine.gateway}:{port}"]
            targets += [f"203.0.113.1:{port}", f"127.0.0.1:{port}", f"10.213.0.1:{port}"]
            lines = await inside(bench, REACH, *targets, network="egress")
            assert lines == ["world"] + ["held"] * (len(targets) - 1)
            # Nor does this host, or anybody on it, reach a tenant past its connector.
            with socket.socket() as direct:
                direct.settimeout(0.7)
                assert direct.connect_ex((other.address, 7000)) != 0
            assert said(neighbour) == "listening"


async def test_a_plain_user_gets_no_way_out_by_mistake(bench):
    if ROOT:
        pytest.skip("as root there is one")
    probes = {probe.ability: probe.result for probe in await bench.driver.probe()}
    if probes["egress"] == "ok":
        pytest.skip("slirp4netns works here")
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        lines = await inside(bench, REACH, f"127.0.0.1:{port}", f"8.8.8.8:{port}", network="egress")
        assert lines == ["held", "held"]
