"""What every engine of the bus must keep clients from doing: subclass `PolicyConformance`, with two fixtures.

``make_bus`` is as for `serai.bus.conformance.BusConformance`, of clients that may do everything; ``make_guest(rights)``
returns, awaited, a client of the same bus that may do only that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from serai.bus.conformance import MakeBus, expect, expect_error, take
from serai.bus.contract import Bus
from serai.bus.policy import NOTHING, Rights
from serai.errors import DeniedError

MakeGuest = Callable[[Rights], Awaitable[Bus]]


async def echo(message: Any) -> Any:
    """Answer with the question."""
    return message


class PolicyConformance:
    """The suite; each method is one promise."""

    async def test_who_has_no_rights_can_do_nothing(self, make_bus: MakeBus, make_guest: MakeGuest) -> None:
        """Neither listen nor speak, nor ask, nor answer; the others notice nothing of it."""
        bus, guest = make_bus(), await make_guest(NOTHING)
        heard = await bus.subscribe("news.*")
        await bus.handle("echo", echo)
        await expect_error(DeniedError, guest.subscribe("news.today"))
        await expect_error(DeniedError, guest.subscribe("news.*"))
        await expect_error(DeniedError, guest.handle("echo", echo))
        await expect_error(DeniedError, guest.call("echo", 1))
        await expect_error(DeniedError, guest.call("nobody"))
        await expect_error(DeniedError, _publish_until_told(guest, "news.today", "false"))
        await bus.publish("news.today", "true")
        expect(await take(heard, 1) == [("news.today", "true")], "a publication that is denied arrived")
        expect(await bus.call("echo", 2) == 2, "the handler does not answer any more")

    async def test_rights_hold_for_their_verb_and_subject(self, make_bus: MakeBus, make_guest: MakeGuest) -> None:
        """To be allowed to ask is not to be allowed to answer."""
        rights = Rights(call=("apps.wake",), publish=("edge.*",), subscribe=("news.*",), serve=("edge.ping",))
        bus, guest = make_bus(), await make_guest(rights)
        heard = await bus.subscribe("edge.up")
        await bus.handle("apps.wake", echo)
        await bus.handle("apps.stop", echo)
        expect(await guest.call("apps.wake", 1) == 1, "what is granted is denied")
        await guest.publish("edge.up", 3)
        expect(await take(heard, 1) == [("edge.up", 3)], "what is granted is denied")
        news = await guest.subscribe("news.sport.*")
        await bus.publish("news.sport.chess", 4)
        expect(await take(news, 1) == [("news.sport.chess", 4)], "what is granted is denied")
        await guest.handle("edge.ping", echo)
        expect(await bus.call("edge.ping", 5) == 5, "what is granted is denied")
        await expect_error(DeniedError, guest.call("apps.stop"))
        await expect_error(DeniedError, guest.handle("apps.wake", echo))
        await expect_error(DeniedError, guest.subscribe("edge.up"))
        await expect_error(DeniedError, guest.subscribe("news"))
        await expect_error(DeniedError, _publish_until_told(guest, "apps.wake"))
        await expect_error(DeniedError, _publish_until_told(guest, "edge"))

    async def test_a_guest_that_was_denied_goes_on_with_what_it_may(
        self, make_bus: MakeBus, make_guest: MakeGuest
    ) -> None:
        """A mistake is answered, not punished."""
        bus, guest = make_bus(), await make_guest(Rights(call=("echo",)))
        await bus.handle("echo", echo)
        for number in range(20):
            await expect_error(DeniedError, guest.handle("echo", echo))
            expect(await guest.call("echo", number) == number, "the guest is not served any more")
        answers = await asyncio.gather(*(bus.call("echo", number) for number in range(20)))
        expect(answers == list(range(20)), "a handler that was denied took its turn")


async def _publish_until_told(bus: Bus, subject: str, message: Any = None) -> None:
    """Publish again and again: the bus's word comes with a later attempt where it comes from another process."""
    for _ in range(100):
        await bus.publish(subject, message)
        await asyncio.sleep(0.01)
