"""What a request asks for, and what it shows of who asks: read before anything is decided."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

from serai.daemon.handover import Visit
from serai.errors import DeniedError, InvalidError
from serai.services.push.channels import MOST_ASKED
from serai.services.push.events import Mark, read_mark


def query(target: bytes) -> dict[str, list[str]]:
    """Return the query of a request target; `InvalidError` where it is malformed, or names too many channels."""
    try:
        found = urllib.parse.parse_qs(
            target.partition(b"?")[2].decode("ascii"), max_num_fields=MOST_ASKED + 4, keep_blank_values=True
        )
    except (ValueError, UnicodeDecodeError):
        raise InvalidError(f"The query is malformed, or names more than {MOST_ASKED} channels.", path="query") from None
    if len(found.get("channel", ())) > MOST_ASKED:
        raise InvalidError(f"At most {MOST_ASKED} channels.", path="channel")
    return found


def place(fields: Mapping[bytes, bytes], asked: Mapping[str, list[str]]) -> Mark | None:
    """Return where a client wants to go on: as an EventSource that comes back says it, or by the query."""
    text = fields.get(b"last-event-id", b"").decode("latin-1") or asked.get("after", [""])[0]
    if not text:
        return None
    # What is no place of ours is one that nobody knows any more: the client is told to load anew.
    return read_mark(text) or Mark(0, 0)


def shown(visit: Visit) -> Mapping[str, str]:
    """Return what tells who a visitor is; refuse what another site's page makes a browser ask for.

    A WebSocket is not bound to its page's own site (RFC 6455 section 10.2): a cookie counts only where Origin is ours.
    """
    fields = visit.fields
    proof = {"host": visit.authority.decode("latin-1"), "x-forwarded-for": visit.peer}
    for name in (b"authorization", b"cookie"):
        if name in fields:
            proof[name.decode()] = fields[name].decode("latin-1")
    if b"cookie" in fields and b"authorization" not in fields and fields.get(b"origin", visit.origin) != visit.origin:
        raise DeniedError("Another site's page asked for that.")
    return proof
