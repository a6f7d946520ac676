"""The home folder: where everything is, who owns what, and its creation.

As root the platform's processes run as three users that need no passwd entry: root (supervisor, agent), ``uid_base``
(control) and ``uid_base + 1`` (edge), with the common group ``uid_base``; tenants follow from ``uid_base + 1000``. As a
plain user everything belongs to that user.
"""

from __future__ import annotations

import os
import stat
import zlib
from pathlib import Path
from typing import Literal

import msgspec

from serai.daemon.settings import FILE, HostSettings
from serai.errors import DeniedError, InvalidError, UnavailableError

Owner = Literal["root", "control", "edge"]

#: Folder, mode, owner. Tenants' users pass through 0711 folders to what is theirs, and can list none.
_FOLDERS: tuple[tuple[str, int, Owner], ...] = (
    (".", 0o711, "root"),
    ("data", 0o711, "root"),
    ("data/store", 0o700, "control"),
    ("data/replica", 0o700, "control"),
    ("data/replica-public", 0o750, "control"),
    ("data/blobs", 0o700, "control"),
    ("data/tls", 0o751, "control"),
    ("data/series", 0o700, "control"),
    ("data/apps", 0o711, "root"),
    ("run", 0o711, "root"),
    ("run/instances", 0o711, "root"),
    ("run/shells", 0o710, "root"),
    ("run/edge", 0o700, "edge"),
    ("keys", 0o700, "control"),
    ("logs", 0o751, "root"),
    ("logs/edge", 0o750, "edge"),
)
# Blocks of 65536 user IDs, high enough to meet nobody: below are people's, subordinate IDs and containers'.
_FIRST_BLOCK, _BLOCKS, _BLOCK = 200_000_000, 4096, 65536


class Home(msgspec.Struct, frozen=True):
    """The paths below one home folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The settings."""
        return self.path / FILE

    @property
    def store(self) -> str:
        """The URL of the embedded store."""
        return f"sqlite:{self.path / 'data/store/store.db'}"

    @property
    def blobs(self) -> Path:
        """The blobs' folder."""
        return self.path / "data/blobs"

    @property
    def replica(self) -> Path:
        """The folder of the replica that has all kinds."""
        return self.path / "data/replica"

    @property
    def public_replica(self) -> Path:
        """The folder of the replica that network-facing workers read: it has nothing to hide."""
        return self.path / "data/replica-public"

    @property
    def series(self) -> Path:
        """The file of the numbers over time."""
        return self.path / "data/series/series.db"

    @property
    def keys(self) -> Path:
        """The file of the keys that seal secrets; a backup of ``data`` does not hold it."""
        return self.path / "keys/secrets.key"

    @property
    def bus(self) -> str:
        """The URL of the local bus."""
        return f"unix:{self.path / 'run/bus.sock'}"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.path / "run/control.sock"

    @property
    def lock(self) -> Path:
        """The file that keeps two supervisors off one home."""
        return self.path / "run/supervisor.lock"

    @property
    def record(self) -> Path:
        """What a supervisor leaves for its successor."""
        return self.path / "run/supervisor.json"

    @property
    def log(self) -> Path:
        """The platform's log."""
        return self.path / "logs/serai.jsonl"


def default_path() -> Path:
    """Return the home of who says nothing: SERAI_HOME, else /var/lib/serai or ~/.local/share/serai."""
    named = os.environ.get("SERAI_HOME")
    if named:
        return Path(named)
    return Path("/var/lib/serai") if os.geteuid() == 0 else Path.home() / ".local/share/serai"


def prepare(path: Path) -> Home:
    """Create the home with its serai.toml where it is missing, and return it.

    Raises `InvalidError` where the path can't serve, `DeniedError` where it is another user's.
    """
    home = Home(path.absolute())
    root = os.geteuid() == 0
    try:
        _check(home.path, root=root)
        home.path.mkdir(parents=True, exist_ok=True)
        if not home.config.exists():
            _write_config(home, root=root)
    except OSError as error:
        kind = DeniedError if isinstance(error, PermissionError) else InvalidError
        raise kind(f"The home {home.path} can't be made: {error.strerror}.") from error
    return home


def furnish(home: Home, host: HostSettings) -> None:
    """Make the folders below the home and set their owners and modes, again at each start: they may have drifted."""
    root = os.geteuid() == 0
    if root and host.uid_base == 0:
        raise InvalidError("host.uid_base: as root the platform needs user IDs of its own.", path="host.uid_base")
    uids: dict[Owner, int] = {"root": 0, "control": host.uid_base, "edge": host.uid_base + 1}
    for name, mode, owner in _FOLDERS:
        folder = home.path / name
        folder.mkdir(exist_ok=True)
        if root:
            os.chown(folder, uids[owner], host.uid_base)
        folder.chmod(mode)
    if root and not lost_store(home):
        _own_store(home, host)


def lost_store(home: Home) -> bool:
    """Tell whether this host had a store in a file that is gone: an empty one in its place would end all apps."""
    if Path(home.store.partition(":")[2]).exists() or not (home.replica / "data.mdb").exists():
        return False
    from serai.store.replica import Replica  # noqa: PLC0415 - this module is each command's, and this is rare

    return bool(Replica(home.replica).position().store)


def check_store(home: Home) -> None:
    """Raise `UnavailableError` where the store is lost."""
    if lost_store(home):
        raise UnavailableError(
            f"The store {home.store.partition(':')[2]} is gone. Put it back; or, to begin with an empty one, "
            f"delete {home.replica} as well."
        )


def _own_store(home: Home, host: HostSettings) -> None:
    """Make the store's file before anyone opens it: else the agent, which is root, may be first and lock others out.

    To SQLite an empty file is an empty database.
    """
    path = home.store.partition(":")[2]
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchown(fd, host.uid_base, host.uid_base)
    os.close(fd)


def _check(path: Path, *, root: bool) -> None:
    if path.exists() and not path.is_dir():
        raise InvalidError(f"The home {path} is a file, not a folder.", path=str(path))
    if path.exists() and path.stat().st_uid != os.geteuid():
        raise DeniedError(f"The home {path} belongs to user {path.stat().st_uid}, not to you.")
    if not root:
        return
    for parent in path.resolve().parents:
        if parent.is_dir() and not parent.stat().st_mode & stat.S_IXOTH:
            raise InvalidError(
                f"The home {path} can't be reached by unprivileged users, as which workers and tenants run: "
                f"{parent} lets nobody but its owner through. Choose another --home, or chmod o+x {parent}.",
                path=str(parent),
            )


def _write_config(home: Home, *, root: bool) -> None:
    """Write a serai.toml that says only what must not change later: the name, and the user IDs."""
    # Once in a home's life, and they cost more than all else here.
    from serai.daemon.config import system_name  # noqa: PLC0415
    from serai.daemon.reference import documented  # noqa: PLC0415

    host: dict[str, str | int] = {"name": system_name()}
    if root:
        host["uid_base"] = uid_base(home.path)
    partial = home.config.with_suffix(".new")
    partial.write_text(documented({"host": host}), encoding="utf-8")
    partial.chmod(0o640)
    partial.rename(home.config)


def uid_base(path: Path) -> int:
    """Choose the first user ID of a home: by its path, so that homes side by side do not share tenants' users."""
    return _FIRST_BLOCK + _BLOCK * (zlib.crc32(str(path).encode()) % _BLOCKS)
