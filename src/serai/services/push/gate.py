"""Who comes in: from a request that the edge hands over to a client, or to a refusal."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from serai.daemon.handover import Visit
from serai.errors import DeniedError, InvalidError, SeraiError, UnavailableError, UnsupportedError
from serai.protocols import websocket
from serai.services.push import asked, tickets
from serai.services.push.badge import Badge, Crowd
from serai.services.push.channels import check_channel, own
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
        self._wishes: dict[Client, deque[Wish]] = {}  # of each client what it said and is not done yet
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
        query = asked.query(visit.target)
        socket = visit.upgrade == b"websocket"
        if socket and (wrong := websocket.refusal(visit.method, visit.fields)) is not None:
            raise _HandshakeError(*wrong)
        after = asked.place(visit.fields, query)
        channels = query.get("channel", [])
        if visit.tenant == PLATFORM_TENANT:
            for channel in channels:
                check_channel(channel)
            if not channels:
                raise InvalidError("Say which channels: ?channel=…", path="channel")
            shown = asked.shown(visit)
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
        """Do what a client of WebSocket says, once all that it said before is done."""
        wishes = self._wishes.setdefault(client, deque())
        wishes.append(wish)
        if len(wishes) == 1:
            self._spawn(self._grant(client, wishes))

    async def _grant(self, client: Socket, wishes: deque[Wish]) -> None:
        while wishes:
            try:
                await self._do(client, wishes[0])
            except SeraiError as error:
                client.tell("error", msgspec.json.encode({"code": error.code, "detail": error.public}))
            wishes.popleft()
        del self._wishes[client]

    async def _do(self, client: Socket, wish: Wish) -> None:
        names = list(dict.fromkeys(wish.channels))
        visit, badge = client.visit, client.badge
        if not badge.offered and visit.tenant == PLATFORM_TENANT:
            whole = [check_channel(name) for name in names]
        else:
            whole = [own(visit.tenant, visit.app, name) for name in names]
        if wish.do == "unsubscribe":
            client.unfollow(whole)
            return
        if len(client.channels | set(whole)) > self._hub.config.channels:
            raise InvalidError(f"A stream follows at most {self._hub.config.channels} channels.", path="channels")
        if badge.shown:
            for channel in whole:
                await self._permits.ask(channel, badge.shown)
        elif not set(whole) <= badge.offered:
            raise DeniedError("The ticket is not for that channel.")
        if not client.gone:
            client.follow(whole, read_mark(wish.after))

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
