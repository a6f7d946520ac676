"""The bus within one process, for tests and for a machine that is one process: no socket, the same promises."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import Any

from serai.bus.body import decode_body, encode_body
from serai.bus.contract import Handler
from serai.bus.policy import EVERYTHING, Rights, Verb
from serai.bus.subjects import check_subject, prefixes
from serai.bus.subscription import QueueSubscription
from serai.errors import DeadlineError, InternalError, SeraiError, UnavailableError


class MemoryHub:
    """What the clients of one bus share."""

    def __init__(self) -> None:
        self.subscriptions: defaultdict[str, list[QueueSubscription]] = defaultdict(list)
        self.handlers: defaultdict[str, deque[tuple[MemoryBus, Handler]]] = defaultdict(deque)

    def client(self, rights: Rights = EVERYTHING) -> MemoryBus:
        """Return a new client, which may do what the rights says."""
        return MemoryBus(self, rights)


class MemoryBus:
    """One client of a hub; messages are copied by encoding them, as on any other engine."""

    def __init__(self, hub: MemoryHub | None = None, rights: Rights = EVERYTHING) -> None:
        self._hub = hub or MemoryHub()
        self._rights = rights
        self._mine: list[QueueSubscription] = []
        self._answering: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def publish(self, subject: str, message: Any = None) -> None:
        """Send to all subscribers."""
        self._check("publish", subject)
        body = encode_body(message)
        patterns = [subject, *(f"{prefix}.*" for prefix in prefixes(subject))]
        for subscription in [s for pattern in patterns for s in self._hub.subscriptions.get(pattern, ())]:
            subscription.deliver(subject, decode_body(body))

    async def subscribe(self, subject: str) -> QueueSubscription:
        """Receive what is published from now on."""
        self._check("subscribe", subject)
        table = self._hub.subscriptions

        async def leave() -> None:
            table[subject].remove(subscription)

        subscription = QueueSubscription(subject, leave)
        table[subject].append(subscription)
        self._mine.append(subscription)
        return subscription

    async def handle(self, subject: str, handler: Handler) -> QueueSubscription:
        """Answer calls."""
        self._check("serve", subject)
        served = (self, handler)

        async def leave() -> None:
            self._hub.handlers[subject].remove(served)

        subscription = QueueSubscription(subject, leave)
        self._hub.handlers[subject].append(served)
        self._mine.append(subscription)
        return subscription

    async def call(self, subject: str, message: Any = None, *, deadline: float = 5.0) -> Any:
        """Ask one handler; see the contract for the errors."""
        self._check("call", subject)
        body = encode_body(message)
        handlers = self._hub.handlers.get(subject)
        if not handlers:
            raise UnavailableError(f"Nobody answers {subject}.", subject=subject)
        server, handler = handlers[0]
        handlers.rotate(-1)
        task = asyncio.create_task(_answer(handler, body))
        server._answering.add(task)
        task.add_done_callback(server._answering.discard)
        done, _ = await asyncio.wait([task], timeout=deadline)
        if not done:
            task.cancel()
            raise DeadlineError(f"{subject} was not answered in time.", subject=subject, seconds=deadline)
        if task.cancelled():
            raise UnavailableError("The one who was asked went away.")
        return decode_body(task.result())

    async def close(self) -> None:
        """Leave the bus; safe to call twice."""
        self._closed = True
        for subscription in self._mine:
            await subscription.close()
        for task in list(self._answering):
            task.cancel()

    def _check(self, verb: Verb, subject: str) -> None:
        check_subject(subject, wildcard=verb == "subscribe")
        if self._closed:
            raise UnavailableError("The bus was closed.")
        self._rights.check(verb, subject)


async def _answer(handler: Handler, body: bytes) -> bytes:
    try:
        return encode_body(await handler(decode_body(body)))
    except SeraiError:
        raise
    except Exception as error:
        raise InternalError("The handler failed.") from error
