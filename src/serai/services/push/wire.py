"""What the source of events and the workers that have the clients tell each other on the bus.

One source numbers all events of a cell. Workers say which channels they follow (`FOLLOW`, again and again, for the
source forgets them) and get what those said lately; from then on they take what is new from `FEED`, in which each
message says up to which number it goes on from: whoever missed one asks again.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from serai.errors import InvalidError
from serai.services.push.channels import MAX_CHANNEL

FEED = "push.feed"
FOLLOW = "push.follow"
PUBLISH = "push.publish"
TICKET = "push.ticket"

MOST_FOLLOWED = 500  # channels in one call
BATCH_OCTETS = 512 << 10  # of one message's events, about
BEAT = 2.0  # seconds between two messages of FEED at most
RENEW = 30.0  # seconds between two times that a worker says what it follows
KEEP = 300.0  # seconds for which the source keeps what nobody follows any more: time for clients to come back

Number = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Channel = Annotated[str, msgspec.Meta(max_length=MAX_CHANNEL)]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One event on its way."""

    number: Number
    channel: Channel
    name: str
    data: bytes


class Batch(msgspec.Struct, frozen=True):
    """A message of FEED: all that was said after the number ``after``, up to ``number``.

    ``gaps`` are channels of which something can't be told. ``recheck``: what somebody may do has changed.
    """

    life: Number
    after: Number
    number: Number
    said: list[Said] = []
    gaps: list[Channel] = []
    recheck: bool = False


class Follow(msgspec.Struct, frozen=True):
    """A call of FOLLOW: ask what was said on these channels after a number of that life.

    With 0 of any life the answer is all that is known.
    """

    channels: Annotated[list[Channel], msgspec.Meta(max_length=MOST_FOLLOWED)]
    life: Number = 0
    after: Number = 0


class Followed(msgspec.Struct, frozen=True):
    """Its answer: all that was said on the channels up to ``number``, but for what is not after their ``bases``.

    ``refused`` are channels that can't be followed now; ``key`` is what applications' tickets are signed with.
    """

    life: Number
    number: Number
    said: list[Said]
    bases: dict[Channel, Number]
    refused: list[Channel] = []
    key: bytes = b""


class Publish(msgspec.Struct, frozen=True):
    """A call of PUBLISH, by which an application says something: ``data`` is JSON. The answer is the event's ID."""

    tenant: str
    app: str
    channel: str
    event: str
    data: bytes


class Ticket(msgspec.Struct, frozen=True):
    """A call of TICKET: let somebody follow an application's channels for so many seconds. The answer is the ticket."""

    tenant: str
    app: str
    channels: list[str]
    seconds: float


def told(message: Any, kind: type[Any]) -> Any:
    """Return a message of the bus as one of these, or raise `InvalidError`."""
    try:
        return msgspec.convert(message, kind)
    except msgspec.ValidationError as error:
        raise InvalidError(f"That is no message of push: {error}.", path="message") from None


def plain(message: msgspec.Struct) -> Any:
    """Return one of these as the bus takes it."""
    return msgspec.to_builtins(message, builtin_types=(bytes,))
