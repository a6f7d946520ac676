from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.cloud.drivers.contract import Limits, Mount, Workload
from serai.cloud.drivers.process import command
from serai.cloud.drivers.process.facts import Facts, resolvers
from serai.cloud.drivers.process.shim import bencode
from serai.errors import InvalidError

FACTS = Facts(
    machine="x86_64",
    bwrap="/usr/bin/bwrap",
    python="/usr/bin/python3",
    links=(("/bin", "usr/bin"), ("/lib64", "usr/lib64")),
    folders=("/lib32",),
    etc=("/etc/localtime",),
)
PARTS = {f"{name}.py": f"{name}.py".encode() for name in command.PARTS}
WORKLOAD = Workload(
    id="shop.1",
    uid=2000,
    argv=("python", "app.py", "$(id)"),
    env={"KEY": "secret"},
    cwd="/app",
    mounts=(Mount(Path("/srv/releases/1"), "/app"), Mount(Path("/srv/data"), "/data", writable=True)),
    limits=Limits(tmp_mb=2),
)


def plan(workload=WORKLOAD, facts=FACTS, *, grouped=True):
    hosts = command.Hosts("here", ("192.0.2.53",))
    return command.plan(workload, facts, PARTS, b"filter", hosts, grouped=grouped)


def test_the_command_is_what_it_is():
    text = """
/usr/bin/bwrap --unshare-user --disable-userns --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try
--uid 1000 --gid 1000 --hostname shop-1 --die-with-parent --new-session --cap-drop ALL --clearenv
--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib64 /lib64 --ro-bind /lib32 /lib32
--ro-bind /etc/localtime /etc/localtime --dev /dev --size 67108864 --tmpfs /dev/shm --proc /proc
--size 2097152 --tmpfs /tmp --symlink /tmp /var/tmp --dir /run
--perms 0444 --file 6 /etc/passwd --perms 0444 --file 7 /etc/group --perms 0444 --file 8 /etc/hosts
--perms 0444 --file 9 /etc/hostname --perms 0444 --file 10 /etc/nsswitch.conf --perms 0444 --file 11 /etc/resolv.conf
--perms 0444 --file 12 /run/serai/shim/__init__.py --perms 0444 --file 13 /run/serai/shim/__main__.py
--perms 0444 --file 14 /run/serai/shim/bencode.py --perms 0444 --file 15 /run/serai/shim/landlock.py
--perms 0444 --file 16 /run/serai/shim/launch.py
--ro-bind /srv/releases/1 /app --bind /srv/data /data --remount-ro /dev --remount-ro / --chdir /
--seccomp 4 -- /usr/bin/python3 -I -S /run/serai/shim/__main__.py launch 5 3
"""
    assert plan().argv == tuple(text.split())


def test_what_the_program_gets_comes_by_descriptor():
    files = dict(plan().files)
    assert files[command.SECCOMP_FD] == b"filter"
    config = bencode.decode(files[command.CONFIG_FD])
    assert config["argv"] == [b"python", b"app.py", b"$(id)"]
    assert config["env"] == [[b"KEY", b"secret"]]
    assert config["writable"] == [b"/tmp", b"/dev/shm", b"/dev/pts", b"/data"]
    assert config["limits"] == {"core": 0, "files": 4096, "processes": 128}
    alone = bencode.decode(dict(plan(grouped=False).files)[command.CONFIG_FD])
    assert alone["limits"]["data"] == 1280 << 20
    assert not any("secret" in word or "$(id)" in word for word in plan().argv)


def test_the_names_inside_are_its_own():
    files = dict(plan().files)
    assert files[6] == b"root:x:0:0::/root:/usr/sbin/nologin\napp:x:1000:1000::/tmp:/bin/sh\n"
    assert files[8] == b"127.0.0.1 localhost here\n::1 localhost\n"
    assert files[11] == b"nameserver 192.0.2.53\noptions timeout:2 attempts:2\n"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"id": ""}, "id"),
        ({"id": "../up"}, "id"),
        ({"id": ".hidden"}, "id"),
        ({"id": "a" * 101}, "id"),
        ({"id": "UPPER"}, "id"),
        ({"argv": ()}, "argv"),
        ({"argv": ("a\0b",)}, "env"),
        ({"env": {"A=B": "c"}}, "env"),
        ({"env": {"": "c"}}, "env"),
        ({"env": {"A": "c\0"}}, "env"),
        ({"env": {"A": "c" * (1 << 20)}}, "env"),
        ({"uid": 0}, "uid"),
        ({"port": 65536}, "port"),
        ({"limits": Limits(memory_mb=0)}, "limits.memory_mb"),
        ({"limits": Limits(cpu=float("nan"))}, "limits.cpu"),
        ({"limits": Limits(processes=-1)}, "limits.processes"),
        ({"mounts": (Mount(Path("/a"), "relative"),)}, "mounts.target"),
        ({"mounts": (Mount(Path("/a"), "/"),)}, "mounts.target"),
        ({"mounts": (Mount(Path("/a"), "/app/../etc"),)}, "mounts.target"),
        ({"mounts": (Mount(Path("/a"), "/proc/self"),)}, "mounts.target"),
        ({"mounts": (Mount(Path("/a"), "/etc"),)}, "mounts.target"),
        ({"mounts": (Mount(Path("a"), "/app"),)}, "mounts.source"),
    ],
)
def test_what_can_not_be_run_is_refused_with_its_path(changes, path):
    with pytest.raises(InvalidError) as caught:
        command.check(msgspec.structs.replace(WORKLOAD, **changes))
    assert caught.value.fields["path"] == path


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_id_is_refused_or_harmless(text):
    try:
        command.check(msgspec.structs.replace(WORKLOAD, id=text))
    except InvalidError:
        return
    assert "/" not in text
    assert text not in (".", "..")
    hostname = plan(msgspec.structs.replace(WORKLOAD, id=text)).argv
    assert hostname[hostname.index("--hostname") + 1].replace("-", "").isalnum()


def test_a_stub_resolver_is_replaced_by_what_it_asks(tmp_path):
    (tmp_path / "stub").write_text("# none\nnameserver 127.0.0.53\nnameserver ::1\nnameserver\noptions edns0\n")
    (tmp_path / "real").write_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver nonsense\n")
    sources = (str(tmp_path / "missing"), str(tmp_path / "stub"), str(tmp_path / "real"))
    assert resolvers(sources) == ("192.0.2.1", "192.0.2.2")
    assert resolvers(sources[:2]) == ()
