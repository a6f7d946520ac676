"""Who gets which message: subscriptions, handlers in turns, and calls under way. Pure: it sends through `Peer`."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from typing import Protocol

import msgspec

from serai.bus.local import wire
from serai.bus.policy import EVERYTHING, Rights, Verb
from serai.bus.subjects import check_subject, prefix_of, prefixes
from serai.errors import DeniedError, ExhaustedError, InvalidError, UnavailableError

MAX_SUBSCRIPTIONS = 4096  # of one client, handlers included
MAX_CALLS = 4096  # under way, of one client in either direction
MAX_DENIED = 100  # refused attempts of one client, which is dropped after them


class Peer(Protocol):
    """A client's connection, as the router sees it."""

    def send(self, message: wire.Message) -> None:
        """Queue a message; a `Deliver` may be dropped where the client reads slowly."""
        ...

    def denied(self, error: DeniedError) -> None:
        """Take note that the client tried what it may not."""
        ...


class _Pending(msgspec.Struct, frozen=True):
    caller: Peer
    number: int  # the caller's own
    handler: Peer


class _Client:
    """What one connection has asked for."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.denied = 0
        self.patterns: dict[int, str] = {}  # subscriptions
        self.served: dict[int, str] = {}  # handlers
        self.asked: set[int] = set()  # tokens of calls it has to answer
        self.calls: set[int] = set()  # tokens of calls it made


class Router:
    """Route messages between peers. All methods are synchronous and quick; `InvalidError` means: drop that client."""

    def __init__(self) -> None:
        self.clients: dict[Peer, _Client] = {}
        self.published = 0
        self.called = 0
        self._exact: defaultdict[str, dict[Peer, list[int]]] = defaultdict(dict)
        self._below: defaultdict[str, dict[Peer, list[int]]] = defaultdict(dict)
        self._handlers: defaultdict[str, deque[tuple[Peer, int]]] = defaultdict(deque)
        self._pending: dict[int, _Pending] = {}
        self._tokens = itertools.count(1)

    def join(self, peer: Peer, rights: Rights = EVERYTHING) -> None:
        """Know a new client and what it may do."""
        self.clients[peer] = _Client(rights)

    def leave(self, peer: Peer) -> None:
        """Forget a client; who waits for its answers learns that it is gone."""
        client = self.clients.pop(peer, None)
        if client is None:
            return
        for number in [*client.patterns, *client.served]:
            self._end(peer, client, number)
        for token in client.calls:
            self._settle(token)
        for token in list(client.asked):
            if pending := self._settle(token):
                gone = UnavailableError("The one who was asked went away.")
                pending.caller.send(wire.failure(pending.number, gone))

    def receive(self, peer: Peer, message: wire.Message) -> int | None:
        """Act on a client's message; return a new call's token, which `expire` takes after its deadline."""
        client = self.clients[peer]
        match message:
            case wire.Publish(subject, body):
                if self._may(peer, client, "publish", check_subject(subject), 0):
                    self._publish(subject, body)
            case wire.Subscribe(number, pattern):
                if self._may(peer, client, "subscribe", check_subject(pattern, wildcard=True), number):
                    self._subscribe(peer, client, number, pattern)
            case wire.Serve(number, subject):
                if self._may(peer, client, "serve", check_subject(subject), number):
                    self._serve(peer, client, number, subject)
            case wire.Leave(number):
                self._end(peer, client, number)
            case wire.Call(number, subject):
                if self._may(peer, client, "call", check_subject(subject), number):
                    return self._call(peer, client, message)
            case wire.Answer(token, body):
                if pending := self._answered(client, token):
                    pending.caller.send(wire.Answer(pending.number, body))
            case wire.Failure(token):
                if pending := self._answered(client, token):
                    pending.caller.send(msgspec.structs.replace(message, id=pending.number))
            case _:
                raise InvalidError("A client must not send that.", path="frame")
        return None

    def expire(self, token: int) -> None:
        """Forget a call whose deadline is over; its caller has stopped waiting by its own clock."""
        self._settle(token)

    def _may(self, peer: Peer, client: _Client, verb: Verb, subject: str, number: int) -> bool:
        """Tell whether the client may do that; it learns of it where it may not, and so does who watches over it."""
        try:
            client.rights.check(verb, subject)
        except DeniedError as error:
            client.denied += 1
            peer.denied(error)
            if client.denied > MAX_DENIED:
                raise InvalidError("That client tries what it may not, again and again.", path="subject") from error
            peer.send(wire.failure(number, error))
            return False
        return True

    def _publish(self, subject: str, body: bytes) -> None:
        self.published += 1
        targets: dict[Peer, list[int]] = {}
        tables = [self._exact.get(subject), *(self._below.get(prefix) for prefix in prefixes(subject))]
        for table in filter(None, tables):
            for peer, numbers in table.items():
                targets.setdefault(peer, []).extend(numbers)
        for peer, numbers in targets.items():
            peer.send(wire.Deliver(numbers, subject, body))

    def _room(self, client: _Client, number: int) -> None:
        if number in client.patterns or number in client.served:
            raise InvalidError("A subscription's number is in use.", path="id")
        if len(client.patterns) + len(client.served) >= MAX_SUBSCRIPTIONS:
            raise InvalidError("Too many subscriptions in one client.", path="id")

    def _subscribe(self, peer: Peer, client: _Client, number: int, pattern: str) -> None:
        self._room(client, number)
        client.patterns[number] = pattern
        prefix = prefix_of(pattern)
        table = self._exact[pattern] if prefix is None else self._below[prefix]
        table.setdefault(peer, []).append(number)
        peer.send(wire.Ready(number))

    def _serve(self, peer: Peer, client: _Client, number: int, subject: str) -> None:
        self._room(client, number)
        client.served[number] = subject
        self._handlers[subject].append((peer, number))
        peer.send(wire.Ready(number))

    def _end(self, peer: Peer, client: _Client, number: int) -> None:
        if (pattern := client.patterns.pop(number, None)) is not None:
            prefix = prefix_of(pattern)
            tables, key = (self._exact, pattern) if prefix is None else (self._below, prefix)
            numbers = tables[key][peer]
            numbers.remove(number)
            if not numbers:
                del tables[key][peer]
            if not tables[key]:
                del tables[key]
        elif (subject := client.served.pop(number, None)) is not None:
            self._handlers[subject].remove((peer, number))
            if not self._handlers[subject]:
                del self._handlers[subject]

    def _call(self, peer: Peer, client: _Client, call: wire.Call) -> int | None:
        handlers = self._handlers.get(call.subject)
        if not handlers:
            unserved = UnavailableError(f"Nobody answers {call.subject}.", subject=call.subject)
            peer.send(wire.failure(call.id, unserved))
            return None
        handler, number = handlers[0]
        handlers.rotate(-1)  # several handlers take turns
        server = self.clients[handler]
        if len(server.asked) >= MAX_CALLS or len(client.calls) >= MAX_CALLS:
            busy = ExhaustedError("Too many calls are under way.", temporary=True, subject=call.subject)
            peer.send(wire.failure(call.id, busy))
            return None
        self.called += 1
        token = next(self._tokens)
        self._pending[token] = _Pending(peer, call.id, handler)
        server.asked.add(token)
        client.calls.add(token)
        handler.send(wire.Ask(token, number, call.body, call.deadline))
        return token

    def _answered(self, client: _Client, token: int) -> _Pending | None:
        # A late answer (after the deadline) is no fault; an answer to another's call is ignored like one.
        return self._settle(token) if token in client.asked else None

    def _settle(self, token: int) -> _Pending | None:
        pending = self._pending.pop(token, None)
        if pending is None:
            return None
        for peer in (pending.caller, pending.handler):
            if (client := self.clients.get(peer)) is not None:
                client.asked.discard(token)
                client.calls.discard(token)
        return pending
