"""The parts that need no connection: what is kept, whose turn it is, what a ticket says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.bus.memory import MemoryBus
from serai.errors import DeniedError, ExhaustedError, InvalidError, UnavailableError
from serai.services.push import follower, tickets, wire
from serai.services.push.channels import check_channel, check_event, check_own, permit_path, shown, tenant_of
from serai.services.push.config import PushConfig
from serai.services.push.events import Event, Mark, read_mark
from serai.services.push.follower import Follower
from serai.services.push.hub import Hub
from serai.services.push.past import EVENTS, OCTETS, Past
from serai.services.push.rates import Rates
from serai.services.push.turns import JOBS, SLICE, Plain, Turns

KEY = b"k" * 32


def event(number: int, channel: str = "own/demo/shop/a", size: int = 10) -> Event:
    return Event(Mark(1, number), channel, "message", b"x" * size)


# What is kept


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["demo", "other"]), st.integers(0, 3000)), max_size=200)
)
def test_what_is_kept_is_bounded_and_says_truly_what_it_lacks(said: list[tuple[str, str, int]]) -> None:
    past = Past(of_tenant=20_000, of_all=30_000)
    everything: dict[str, list[int]] = {}
    for tenant in ("demo", "other"):
        for name in "abc":
            past.open(f"own/{tenant}/shop/{name}", 0)
    for number, (name, tenant, size) in enumerate(said, 1):
        channel = f"own/{tenant}/shop/{name}"
        everything.setdefault(channel, []).append(number)
        past.add(event(number, channel, size))
        assert past.octets <= 30_000
    kept = 0
    for channel in past:
        trail = past.get(channel)
        assert trail is not None
        kept += sum(each.weight for each in trail.events)
        for after in range(len(said) + 1):
            found = trail.after(after)
            if found is not None:
                assert [each.number for each in found] == [each for each in everything.get(channel, []) if each > after]
    assert kept == past.octets


def test_a_channel_keeps_so_many_events_and_octets() -> None:
    past = Past()
    trail = past.open("host", 5)
    for number in range(6, 6 + EVENTS + 10):
        past.add(event(number, "host"))
    assert (len(trail.events), trail.base, trail.after(14), len(trail.after(15) or ())) == (EVENTS, 15, None, EVENTS)
    past.open("host", 0)
    for number in range(20):
        past.add(event(number + 1, "host", OCTETS // 30))
    kept = past.get("host")
    assert kept is not None
    assert kept.octets <= OCTETS
    past.close("host")
    assert (past.octets, len(past)) == (0, 0)


def test_a_tenant_that_says_much_costs_no_other_its_past() -> None:
    past = Past(of_tenant=50_000, of_all=80_000)
    past.open("own/quiet/shop/a", 0)
    past.add(event(1, "own/quiet/shop/a"))
    past.open("own/loud/shop/a", 0)
    for number in range(2, 200):
        past.add(event(number, "own/loud/shop/a", 1000))
    quiet = past.get("own/quiet/shop/a")
    assert quiet is not None
    assert len(quiet.after(0) or ()) == 1


# Whose turn it is


class Receiver:
    def __init__(self, name: str, log: list[tuple[str, bytes]]) -> None:
        self.name = name
        self.log = log

    def deliver(self, parcel: Any) -> None:
        self.log.append((self.name, parcel.lines))


def plain(text: bytes) -> Plain:
    return Plain(text, text)


async def test_tenants_take_turns_and_each_gets_its_own_in_order() -> None:
    log: list[tuple[str, bytes]] = []
    turns = Turns(lambda _channels: None)
    many = [Receiver("many", log) for _ in range(10 * SLICE)]
    few = [Receiver("few", log)]
    turns.add("loud", "a", plain(b"1"), 1, many)
    await asyncio.sleep(0)
    turns.add("loud", "b", plain(b"2"), 1, many)
    turns.add("small", "c", plain(b"3"), 1, few)
    while turns.waiting:
        await asyncio.sleep(0)
    assert log.index(("few", b"3")) < 4 * SLICE, "it waited for a slice or two, and not for thousands"
    assert [text for name, text in log if name == "many"] == [b"1"] * len(many) + [b"2"] * len(many)


async def test_events_of_a_channel_that_wait_together_are_one_write() -> None:
    log: list[tuple[str, bytes]] = []
    turns = Turns(lambda _channels: None)
    many = [Receiver("many", log) for _ in range(2 * SLICE)]
    turns.add("t", "x", plain(b"0"), 1, many)
    for text in (b"1", b"2", b"3"):
        turns.add("t", "a", plain(text), 1, many)
    while turns.waiting:
        await asyncio.sleep(0)
    assert {text for _, text in log} == {b"0", b"123"}


async def test_too_much_of_a_tenant_is_forgotten_and_told() -> None:
    log: list[tuple[str, bytes]] = []
    told: list[list[str]] = []
    turns = Turns(told.append)
    some = [Receiver("x", log) for _ in range(2 * SLICE)]
    turns.add("quiet", "q", plain(b"q"), 1, some)
    for number in range(JOBS + 2):
        turns.add("loud", f"c{number % 2}", plain(b"1"), 1, some)
    while turns.waiting:
        await asyncio.sleep(0)
    assert told == [["c0", "c1"]]
    assert log.count(("x", b"q")) == len(some)


# Names, tickets, rates


@given(st.text(max_size=30))
def test_a_name_is_what_it_should_be_or_refused(text: str) -> None:
    for check in (check_channel, check_own, check_event):
        try:
            assert check(text) == text
        except InvalidError:
            continue
        assert text.isascii()
        assert not set(text) & set('\r\n \0"\\')


def test_channels_say_whose_they_are_and_whom_to_ask() -> None:
    assert [tenant_of(each) for each in ("host", "tenant/demo", "own/demo/shop/a", "tasks/-")] == [
        "-",
        "demo",
        "demo",
        "-",
    ]
    assert permit_path("host") == permit_path("tasks/-") == "/v1/push/tenants/-"
    assert (permit_path("app/demo/shop"), permit_path("task/demo/4f")) == (
        "/v1/push/apps/demo/shop",
        "/v1/push/tasks/4f",
    )
    assert shown("own/demo/shop/a:b.c") == "a:b.c"


@given(st.text(max_size=40))
def test_a_place_is_read_as_it_was_written_and_nothing_else_is_one(text: str) -> None:
    mark = read_mark(text)
    assert mark is None or read_mark(str(mark)) == mark


@given(st.text(max_size=300), st.binary(max_size=32))
def test_no_text_is_a_ticket_that_was_not_issued(text: str, key: bytes) -> None:
    with pytest.raises(DeniedError):
        tickets.read(KEY, text, "demo", "shop", 0.0)
    good = tickets.issue(KEY, "demo", "shop", ["a"], 10.0)
    if key != KEY:
        with pytest.raises(DeniedError):
            tickets.read(key, good, "demo", "shop", 0.0)


@given(st.integers(0, 1000), st.integers(1, 255))
def test_a_ticket_that_was_changed_anywhere_does_not_hold(at: int, by: int) -> None:
    good = tickets.issue(KEY, "demo", "shop", ["a", "b"], 10.0)
    assert tickets.read(KEY, good, "demo", "shop", 9.0).c == ["a", "b"]
    at %= len(good)
    letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[by % 64]
    if at in {len(good) - 1, good.index(".") - 1} or letter == good[at]:
        return  # the lowest bits of a last letter say nothing
    with pytest.raises(DeniedError):
        tickets.read(KEY, good[:at] + letter + good[at + 1 :], "demo", "shop", 9.0)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys/push.key"
    key = tickets.open_key(path)
    assert (len(key), tickets.open_key(path), path.stat().st_mode & 0o777) == (32, key, 0o600)
    path.write_text("abc")
    with pytest.raises(UnavailableError):
        tickets.open_key(path)


def test_a_bucket_fills_again() -> None:
    rates = Rates(10.0, 20.0)
    for _ in range(20):
        rates.take("a", 1, 0.0)
    with pytest.raises(ExhaustedError) as told:
        rates.take("a", 1, 0.0)
    rates.take("b", 1, 0.0)
    rates.take("a", 1, float(told.value.fields["after"]) + 0.001)
    rates.take("c", 1000, 0.0)  # more than a whole bucket is taken once it is full
    with pytest.raises(ExhaustedError):
        rates.take("c", 1, 50.0)
    rates.take("c", 1, 100.0)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5), st.lists, max_leaves=8))
def test_what_is_no_message_is_refused_and_breaks_nothing(message: Any) -> None:
    for kind in (wire.Batch, wire.Follow, wire.Followed, wire.Publish, wire.Ticket):
        with pytest.raises(InvalidError):
            wire.told(message, kind)


def test_messages_come_as_they_went() -> None:
    batch = wire.Batch(1, 2, 3, [wire.Said(3, "host", "change", b"{}")], ["host"], recheck=True)
    assert wire.told(wire.plain(batch), wire.Batch) == batch


# Whether the source is there


async def test_a_source_that_is_away_for_a_moment_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "AGAIN", 0.001)
    bus, now = MemoryBus(), 100.0
    following = Follower(Hub(PushConfig(), lambda: now), bus, lambda: None)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(following.ask())
        await asyncio.sleep(0.01)
        now += follower.PATIENCE - 0.1
        assert following.trouble == ""
        now += 0.2
        assert "Nobody answers" in following.trouble

        async def answer(_message: object) -> object:
            return wire.plain(wire.Followed(life=1, number=0, key=KEY, bases={}, said=[], refused=[]))

        async with asyncio.timeout(10):
            serving = await bus.handle(wire.FOLLOW, answer)
            await following.met.wait()
            while following.trouble:
                await asyncio.sleep(0.001)
        now += follower.PATIENCE * 2
        assert following.trouble == ""
        asking.cancel()
        await serving.close()
