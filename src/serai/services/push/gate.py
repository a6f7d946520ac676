"""Who comes in: from a request that the edge hands over to a client, or to a refusal."""

from __future__ import annotations

import asyncio
import random
import urllib.parse
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from serai.daemon.handover import Visit
from serai.errors import DeniedError, InvalidError, SeraiError, UnavailableError, UnsupportedError
from serai.protocols import websocket
from serai.services.push import tickets
from serai.services.push.badge import Badge, Crowd
from serai.services.push.channels import MOST_ASKED, check_channel, own
from serai.services.push.client import HEAD, Client, Lines
from serai.services.push.events import Mark, read_mark
from serai.services.push.hub import Hub
from serai.services.push.permits import Permits
from serai.services.push.problems import problem
from serai.services.push.sockets import Socket, Wish

PLATFORM_TENANT = "-"  # what the edge calls the platform's own names
KEY_SECONDS = 10.0  # that a client with a ticket waits until the key is known
SOON = 2.0  # seconds within which clients are asked again where rights have changed
_jitter = random.SystemRandom()


class Gate:
    """Let clients in, and see that they still may. ``met`` is set once the source of events is known."""

    def __init__(self, hub: Hub, permits: Permits, met: asyncio.Event, wall: Callable[[], float]) -> None:
        self._hub = hub
        self._permits = permits
        self._met = met
        self._wall = wall
        self._crowd = Crowd(hub.config)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: set[Client] = set()
        self.refused = 0
        self.leaving = False

    def taker(self, visit: Visit) -> None:
        """Decide over a request; `serai.daemon.handover.Taker`."""
        try:
            begin = self._begin(visit)
        except SeraiError as error:
            self._refuse(visit, error)
        else:
            self._spawn(begin)

    def close(self) -> None:
        """Stop what is under way."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, visit: Visit) -> Coroutine[Any, Any, None]:
        """Check what is known at once; return the rest."""
        if self.leaving:
            raise UnavailableError("This worker is being replaced.")
        if visit.method != b"GET":
            raise UnsupportedError("Events are asked for by GET.")
        query = _query(visit.target)
        socket = visit.upgrade == b"websocket"
        if socket and (wrong := websocket.refusal(visit.method, visit.fields)) is not None:
            raise _HandshakeError(*wrong)
        after = _after(visit.fields, query)
        channels = query.get("channel", [])
        if visit.tenant == PLATFORM_TENANT:
            for channel in channels:
                check_channel(channel)
            if not channels:
                raise InvalidError("Say which channels: ?channel=…", path="channel")
            shown = _shown(visit)
            badge = self._crowd.badge(visit.peer, "")
            return self._permitted(visit, badge, channels, after, shown, socket=socket)
        badge = self._crowd.badge(visit.peer, visit.tenant)
        return self._ticketed(visit, badge, channels, after, query.get("ticket", [""])[0], socket=socket)

    async def _permitted(
        self,
        visit: Visit,
        badge: Badge,
        channels: list[str],
        after: Mark | None,
        shown: Mapping[str, str],
        *,
        socket: bool,
    ) -> None:
        """Let somebody in whom the API knows."""
        try:
            badge.shown = shown
            for channel in channels:
                badge.who = (await self._permits.ask(channel, shown)).who
            badge.enter(f"user:{badge.who}", self._hub.config.clients_per_user)
            badge.due = self._next()
            self._open(visit, badge, channels, after, socket=socket)
        except SeraiError as error:
            badge.release()
            self._refuse(visit, error)

    async def _ticketed(
        self, visit: Visit, badge: Badge, channels: list[str], after: Mark | None, ticket: str, *, socket: bool
    ) -> None:
        """Let a visitor of an application in."""
        try:
            await self._known()
            payload = tickets.read(self._hub.key, ticket, visit.tenant, visit.app, self._wall())
            names = channels or payload.c
            if not set(names) <= set(payload.c):
                raise DeniedError("The ticket is not for that channel.")
            badge.until = payload.x
            badge.offered = frozenset(tickets.channels_of(payload))
            whole = [own(visit.tenant, visit.app, name) for name in names]
            self._open(visit, badge, whole, after, socket=socket)
        except SeraiError as error:
            badge.release()
            self._refuse(visit, error)

    async def _known(self) -> None:
        """Wait until the key of tickets is known."""
        try:
            async with asyncio.timeout(KEY_SECONDS):
                await self._met.wait()
        except TimeoutError:
            raise UnavailableError("The source of events is away.") from None

    def _open(self, visit: Visit, badge: Badge, channels: list[str], after: Mark | None, *, socket: bool) -> None:
        client: Client
        if socket:
            client = Socket(self._hub, visit, badge, after, self._wished)
            key = websocket.accept_key(visit.fields[b"sec-websocket-key"].strip())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            began = client.begin(head + b"Sec-WebSocket-Accept: %b\r\n\r\n" % key, 101, channels)
        else:
            client = Lines(self._hub, visit, badge, after)
            began = client.begin(HEAD, 200, channels)
        if not began:
            badge.release()

    def _refuse(self, visit: Visit, error: SeraiError) -> None:
        self.refused += 1
        visit.answer(*problem(error, error.status if isinstance(error, _HandshakeError) else 0))

    def _wished(self, client: Socket, wish: Wish) -> None:
        """Do what a client of WebSocket says."""
        names = list(dict.fromkeys(wish.channels))
        visit, badge = client.visit, client.badge
        try:
            if not badge.offered and visit.tenant == PLATFORM_TENANT:
                whole = [check_channel(name) for name in names]
            else:
                whole = [own(visit.tenant, visit.app, name) for name in names]
            if wish.do == "unsubscribe":
                for channel in whole:
                    self._hub.part(client, channel)
                return
            if len(client.channels | set(whole)) > self._hub.config.channels:
                raise InvalidError(f"A stream follows at most {self._hub.config.channels} channels.", path="channels")
            after = read_mark(wish.after)
            if badge.shown:
                self._spawn(self._more(client, whole, after))
            elif not set(whole) <= badge.offered:
                raise DeniedError("The ticket is not for that channel.")
            else:
                client.follow(whole, after)
        except SeraiError as error:
            _tell(client, error)

    async def _more(self, client: Client, channels: list[str], after: Mark | None) -> None:
        """Let a client follow more channels of the platform's."""
        badge = client.badge
        try:
            for channel in channels:
                await self._permits.ask(channel, badge.shown)
        except SeraiError as error:
            _tell(client, error)
            return
        if not client.gone and len(client.channels | set(channels)) <= self._hub.config.channels:
            client.follow(channels, after)

    def recheck(self) -> None:
        """Ask again soon about all clients: rights may have changed."""
        self._permits.forget()
        now = self._hub.monotonic()
        for client in self._hub.clients:
            if client.badge.due:
                client.badge.due = min(client.badge.due, now + _jitter.uniform(0.3, SOON))

    def sweep(self) -> None:
        """Once a second: end the streams whose ticket has, and ask about those of which it is time."""
        now, wall = self._hub.monotonic(), self._wall()
        for client in list(self._hub.clients):
            badge = client.badge
            if badge.until and badge.until <= wall:
                client.end("denied", "The ticket has ended.")
            elif badge.due and badge.due <= now and client not in self._asking:
                self._asking.add(client)
                self._spawn(self._ask_again(client))

    async def _ask_again(self, client: Client) -> None:
        badge = client.badge
        badge.due = self._next()
        try:
            for channel in sorted(client.channels):
                await self._permits.ask(channel, badge.shown)
        except SeraiError as error:
            # Who can't be asked about goes on until the API is back: the platform's own restart ends no stream.
            if not error.temporary:
                client.end("denied", error.public)
        finally:
            self._asking.discard(client)

    def _next(self) -> float:
        return self._hub.monotonic() + self._hub.config.permit_seconds * _jitter.uniform(0.9, 1.1)


