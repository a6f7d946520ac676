"""What an application says to its own visitors, and whom it lets hear it: passed on to whoever carries events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from serai.daemon.module import Context
from serai.errors import InvalidError
from serai.services.apps.door import answers
from serai.services.apps.door.answers import Answer

if TYPE_CHECKING:
    from serai.services.apps.door.routes import Visit

PUBLISH, TICKET = "push.publish", "push.ticket"  # calls on the bus
MAX_DATA = 65536  # octets
SECONDS = 3600.0  # that a ticket holds where nothing else is said

T = TypeVar("T")


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a publication; ``data`` is any JSON."""

    channel: Annotated[str, msgspec.Meta(max_length=64)]
    data: Any = None
    event: Annotated[str, msgspec.Meta(max_length=64)] = "message"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for a ticket; ``seconds`` it is to hold."""

    channels: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(min_length=1, max_length=16)]
    seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)] = SECONDS


class Push:
    """Publish, and sign tickets, for the application at the door."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def publish(self, visit: Visit) -> Answer:
        """Say something on a channel; the answer names the event, with "" where nobody follows."""
        said = _read(visit.body, Publication)
        data = msgspec.json.encode(said.data)  # without line ends, however it came
        if len(data) > MAX_DATA:
            raise InvalidError(f"An event has at most {MAX_DATA} octets.", path="data")
        message = {"channel": said.channel, "event": said.event, "data": data}
        return answers.of({"id": await self._ask(PUBLISH, visit, message)}, 202)

    async def ticket(self, visit: Visit) -> Answer:
        """Return a ticket for some channels."""
        wanted = _read(visit.body, Wanted)
        message = {"channels": wanted.channels, "seconds": wanted.seconds}
        return answers.of({"ticket": await self._ask(TICKET, visit, message)}, 201)

    async def _ask(self, subject: str, visit: Visit, message: dict[str, Any]) -> Any:
        return await self._ctx.bus.call(subject, {"tenant": visit.visitor.tenant, "app": visit.visitor.app, **message})


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"The body is not understood: {error}.", path="$") from None
