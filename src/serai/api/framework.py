"""What all applications that the house serves have in common: a bare framework, and fields of every answer."""

from __future__ import annotations

import re
import uuid
from typing import Any

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

Fields = tuple[tuple[bytes, bytes], ...]

#: When the store last answered, in seconds since the epoch: it is away, and an answer is as this host knew it then.
AS_OF = b"serai-as-of"
#: RFC 6797 section 6.1: a year, for this host alone; what is below it may be a tenant's.
HSTS = (b"strict-transport-security", b"max-age=31536000")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")


class Bare(Litestar):
    """The framework without its support for other libraries' models: looking for them would load those there are."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def number(scope: Any, fields: Fields) -> list[tuple[bytes, bytes]]:
    """Give a request its ID, and return the fields that its answer has: those that depend on it, and ``fields``.

    The ID comes last: by that the edge knows answers that are otherwise alike.
    """
    host = given = b""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = given or value
        elif name == b"host":
            host = host or value
    if not _REQUEST_ID.match(given):
        given = uuid.uuid4().hex.encode()
    scope["state"]["request_id"] = given.decode()
    # A browser that was told to use HTTPS for a host name does so at all its ports, the plain one of 8080, too: it is
    # told where no port is named.
    if not scope["state"].get("front"):
        return [(b"x-request-id", given)]
    secure = (HSTS,) if host and b":" not in host else ()
    return [*secure, *fields, (b"x-request-id", given)]
