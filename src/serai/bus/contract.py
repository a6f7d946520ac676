"""The bus as its users see it; engines live in modules of their own and are chosen by `serai.bus.open`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

#: What a subject may look like: dot-separated words; a subscription may end in ``.*`` to mean all below.
MAX_SUBJECT = 255
#: Octets of one encoded message; larger ones are `InvalidError` at the sender.
MAX_MESSAGE = 1 << 20

Handler = Callable[[Any], Awaitable[Any]]


class Subscription(Protocol):
    """Messages of one subject, oldest first; slow readers lose the oldest (``lost`` counts them)."""

    lost: int

    def __aiter__(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield (subject, message) until closed."""
        ...

    async def close(self) -> None:
        """Stop; safe to call twice."""
        ...


class Bus(Protocol):
    """Talk to other processes. Messages are what MessagePack can hold.

    What the bus's policy does not let this client do is `DeniedError` (see `serai.bus.policy`). A publication does not
    wait for an answer, so there the error may come with the next one; it never arrives anywhere.

    A connection that breaks is made again by itself, and subscriptions with it; messages sent meanwhile are lost
    (publish) or fail with `UnavailableError` (call).
    """

    async def publish(self, subject: str, message: Any = None) -> None:
        """Send to all subscribers of a subject, without waiting for them."""
        ...

    async def subscribe(self, subject: str) -> Subscription:
        """Receive what is published from now on."""
        ...

    async def call(self, subject: str, message: Any = None, *, deadline: float = 5.0) -> Any:
        """Ask one handler of a subject and return its answer.

        Raises the handler's `SeraiError` by its code, `UnavailableError` where nobody serves the subject,
        `DeadlineError` after ``deadline`` seconds.
        """
        ...

    async def handle(self, subject: str, handler: Handler) -> Subscription:
        """Answer calls of a subject; several handlers take turns."""
        ...

    async def close(self) -> None:
        """Leave the bus."""
        ...
