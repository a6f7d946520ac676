"""Ask a program whether it is well: a connection through its connector, and one GET (RFC 9110) over it."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

from serai.cloud import connector
from serai.errors import SeraiError
from serai.services.apps.descriptors import Health

#: The status line of HTTP/1.0 and 1.1 (RFC 9112 section 4), whatever reason phrase follows.
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_MAX_HEAD = 8192  # octets that may come before the status is known


async def ask(sockets: Path, port: int, health: Health, host: str, prefix: str) -> str:
    """Return "" where the program behind ``sockets`` is well, else what is wrong, as a clause.

    ``host`` and ``prefix`` are what a request by way of the edge would carry, so that a program that insists on its
    own name answers as it answers people.
    """
    path = health.path or "/"
    try:
        async with asyncio.timeout(health.timeout):
            status = await _get(sockets, port, path, host, prefix)
    except TimeoutError:
        return f"GET {path} was not answered within {health.timeout:g} s"
    except ConnectionRefusedError:
        return f"nothing listens on 127.0.0.1:{port}"
    except SeraiError as error:
        return error.public
    except OSError as error:
        return f"GET {path} failed: {error.strerror or type(error).__name__}"
    if status == 0:
        return f"GET {path} was answered with something that is not HTTP"
    # With no path of its own a log-in page (401) or an empty root (404) is life enough.
    well = status < 500 if not health.path else 200 <= status < 400
    return "" if well else f"GET {path} answered {status}"


async def _get(sockets: Path, port: int, path: str, host: str, prefix: str) -> int:
    loop = asyncio.get_running_loop()
    [sock] = await connector.sockets(str(sockets))
    with sock:
        await loop.sock_connect(sock, ("127.0.0.1", port))
        # The edge's own connections have no delay either; a FIN tells small servers that nothing more comes.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: serai-health\r\nAccept: */*\r\n"
            f"X-Forwarded-Proto: https\r\nX-Forwarded-Host: {host}\r\nX-Forwarded-Prefix: {prefix}\r\n"
            "Connection: close\r\n\r\n"
        )
        await loop.sock_sendall(sock, head.encode("latin-1"))
        received = b""
        while b"\n" not in received and len(received) < _MAX_HEAD:
            part = await loop.sock_recv(sock, _MAX_HEAD)
            if not part:
                break
            received += part
    match = _STATUS.match(received)
    return int(match[1]) if match else 0
