"""What all clients of one worker share: who follows which channel, what was said there, and what is written to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from serai.protocols.websocket import ping_frame
from serai.services.push import wire
from serai.services.push.channels import tenant_of
from serai.services.push.client import Client, reset_data
from serai.services.push.config import PushConfig
from serai.services.push.events import Event, Mark, frame_of, lines_of
from serai.services.push.past import Past
from serai.services.push.turns import Plain, Receiver, Turns

ALIVE = Plain(b":\n\n", ping_frame())
#: Whose turn it is where no application is concerned, and where all are.
PLATFORM, EVERYBODY = "-", "*"


class Hub:
    """The clients of one worker. `serai.services.push.follower` keeps it up with the source of events.

    ``wanted`` are channels that clients wait for, ``key`` is what tickets are signed with, b"" before it is known.
    """

    def __init__(self, config: PushConfig, monotonic: Callable[[], float]) -> None:
        self.config = config
        self.monotonic = monotonic
        self.clients: set[Client] = set()
        self.blocked: set[Client] = set()
        self.wanted: dict[str, None] = {}
        self.on_wanted: Callable[[], None] = lambda: None
        self.key = b""
        self.life = 0
        self.number = 0  # all that was said up to it on known channels has come
        self.dropped = 0
        self.resets = 0
        self._past = Past()
        self._audiences: dict[str, set[Client]] = {}
        self._turns = Turns(self.reset)

    @property
    def mark(self) -> Mark:
        """Return the place up to which clients have everything, once what waits for them is written."""
        return Mark(self.life, self.number)

    @property
    def channels(self) -> list[str]:
        """Return the channels that somebody follows."""
        return list(self._audiences)

    @property
    def waiting(self) -> int:
        """Return how many events are on their way to clients."""
        return self._turns.waiting

    def enter(self, client: Client) -> None:
        """Count a client in."""
        self.clients.add(client)

    def join(self, client: Client, channels: Iterable[str]) -> list[str]:
        """Let a client follow channels; return those that are not known yet: `Client.known` is called for each."""
        unknown = []
        for channel in channels:
            self._audiences.setdefault(channel, set()).add(client)
            if self._past.get(channel) is None:
                unknown.append(channel)
                self.wanted[channel] = None
        if unknown:
            self.on_wanted()
        return unknown

    def part(self, client: Client, channel: str) -> None:
        """Let a client follow a channel no more."""
        client.channels.discard(channel)
        client.waiting.discard(channel)
        audience = self._audiences.get(channel)
        if audience is not None:
            audience.discard(client)
            if not audience:
                del self._audiences[channel]
                self.wanted.pop(channel, None)
                self._past.close(channel)

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self.clients.discard(client)
        self.blocked.discard(client)
        for channel in list(client.channels):
            self.part(client, channel)

    def missed(self, channels: Iterable[str], after: Mark | None) -> tuple[list[Event], list[str]]:
        """Return what was said on channels after a place, in order, and the channels where that is not known."""
        missed: list[Event] = []
        lost: list[str] = []
        if after is None:
            return missed, lost
        for channel in channels:
            trail = self._past.get(channel)
            found = trail.after(after.number) if trail is not None and after.life == self.life else None
            if found is None:
                lost.append(channel)
            else:
                missed += found
        return sorted(missed, key=lambda event: event.number), lost

    def follows(self, channel: str) -> bool:
        """Tell whether somebody follows a channel."""
        return channel in self._audiences

    def is_known(self, channel: str) -> bool:
        """Tell whether what is said on a channel is kept here."""
        return self._past.get(channel) is not None

    def learn(self, channel: str, base: int) -> None:
        """Keep a channel's events from a number on; its clients go on where they wait."""
        if channel in self._audiences:
            self._past.open(channel, base)
            self.wanted.pop(channel, None)

    def learned(self, channel: str) -> None:
        """Let clients begin that waited for a channel."""
        for client in [each for each in self._audiences.get(channel, ()) if channel in each.waiting]:
            client.known(channel)

    def refuse(self, channel: str) -> None:
        """End the streams that wait for a channel that can't be followed."""
        for client in list(self._audiences.get(channel, ())):
            client.end("unavailable", "That can't be followed now: try again later.")

    def say(self, said: wire.Said) -> None:
        """Pass an event on, unless it came before, or nobody follows its channel."""
        trail = self._past.get(said.channel)
        if trail is None or said.number <= trail.latest:
            return
        event = Event(Mark(self.life, said.number), said.channel, said.name, said.data)
        self._past.add(event)
        turn = tenant_of(said.channel) if said.channel.startswith("own/") else PLATFORM
        self._turns.add(turn, said.channel, event, len(said.data), self._receivers(said.channel))

    def reset(self, channels: Iterable[str]) -> None:
        """Tell who follows these channels that something is missing, and what they show is to be loaded anew."""
        for channel in channels:
            if channel not in self._audiences:
                continue
            self.resets += 1
            self._past.open(channel, self.number)
            data = reset_data(channel)
            parcel = Plain(lines_of("reset", data, self.mark), frame_of("reset", data, self.mark))
            turn = tenant_of(channel) if channel.startswith("own/") else PLATFORM
            self._turns.add(turn, channel, parcel, 0, self._receivers(channel))

    def _receivers(self, channel: str) -> list[Receiver]:
        """Return who is to get what is said now: others still wait, and are told what they missed."""
        return [each for each in self._audiences[channel] if each.begun and channel not in each.waiting]

    def alive(self) -> None:
        """Send all clients a sign of life: it also finds those that went without a word."""
        self._turns.add(EVERYBODY, "", ALIVE, 0, list(self.clients))

    def sweep(self) -> None:
        """Once a second: drop clients that have not read for too long."""
        since = self.monotonic() - self.config.unsent_seconds
        for client in [each for each in self.blocked if each.blocked_at <= since]:
            self.drop(client)

    def drop(self, client: Client) -> None:
        """End a client that does not read, at once."""
        self.dropped += 1
        self.blocked.discard(client)
        client.transport.abort()
