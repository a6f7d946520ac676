"""A client of the local bus: connects by itself, again and again, and brings its subscriptions along."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from pathlib import Path
from typing import Any

from serai.bus.body import decode_body, encode_body
from serai.bus.contract import Handler
from serai.bus.local import wire
from serai.bus.local.link import Link
from serai.bus.subjects import check_subject
from serai.bus.subscription import QueueSubscription
from serai.errors import (
    DeadlineError,
    DeniedError,
    ExhaustedError,
    InternalError,
    InvalidError,
    SeraiError,
    UnavailableError,
)

MAX_ANSWERING = 1024  # handlers of this process at work
_FIRST_DELAY = 0.02  # seconds before the second attempt to connect; doubled up to the last
_LAST_DELAY = 1.0
_GRACE = 0.25  # seconds that a call waits for a connection that is being made
_jitter = random.SystemRandom()
_SUBSCRIBE_GRACE = 2.0  # seconds that subscribe waits for the server's word
_MAX_DENIED = 256  # subjects of which we remember that we may not publish on them


class LocalBus:
    """Talk over the server at a Unix socket. Connects at first use, in the loop that uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._tried = asyncio.Event()  # at least one attempt to connect is over
        self._hurry = asyncio.Event()  # somebody waits: do not back off
        self._closed = False
        self._runner: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[int, QueueSubscription] = {}
        self._handlers: dict[int, Handler] = {}
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._denied: dict[str, str] = {}  # subjects that we may not publish on, and the server's word
        self._numbers = itertools.count(1)

    async def publish(self, subject: str, message: Any = None) -> None:
        """Send to all subscribers; waits while the server's socket is full, and loses it where there is none."""
        packet = wire.Publish(check_subject(subject), encode_body(message))
        self._start()
        await self._tried.wait()
        if said := self._denied.get(subject):
            raise DeniedError(said, verb="publish", subject=subject)
        if link := self._link:
            await link.writable.wait()
            link.send(packet)

    async def subscribe(self, subject: str) -> QueueSubscription:
        """Receive from now on; where the server is away, from when it is back."""
        return await self._enlist(check_subject(subject, wildcard=True), None)

    async def handle(self, subject: str, handler: Handler) -> QueueSubscription:
        """Answer calls; the subscription yields nothing, closing it ends the service."""
        return await self._enlist(check_subject(subject), handler)

    async def call(self, subject: str, message: Any = None, *, deadline: float = 5.0) -> Any:
        """Ask one handler; see the contract for the errors."""
        deadline = min(deadline, wire.MAX_DEADLINE)
        body = encode_body(message)
        check_subject(subject)
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(deadline):
                link = await self._connected()
                await link.writable.wait()
                link.send(wire.Call(number, subject, body, deadline))
                return await answer
        except TimeoutError as error:
            raise DeadlineError(f"{subject} was not answered in time.", subject=subject, seconds=deadline) from error
        finally:
            del self._calls[number]

    async def close(self) -> None:
        """Leave the bus; readers of subscriptions stop, calls fail."""
        self._closed = True
        if self._runner:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        for task in self._answering:
            task.cancel()
        if self._link:
            self._link.close()
        self._unlink()
        for subscription in self._subscriptions.values():
            subscription.end()

    def received(self, link: Link, message: wire.Message) -> None:
        """Act on what the server sent."""
        match message:
            case wire.Deliver(numbers, subject, body, lost):
                self._deliver(numbers, subject, body, lost)
            case wire.Answer(number, body):
                if (answer := self._calls.get(number)) and not answer.done():
                    _settle(answer, body)
            case wire.Failure():
                self._failed(message)
            case wire.Ask():
                task = asyncio.get_running_loop().create_task(self._answer(link, message))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case wire.Ready(number):
                if subscription := self._subscriptions.get(number):
                    subscription.ready.set()
            case _:
                raise InvalidError("A server must not send that.", path="frame")

    def _failed(self, failure: wire.Failure) -> None:
        """Pass an error on to the call, the subscription or the publisher (number 0) that it is about."""
        error = wire.error_of(failure)
        if failure.id == 0 and len(self._denied) < _MAX_DENIED:
            self._denied[str(error.fields.get("subject"))] = error.public
        elif (answer := self._calls.get(failure.id)) and not answer.done():
            answer.set_exception(error)
        elif subscription := self._subscriptions.pop(failure.id, None):
            self._handlers.pop(failure.id, None)
            subscription.refuse(error)

    def _deliver(self, numbers: list[int], subject: str, body: bytes, lost: int) -> None:
        for number in numbers:
            if subscription := self._subscriptions.get(number):
                subscription.lost += lost
                try:
                    subscription.deliver(subject, decode_body(body))
                except InvalidError:  # another client's fault is not this connection's
                    subscription.lost += 1

    async def _answer(self, link: Link, ask: wire.Ask) -> None:
        handler = self._handlers.get(ask.handler)
        if handler is None:
            link.send(wire.failure(ask.id, UnavailableError("That handler has just left.")))
            return
        if len(self._answering) > MAX_ANSWERING:
            link.send(wire.failure(ask.id, ExhaustedError("Too many calls are being answered.", temporary=True)))
            return
        try:
            async with asyncio.timeout(ask.deadline):
                result = await handler(decode_body(ask.body))
            link.send(wire.Answer(ask.id, encode_body(result)))
        except SeraiError as error:
            link.send(wire.failure(ask.id, error))
        except TimeoutError:
            link.send(wire.failure(ask.id, DeadlineError("The answer took too long.")))
        except Exception:
            link.send(wire.failure(ask.id, InternalError("The handler failed.")))
            raise  # a bug: the loop's exception handler reports it

    async def _enlist(self, subject: str, handler: Handler | None) -> QueueSubscription:
        self._start()
        number = next(self._numbers)
        subscription = QueueSubscription(subject, lambda: self._delist(number))
        self._subscriptions[number] = subscription
        if handler is not None:
            self._handlers[number] = handler
        if self._link:
            self._announce(self._link, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SUBSCRIBE_GRACE):
                await subscription.ready.wait()
        if subscription.refused is not None:
            raise subscription.refused
        return subscription

    async def _delist(self, number: int) -> None:
        self._subscriptions.pop(number, None)
        self._handlers.pop(number, None)
        if self._link:
            self._link.send(wire.Leave(number))

    def _announce(self, link: Link, number: int) -> None:
        subject = self._subscriptions[number].subject
        link.send((wire.Serve if number in self._handlers else wire.Subscribe)(number, subject))

    async def _connected(self) -> Link:
        self._start()
        if not self._link:
            self._hurry.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._linked.wait()
        if not self._link:
            raise UnavailableError("The bus is away.")
        return self._link

    def _start(self) -> None:
        if self._closed:
            raise UnavailableError("The bus was closed.")
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Keep a connection; back off, with jitter, while the server is away or drops us at once."""
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY
        while True:
            began = loop.time()
            try:
                _, link = await loop.create_unix_connection(lambda: Link(self.received), str(self._path))
            except OSError:
                self._tried.set()
            else:
                await self._follow(link)
            delay = _FIRST_DELAY if loop.time() - began > _LAST_DELAY else min(delay * 2, _LAST_DELAY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay * _jitter.uniform(0.5, 1)):
                    await self._hurry.wait()
            self._hurry.clear()

    async def _follow(self, link: Link) -> None:
        self._link = link
        self._denied.clear()
        for number in self._subscriptions:
            self._announce(link, number)
        self._tried.set()
        self._linked.set()
        try:
            await link.closed.wait()
        finally:
            if link.closed.is_set():
                self._unlink()

    def _unlink(self) -> None:
        self._link = None
        self._linked.clear()
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(UnavailableError("The bus went away before the answer."))
        for subscription in self._subscriptions.values():
            subscription.ready.clear()


def _settle(answer: asyncio.Future[Any], body: bytes) -> None:
    try:
        answer.set_result(decode_body(body))
    except InvalidError as error:  # the handler's fault, not this connection's
        answer.set_exception(error)
