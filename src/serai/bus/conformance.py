"""What every engine of the bus must do, as tests: subclass `BusConformance` and give it a fixture ``make_bus``.

``make_bus`` is a function without arguments that returns a new client of one and the same bus. The engine's own
tests add what is particular to it (its server, its wire format).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from serai.bus.contract import MAX_MESSAGE, Bus, Subscription
from serai.errors import ConflictError, DeadlineError, InternalError, InvalidError, SeraiError, UnavailableError

MakeBus = Callable[[], Bus]
_WAIT = 20.0  # seconds that anything here may take, on a machine that has other things to do as well


def expect(condition: object, sentence: str) -> None:
    """Fail with a sentence."""
    if not condition:
        raise AssertionError(sentence)


async def expect_error(kind: type[SeraiError], awaitable: Any) -> SeraiError:
    """Return the error that the awaitable must raise."""
    try:
        async with asyncio.timeout(_WAIT):
            await awaitable
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} should have been raised")


async def take(subscription: Subscription, count: int) -> list[tuple[str, Any]]:
    """Return the next messages of a subscription."""
    messages: list[tuple[str, Any]] = []
    iterator: AsyncIterator[tuple[str, Any]] = aiter(subscription)
    async with asyncio.timeout(_WAIT):
        while len(messages) < count:
            messages.append(await anext(iterator))
    return messages


class BusConformance:
    """The suite; each method is one promise of the contract."""

    async def test_a_message_reaches_every_subscriber_in_order(self, make_bus: MakeBus) -> None:
        """Deliver to several clients, oldest first."""
        sender, one, two = make_bus(), make_bus(), make_bus()
        subscriptions = [await one.subscribe("a.b"), await two.subscribe("a.b")]
        for number in range(100):
            await sender.publish("a.b", {"number": number})
        for subscription in subscriptions:
            messages = await take(subscription, 100)
            expect(messages == [("a.b", {"number": number}) for number in range(100)], "order or content differs")

    async def test_a_wildcard_matches_all_below_and_nothing_else(self, make_bus: MakeBus) -> None:
        """Match ``a.*`` with ``a.b`` and ``a.b.c``, not with ``a`` or ``ab.c``."""
        bus = make_bus()
        subscription = await bus.subscribe("a.*")
        for subject in ("a", "ab.c", "a.b", "a.b.c", "b.a"):
            await bus.publish(subject, subject)
        expect(await take(subscription, 2) == [("a.b", "a.b"), ("a.b.c", "a.b.c")], "wrong subjects matched")

    async def test_a_closed_subscription_ends_and_its_neighbours_go_on(self, make_bus: MakeBus) -> None:
        """Stop one of two subscriptions of a client."""
        bus = make_bus()
        first, second = await bus.subscribe("a"), await bus.subscribe("a")
        await first.close()
        await first.close()
        await bus.publish("a", 1)
        expect(await take(second, 1) == [("a", 1)], "the neighbour lost its message")
        expect([message async for message in first] == [], "a closed subscription went on")

    async def test_a_call_brings_the_handlers_answer(self, make_bus: MakeBus) -> None:
        """Ask another client."""
        caller, server = make_bus(), make_bus()

        async def double(message: Any) -> Any:
            return message * 2

        await server.handle("math.double", double)
        answers = await asyncio.gather(*(caller.call("math.double", number) for number in range(50)))
        expect(answers == [number * 2 for number in range(50)], "answers were mixed up")

    async def test_several_handlers_take_turns(self, make_bus: MakeBus) -> None:
        """Spread calls over handlers."""
        caller = make_bus()
        for name in ("one", "two"):

            async def answer(_: Any, name: str = name) -> Any:
                return name

            await make_bus().handle("turns", answer)
        answers = [await caller.call("turns") for _ in range(10)]
        expect(answers.count("one") == answers.count("two") == 5, f"no turns were taken: {answers}")

    async def test_a_handlers_error_arrives_by_its_code(self, make_bus: MakeBus) -> None:
        """Carry class, sentence, fields and whether it is temporary."""
        caller, server = make_bus(), make_bus()

        async def refuse(_: Any) -> Any:
            raise ConflictError("Somebody was first.", temporary=True, version=7)

        await server.handle("refuse", refuse)
        error = await expect_error(ConflictError, caller.call("refuse"))
        expect(error.public == "Somebody was first.", "the sentence is lost")
        expect(error.temporary and error.fields == {"version": 7}, "fields are lost")

    async def test_a_handlers_bug_is_an_internal_error_without_detail(self, make_bus: MakeBus) -> None:
        """Keep a built-in exception's text from the caller."""
        caller, server = make_bus(), make_bus()
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        async def fail(_: Any) -> Any:
            raise KeyError("secret")

        await server.handle("fail", fail)
        error = await expect_error(InternalError, caller.call("fail"))
        expect("secret" not in error.public, "detail leaked")

    async def test_nobody_there_is_unavailable(self, make_bus: MakeBus) -> None:
        """Fail at once where no handler is, also after it left."""
        caller, server = make_bus(), make_bus()
        await expect_error(UnavailableError, caller.call("nobody"))

        async def answer(_: Any) -> Any:
            return 1

        handler = await server.handle("somebody", answer)
        expect(await caller.call("somebody") == 1, "the handler does not answer")
        await handler.close()
        await server.publish("anything")  # the same way as the farewell, behind it
        await expect_error(UnavailableError, _until_gone(caller, "somebody"))

    async def test_a_late_answer_is_a_deadline_error(self, make_bus: MakeBus) -> None:
        """Stop waiting, and stop the handler."""
        caller, server = make_bus(), make_bus()
        stopped = asyncio.Event()

        async def dawdle(_: Any) -> Any:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        await server.handle("dawdle", dawdle)
        await expect_error(UnavailableError, caller.call("nobody"))  # from here on it is connected
        await expect_error(DeadlineError, caller.call("dawdle", deadline=0.05))
        async with asyncio.timeout(_WAIT):
            await stopped.wait()

    async def test_a_handler_that_goes_away_fails_its_calls(self, make_bus: MakeBus) -> None:
        """Tell the caller without waiting for the deadline."""
        caller, server = make_bus(), make_bus()
        asked = asyncio.Event()

        async def hang(_: Any) -> Any:
            asked.set()
            await asyncio.Event().wait()

        await server.handle("hang", hang)
        call = asyncio.ensure_future(caller.call("hang", deadline=60))
        async with asyncio.timeout(_WAIT):
            await asked.wait()
        await server.close()
        await expect_error(UnavailableError, call)

    async def test_a_slow_reader_loses_the_oldest_and_counts_them(self, make_bus: MakeBus) -> None:
        """Bound a subscription's queue."""
        bus = make_bus()
        slow, marker = await bus.subscribe("flood"), await bus.subscribe("end")
        for number in range(5000):
            await bus.publish("flood", number)
        await bus.publish("end")
        await take(marker, 1)
        expect(slow.lost > 0, "nothing was lost")
        rest = [number for _, number in await take(slow, 5000 - slow.lost)]
        expect(rest == list(range(slow.lost, 5000)), "not the oldest were lost")

    async def test_a_message_has_a_largest_size(self, make_bus: MakeBus) -> None:
        """Take a mebibyte, refuse an octet more, before anything is sent."""
        bus = make_bus()
        subscription = await bus.subscribe("size")
        largest = b"x" * (MAX_MESSAGE - 5)  # bin 32 has five octets of head
        await bus.publish("size", largest)
        expect(await take(subscription, 1) == [("size", largest)], "the largest message differs")
        await expect_error(InvalidError, bus.publish("size", largest + b"x"))
        await expect_error(InvalidError, bus.call("size", largest + b"x"))
        await expect_error(InvalidError, bus.publish("size", object()))

    async def test_a_malformed_subject_is_refused(self, make_bus: MakeBus) -> None:
        """Refuse what is no subject, and wildcards where one subject is meant."""
        bus = make_bus()
        for subject in ("", ".", "a.", ".a", "a b", "a.*", "*", "a\n", "é", "a" * 256, "a..b", "a.*.b"):
            await expect_error(InvalidError, bus.publish(subject))
            await expect_error(InvalidError, bus.call(subject))
        await expect_error(InvalidError, bus.subscribe("*"))

    async def test_a_closed_bus_says_so(self, make_bus: MakeBus) -> None:
        """Fail after close, and close twice."""
        bus = make_bus()
        await bus.publish("a")
        await bus.close()
        await bus.close()
        await expect_error(UnavailableError, bus.publish("a"))
        await expect_error(UnavailableError, bus.call("a"))


async def _until_gone(bus: Bus, subject: str) -> None:
    while True:
        await bus.call(subject)
