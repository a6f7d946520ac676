"""The edge's side of TLS: one context, in which the client's SNI picks the certificate (RFC 6066 §3).

Leaves are files that the module ``edge.certificates`` writes; here they are loaded at first use and looked at again
now and then. A name that has none is answered with the alert unrecognized_name.
"""

from __future__ import annotations

import ssl
import time
from collections import OrderedDict
from pathlib import Path

from serai.services.edge.names import HOST_NAME, leaf_path

RECHECK = 30.0  # seconds between two looks at a leaf's file
MAX_CONTEXTS = 1024  # contexts kept (about 20 KiB each); the least recently used go first


class Certificates:
    """Choose certificates from ``folder`` (``data/tls``). One per worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts: OrderedDict[str, tuple[float, float, ssl.SSLContext]] = OrderedDict()

    def context(self) -> ssl.SSLContext:
        """Return the listener's context; it holds no certificate by itself."""
        context = _new_context()
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        found = self.find((name or "localhost").lower().rstrip("."))
        if found is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = found
        return None

    def find(self, name: str) -> ssl.SSLContext | None:
        """Return the context of a host name, or of the wildcard above it, or None."""
        parent = name.partition(".")[2]
        return self._load(name) or (self._load(f"*.{parent}") if parent else None)

    def _load(self, name: str) -> ssl.SSLContext | None:
        if not HOST_NAME.match(name):
            return None
        now = time.monotonic()
        kept = self._contexts.get(name)
        if kept is not None and now - kept[0] < RECHECK:
            return kept[2]
        path = leaf_path(self._folder, name)
        try:
            modified = path.stat().st_mtime
            if kept is not None and kept[1] == modified:
                context = kept[2]
            else:
                context = _new_context()
                context.load_cert_chain(path)
        except (OSError, ssl.SSLError):
            # Gone, or being replaced by something unreadable: what was loaded before still serves.
            return kept[2] if kept is not None else None
        self._contexts[name] = (now, modified, context)
        self._contexts.move_to_end(name)
        if len(self._contexts) > MAX_CONTEXTS:
            self._contexts.popitem(last=False)
        return context


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context
