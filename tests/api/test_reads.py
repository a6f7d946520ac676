"""Answers that are kept until anything changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from serai.api.nudge import Nudge
from serai.api.reads import LONGEST, OCTETS, Answer, Reads
from serai.errors import NotFoundError
from serai.identity.descriptors import Tenant
from serai.store.last_known import LastKnown
from serai.store.open import open_store
from serai.store.replica import Replica
from serai.store.retry import Patience


async def test_an_answer_is_made_anew_after_a_commit_a_nudge_and_a_time() -> None:
    store, nudge, now, made = open_store("memory:"), Nudge(), [0.0], []
    reads = Reads(store, nudge, lambda: now[0])

    async def make() -> Answer:
        made.append(1)
        return Answer(b"x")

    for count, change in enumerate((None, None, "commit", None, "nudge", "time", None)):
        if change == "commit":
            await store.put("test", "", "demo", "demo", Tenant(uid=count))
        elif change == "nudge":
            nudge.poke()
        elif change == "time":
            now[0] += LONGEST
        await reads.get("key", make)
    assert len(made) == 4


async def test_an_answer_from_the_copy_is_not_kept_once_the_store_is_back(tmp_path: Path) -> None:
    file, nudge = tmp_path / "store.db", Nudge()
    store = open_store(file, kinds=(Tenant,), patience=Patience(attempts=1))
    await store.put("test", "", "demo", "demo", Tenant(uid=1))
    shown = LastKnown(store, Replica(tmp_path / "replica", writable=True), rest=0.0)
    reads = Reads(shown, nudge, lambda: 0.0)

    async def make() -> Answer:
        return Answer(b"%d" % len(await shown.find(Tenant)))

    file.rename(tmp_path / "aside")
    assert (await reads.get("key", make)).body == b"0"
    assert reads.at_hand("key") is None, "what was asked before it was known to be away is not kept"
    assert (await reads.get("key", make)).body == b"0"
    assert reads.at_hand("key") is not None
    (tmp_path / "aside").rename(file)
    async with asyncio.timeout(20):
        while shown.as_of is not None:
            await asyncio.sleep(0.01)
    assert reads.at_hand("key") is None
    assert (await reads.get("key", make)).body == b"1"
    await shown.close()
    await store.close()


async def test_what_was_read_before_a_change_is_not_kept_and_memory_is_bounded() -> None:
    store, nudge = open_store("memory:"), Nudge()
    reads = Reads(store, nudge, lambda: 0.0)

    async def late() -> Answer:
        nudge.poke()
        return Answer(b"old")

    async def large() -> Answer:
        return Answer(b"x" * (1 << 20))

    assert (await reads.get("key", late)).body == b"old"
    for number in range(3 * OCTETS >> 20):
        await reads.get(number, large)
        assert sum(len(one.body) for one in reads._held.values()) <= OCTETS
    assert (await reads.get("key", large)).body != b"old"


async def test_whoever_writes_reads_it_at_once(api: Any) -> None:
    for title in map(str, range(20)):
        await api.call("PUT", "/v1/tenant/demo/demo", {"uid": 1, "title": title})
        assert (await api.call("GET", "/v1/tenant/demo/demo"))["spec"]["title"] == title
        assert (await api.call("GET", "/v1/tenant"))["items"][0]["spec"]["title"] == title


async def test_all_who_ask_at_a_time_get_one_answer_and_the_first_may_leave() -> None:
    reads, made, begun, go = Reads(open_store("memory:"), Nudge(), lambda: 0.0), [], asyncio.Event(), asyncio.Event()

    async def make() -> Answer:
        made.append(1)
        begun.set()
        await go.wait()
        return Answer(b"x")

    asking = [asyncio.create_task(reads.get("key", make)) for _ in range(5)]
    await begun.wait()
    asking[0].cancel()
    go.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [getattr(one, "body", None) for one in answers] == [None, *[b"x"] * 4]
    assert len(made) == 1


async def test_whoever_asks_after_a_change_does_not_get_what_was_begun_before() -> None:
    store, go = open_store("memory:"), asyncio.Event()
    reads = Reads(store, Nudge(), lambda: 0.0)

    async def old() -> Answer:
        await go.wait()
        return Answer(b"old")

    async def new() -> Answer:
        return Answer(b"new")

    early = asyncio.create_task(reads.get("key", old))
    await asyncio.sleep(0)
    await store.put("test", "", "demo", "demo", Tenant(uid=1))
    assert (await reads.get("key", new)).body == b"new"
    go.set()
    assert (await early).body == b"old"
    assert (await reads.get("key", new)).body == b"new"


async def test_what_fails_is_told_to_all_who_asked_and_not_kept() -> None:
    reads = Reads(open_store("memory:"), Nudge(), lambda: 0.0)

    async def fail() -> Answer:
        await asyncio.sleep(0)
        raise NotFoundError("Nothing has that name.")

    async def make() -> Answer:
        return Answer(b"x")

    told = await asyncio.gather(*(reads.get("key", fail) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, NotFoundError) for one in told)
    assert (await reads.get("key", make)).body == b"x"
