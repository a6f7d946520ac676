"""What surrounds fetches on a host: which networks may be reached, how names are resolved, how much may come in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import msgspec

from serai.errors import InvalidError, UnavailableError
from serai.services.apps.git.reach import Reach
from serai.services.apps.git.source import Place, Source, check

RESOLVE_SECONDS = 10.0
MAX_ADDRESSES = 8  # of one name that are looked at

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much a fetch may take: seconds, octets, connections."""

    seconds: float = 600.0
    idle: float = 60.0  # seconds without an octet either way
    connect: float = 10.0  # seconds until a host answers
    transfer: int = 1 << 30  # octets received
    file: int = 1 << 30  # of each file that git writes: its pack, the tar stream of the commit's files
    disk_mb: int = 3072  # of all of them, MiB
    connections: int = 16  # at once
    memory_mb: int = 512


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Return the addresses of a host, as the platform's own resolver has them.

    `InvalidError` where there is no such host, `UnavailableError` where the resolver does not tell.
    """
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in {socket.EAI_AGAIN, socket.EAI_FAIL}:
            raise UnavailableError(f"The name {host} can't be looked up now.") from error
        raise InvalidError(f"There is no host {host}.", path="git.url") from error
    except (TimeoutError, UnicodeError, OSError) as error:
        raise UnavailableError(f"The name {host} can't be looked up now.") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))[:MAX_ADDRESSES]


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """The surroundings.

    ``networks``: private ones that may be reached. ``authorities``: a file with certificates (PEM) of authorities that
    git servers' certificates may be from, besides the system's; "" for none.
    """

    networks: tuple[str, ...] = ()
    authorities: str = ""
    resolve: Resolve = resolve
    bounds: Bounds = Bounds()

    @property
    def reach(self) -> Reach:
        """Return which addresses may be connected to."""
        return Reach(self.networks)

    async def addresses(self, place: Place) -> tuple[str, ...]:
        """Return the addresses of a place that may be connected to, at least one.

        `InvalidError` (``path`` "git.url") where it has none, or none that may be; `UnavailableError`.
        """
        reach = self.reach
        found = await self.resolve(place.host, place.port)
        good = tuple(one for one in found if not reach.refusal(one))
        if good:
            return good
        # Which address it is stays here: names of inner networks may be nobody's business.
        what = reach.refusal(found[0]) if found else "nowhere"
        raise InvalidError(f"{place} leads to {what}: the platform does not fetch from there.", path="git.url")


async def look_up(source: Source, outside: Outside) -> None:
    """Refuse a source that can't be fetched, as early as that can be known; `InvalidError` with ``path``.

    What is found counts only now: the proxy looks again, for each connection. A resolver that does not answer is no
    reason to refuse anything.
    """
    place = check(source)
    with contextlib.suppress(UnavailableError):
        await outside.addresses(place)
