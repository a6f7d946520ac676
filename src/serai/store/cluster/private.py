"""A PostgreSQL server of one's own, for tests and benchmarks: durable, in a folder that goes with it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import psycopg

from serai.errors import UnsupportedError

#: Who serves where we are root, which PostgreSQL refuses to run as; the first one that there is.
_USERS = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
    "restart_after_crash": "on",
}


class _As(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class PrivateServer:
    """One server below ``folder``, reached over a Unix socket by user ``serai`` without a password.

    `start` and `stop` may be called again and again; `remove` is the end.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._settings = _SETTINGS | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    @property
    def pid(self) -> int:
        """Return the number of its first process."""
        return self._process.pid if self._process else 0

    def address(self, database: str, host: Path | None = None) -> str:
        """Return the address of a database, in the server's own folder or reached by another socket."""
        return f"postgresql://serai@/{database}?host={quote(str(host or self.folder), safe='')}"

    def create(self) -> None:
        """Make an empty cluster; takes a second or two."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        if user := _user():
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-D", str(self.data), "-U", "serai", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [word for item in self._settings.items() for word in ("-c", "=".join(item))]
        # It ends with whoever started it, however that ends.
        died = ["setpriv", "--pdeathsig", "QUIT"]
        command = [*died, _program("postgres"), "-D", str(self.data), "-k", str(self.folder), *words]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, **_as_user()
            )
        end = time.monotonic() + 120  # after a crash it first repeats what was not written out
        while True:
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: at once (SIGQUIT), by force (SIGKILL, with all its processes), or in order (SIGINT)."""
        if self._process is None:
            return
        if how == signal.SIGKILL:
            self.signal(how)
        else:
            self.signal(signal.SIGCONT)
            self._process.send_signal(how)
        self._process.wait(30)
        self._process = None

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to all its processes; each of them is in a group of its own."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, which)

    def database(self) -> str:
        """Create a database and return its name."""
        self._made += 1
        name = f"serai_{os.getpid()}_{self._made}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return name

    def drop(self, name: str) -> None:
        """Delete a database, whoever is connected to it."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[int]:
        found = [self.pid]
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())
        return found

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [_program(command[0]), *command[1:]], check=False, cwd="/", capture_output=True, text=True, **_as_user()
        )
        if done.returncode:
            raise UnsupportedError(f"{command[0]} failed: {done.stderr[-500:]}")


def private_server(place: Path | None = None, **settings: str) -> PrivateServer:
    """Create and start a server in a temporary folder of ``place``."""
    server = PrivateServer(Path(tempfile.mkdtemp(prefix="serai-pg-", dir=place)), **settings)
    try:
        server.create()
        server.start()
    except BaseException:
        server.remove()
        raise
    return server


def _program(name: str) -> str:
    """Find a server's program; Debian keeps them off PATH, one folder a release."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    found = shutil.which(name, path=os.pathsep.join(str(folder) for folder in reversed(folders))) or shutil.which(name)
    if found is None:
        raise UnsupportedError("PostgreSQL's server is not installed: apt-get install postgresql")
    return found


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise UnsupportedError("PostgreSQL does not run as root, and there is no user for it")


def _as_user() -> _As:
    user = _user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
