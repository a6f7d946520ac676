"""Keeps a worker's hub up with the source of events: asks for channels, hears what is new, notices what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from serai.bus import Bus
from serai.errors import SeraiError
from serai.services.push import wire
from serai.services.push.hub import Hub

AGAIN = 0.5  # seconds after which it is asked again where nobody answered
PATIENCE = 3.0  # seconds for which nobody may answer, as while its process starts, before that is trouble
HELD = 1000  # messages that are kept while it is asked what was missed


class Follower:
    """Follow the source. ``recheck`` is called where what somebody may follow may have changed."""

    def __init__(self, hub: Hub, bus: Bus, recheck: Callable[[], None]) -> None:
        self._hub = hub
        self._bus = bus
        self._recheck = recheck
        self._wake = asyncio.Event()
        self._lost = True  # nothing is known of the source, or something it said was missed
        self._asking: dict[str, list[wire.Said]] = {}  # what came on channels while they are asked for
        self._held: list[wire.Batch] | None = None  # what came while it is asked what was missed
        self.met = asyncio.Event()  # the source has answered at least once
        self._why = "the source of events has not answered yet"
        self._since = hub.monotonic()
        hub.on_wanted = self._wake.set

    @property
    def trouble(self) -> str:
        """Return why nothing is heard of the source, where that has lasted."""
        return self._why if self._hub.monotonic() - self._since > PATIENCE else ""

    async def hear(self) -> None:
        """Take what the source says, until cancelled."""
        while True:
            try:
                async for _subject, message in await self._bus.subscribe(wire.FEED):
                    self.heard(wire.told(message, wire.Batch))
            except SeraiError as error:
                self._miss(error)
            await asyncio.sleep(AGAIN)

    async def ask(self) -> None:
        """Ask for what clients want, for what was missed, and for all of it now and then, until cancelled."""
        renewed = self._hub.monotonic()
        while True:
            try:
                if self._lost:
                    await self._resume()
                    renewed = self._hub.monotonic()
                elif self._hub.wanted:
                    await self._learn(list(self._hub.wanted)[: wire.MOST_FOLLOWED])
                elif self._hub.monotonic() - renewed >= wire.RENEW:
                    renewed = self._hub.monotonic()
                    await self._renew()
                self._why = ""
            except SeraiError as error:
                self._miss(error)
                await asyncio.sleep(AGAIN)
                continue
            if not self._lost and not self._hub.wanted:
                await self._rest()

    def heard(self, batch: wire.Batch) -> None:
        """Act on a message of the feed."""
        hub = self._hub
        if self._held is not None:
            if len(self._held) < HELD:
                self._held.append(batch)
            return
        if batch.life != hub.life or batch.after > hub.number:
            self._lost = True
            self._wake.set()
        else:
            for said in batch.said:
                if said.channel in self._asking:
                    self._asking[said.channel].append(said)
                hub.say(said)
            hub.number = max(hub.number, batch.number)
            hub.reset(batch.gaps)
        if batch.recheck:
            self._recheck()

    def _miss(self, error: SeraiError) -> None:
        if not self._why:
            self._since = self._hub.monotonic()
        self._why = error.public

    async def _rest(self) -> None:
        self._wake.clear()
        if self._lost or self._hub.wanted:
            return
        try:
            async with asyncio.timeout(wire.RENEW / 4):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _call(self, channels: Sequence[str], after: int) -> wire.Followed:
        message = wire.Follow(list(channels), self._hub.life if after else 0, after)
        answer: Any = await self._bus.call(wire.FOLLOW, wire.plain(message))
        followed: wire.Followed = wire.told(answer, wire.Followed)
        self._hub.key = followed.key
        self.met.set()
        return followed

    async def _learn(self, channels: list[str]) -> None:
        """Ask for channels that are new here."""
        hub = self._hub
        self._asking = {channel: [] for channel in channels}
        try:
            answer = await self._call(channels, 0)
            came, self._asking = self._asking, {}
        finally:
            self._asking = {}
        if answer.life != hub.life:
            self._lost = True
            return
        for channel in channels:
            hub.wanted.pop(channel, None)
            if channel in answer.bases:
                hub.learn(channel, answer.bases[channel])
        for said in (*answer.said, *(each for some in came.values() for each in some)):
            hub.say(said)
        for channel in channels:
            if channel in answer.bases:
                hub.learned(channel)
        for channel in answer.refused:
            hub.refuse(channel)

    async def _renew(self) -> None:
        """Say again what is followed; what the answers tell has come already, or is on its way."""
        for some in _chunks(self._hub.channels):
            answer = await self._call(some, max(1, self._hub.number))
            if answer.life != self._hub.life:
                self._lost = True
                return

    async def _resume(self) -> None:
        """Learn what was missed on all channels; where nobody knows it, clients are told so."""
        hub = self._hub
        self._held = []
        try:
            answers = [await self._call(some, hub.number) for some in _chunks(hub.channels) or [[]]]
            held, self._held = self._held, None
        finally:
            self._held = None
        first = answers[0]
        if any(answer.life != first.life for answer in answers):
            return  # it was replaced meanwhile: once more
        anew = first.life != hub.life
        before, hub.life, hub.number = hub.number, first.life, first.number
        self._lost = False
        for answer in answers:
            lost = [each for each, base in answer.bases.items() if hub.is_known(each) and (anew or base > before)]
            for channel in answer.bases if anew else ():
                hub.learn(channel, answer.bases[channel])
            hub.reset(lost)
            for said in answer.said:
                hub.say(said)
            for channel in answer.bases if anew else ():
                hub.learned(channel)
            for channel in answer.refused:
                hub.refuse(channel)
        for batch in held:
            self.heard(batch)


def _chunks(channels: list[str]) -> list[list[str]]:
    """Cut a list into what one call takes."""
    return [channels[at : at + wire.MOST_FOLLOWED] for at in range(0, len(channels), wire.MOST_FOLLOWED)]