class _HandshakeError(InvalidError):
    """What asks for a WebSocket does not begin one; ``status`` says how it is told."""

    def __init__(self, status: int, public: str) -> None:
        super().__init__(public)
        self.status = status


def _tell(client: Client, error: SeraiError) -> None:
    client.tell("error", msgspec.json.encode({"code": error.code, "detail": error.public}))


def _query(target: bytes) -> dict[str, list[str]]:
    try:
        found = urllib.parse.parse_qs(
            target.partition(b"?")[2].decode("ascii"), max_num_fields=MOST_ASKED + 4, keep_blank_values=True
        )
    except (ValueError, UnicodeDecodeError):
        raise InvalidError(f"The query is malformed, or names more than {MOST_ASKED} channels.", path="query") from None
    if len(found.get("channel", ())) > MOST_ASKED:
        raise InvalidError(f"At most {MOST_ASKED} channels.", path="channel")
    return found


def _after(fields: Mapping[bytes, bytes], query: Mapping[str, list[str]]) -> Mark | None:
    """Return where a client wants to go on: as an EventSource that comes back says it, or by the query."""
    text = fields.get(b"last-event-id", b"").decode("latin-1") or query.get("after", [""])[0]
    if not text:
        return None
    # What is no place of ours is one that nobody knows any more: the client is told to load anew.
    return read_mark(text) or Mark(0, 0)


def _shown(visit: Visit) -> Mapping[str, str]:
    """Return what tells who a visitor is; refuse what another site's page makes a browser ask for.

    A WebSocket is not bound to its page's own site (RFC 6455 section 10.2): a cookie counts only where Origin is ours.
    """
    fields = visit.fields
    shown = {"host": visit.authority.decode("latin-1"), "x-forwarded-for": visit.peer}
    for name in (b"authorization", b"cookie"):
        if name in fields:
            shown[name.decode()] = fields[name].decode("latin-1")
    if b"cookie" in fields and b"authorization" not in fields and fields.get(b"origin", visit.origin) != visit.origin:
        raise DeniedError("Another site's page asked for that.")
    return shown
