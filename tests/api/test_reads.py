"""Answers that are kept until anything changes."""

from __future__ import annotations

from typing import Any

from serai.api.nudge import Nudge
from serai.api.reads import LONGEST, OCTETS, Answer, Reads
from serai.identity.descriptors import Tenant
from serai.store.open import open_store


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
    for uid in range(20):
        await api.call("PUT", "/v1/tenant/demo/demo", {"uid": uid})
        assert (await api.call("GET", "/v1/tenant/demo/demo"))["spec"]["uid"] == uid
        assert (await api.call("GET", "/v1/tenant"))["items"][0]["spec"]["uid"] == uid
