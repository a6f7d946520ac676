"""The authority at work, in a process of its own: an `Order` on the standard input, an `Outcome` on the output.

    python -P -m serai.services.edge.signing

Light on imports, for each order pays for them.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from serai.daemon.room import is_full
from serai.errors import ExhaustedError, SeraiError


class Order(msgspec.Struct, frozen=True):
    """Have fresh leaves of all ``names`` in ``folder`` (``data/tls``); ``now`` in seconds since the epoch."""

    folder: str
    title: str
    now: float
    names: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which leaves were made, and until when each name has one, in seconds since the epoch (0: it has none).

    Or the ``code`` of an error, and what it says.
    """

    made: tuple[str, ...] = ()
    until: dict[str, float] = {}
    code: str = ""
    public: str = ""


def carry_out(order: Order) -> Outcome:
    """Open the authority, or make it, and look at each name's leaf."""
    from serai.services.edge.authority import Authority  # noqa: PLC0415 - only the process that signs pays for it

    now = datetime.fromtimestamp(order.now, UTC)
    authority = Authority(Path(order.folder), order.title)
    try:
        authority.open(now)
        made = tuple(name for name in order.names if authority.ensure(name, now))
        return Outcome(made=made, until={name: authority.until(name) for name in order.names})
    except SeraiError as error:
        return Outcome(code=error.code, public=error.public)
    except OSError as error:
        if not is_full(error):
            raise
        return Outcome(code=ExhaustedError.code, public=f"There is no room left for certificates in {order.folder}.")


if __name__ == "__main__":
    told = carry_out(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Order))
    sys.stdout.buffer.write(msgspec.msgpack.encode(told))
