"""Where the database is: an address without secrets, and how its connections behave."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from serai.errors import InvalidError

SCHEMES = ("postgresql", "postgres")
#: The schema that all tables are in: the database may hold other things as well.
SCHEMA = "serai"

#: Octets of an address.
_MAX = 2000
#: Seconds until a silent connection is tried, between tries, and how many.
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3}
_SECRETS = {"password", "sslpassword"}


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for the database, in seconds.

    The server itself ends what takes longer than ``statement``, waits for a lock longer than ``lock``, or leaves a
    transaction alone for ``idle``, as a stopped process does while it holds locks; who waited for a lock in vain ends
    those that the server does not see (`serai.store.cluster.database`). ``answer`` is for a host or a server that does
    not answer at all, ``doubt`` for finding out how a commit ended whose answer was lost.
    """

    connect: float = 5.0
    statement: float = 8.0
    lock: float = 5.0
    idle: float = 4.0
    answer: float = 10.0
    doubt: float = 10.0


class Address(msgspec.Struct, frozen=True):
    """A database, in terms of libpq: what its connections are made with."""

    parameters: dict[str, Any]
    patience: Patience = Patience()

    def __str__(self) -> str:
        """Name the database, to be shown to people."""
        host = self.parameters.get("host") or self.parameters.get("hostaddr") or "the default socket"
        port = self.parameters.get("port")
        where = f"{host}:{port}" if port and not str(host).startswith("/") else host
        return f"{self.parameters.get('dbname', 'of the default name')} at {where}"

    def arguments(self, name: str) -> dict[str, Any]:
        """Return what to connect with; what the address itself says goes before what the house prefers."""
        wait = self.patience
        settings = {
            "search_path": SCHEMA,
            "client_encoding": "UTF8",
            "statement_timeout": _milliseconds(wait.statement),
            "lock_timeout": _milliseconds(wait.lock),
            "idle_in_transaction_session_timeout": _milliseconds(wait.idle),
            "jit": "off",  # compiling takes longer than any of our statements
            # Both sides find out about a network that is cut.
            **{f"tcp_{key}": value for key, value in _ALIVE.items()},
            "tcp_user_timeout": _milliseconds(wait.answer),
        }
        options = " ".join(f"-c {key}={value}" for key, value in settings.items())
        return {
            "connect_timeout": max(2, round(wait.connect)),  # libpq knows whole seconds, and none below 2
            "target_session_attrs": "primary",  # of several hosts; a standby is behind
            **_ALIVE,
            "tcp_user_timeout": _milliseconds(wait.answer),
            "application_name": f"serai {name}",
            **self.parameters,
            "options": f"{options} {self.parameters.get('options', '')}".strip(),
        }


def parse(text: str) -> Address:
    """Read ``postgresql://[USER@][HOST[:PORT]]/DATABASE[?NAME=VALUE…]``, or raise `InvalidError`.

    The names are libpq's: ``host`` (a folder for a Unix socket; several for a cluster), ``sslmode``, ``sslrootcert``…
    A password is refused: settings are shown, so it belongs in a ``passfile``, in PGPASSFILE or PGPASSWORD.
    """
    if len(text) > _MAX or text.partition(":")[0] not in SCHEMES:
        raise InvalidError("a database's address is postgresql://[USER@]HOST[:PORT]/DATABASE", path="store")
    try:
        found = conninfo_to_dict(text)
    except psycopg.Error:
        # Without its text, which holds parts of the address.
        raise InvalidError(
            "the database's address can't be read: postgresql://USER@HOST/DATABASE", path="store"
        ) from None
    if _SECRETS & found.keys():
        raise InvalidError(
            "the database's address holds a password: put it into a file and add ?passfile=PATH, "
            "or into the environment as PGPASSWORD or PGPASSFILE",
            path="store",
        )
    return Address(found)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
