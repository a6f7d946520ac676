"""Who held tasks back and who let them go, when and why, is kept once it is over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError
from serai.store.audit import Audit, Wanted
from serai.store.checks import key as checked
from serai.tasks import Tasks
from serai.tasks.hold import Hold, name_of, owner_of


async def told(store: Any, tenant: str = "demo") -> list[tuple[str, str, str, bool]]:
    found = await Audit(store).changes(Wanted(kind="hold", tenant=tenant))
    return [(one.name, one.who, one.why, one.deleted) for one in reversed(found)]


async def test_a_pause_and_its_end_say_who_and_why(store: Any) -> None:
    tasks = Tasks(store)
    await tasks.pause("user:ada", "demo/shop/mail", "the server moves")
    assert await tasks.resume("user:bob", "demo/shop/mail", "it has moved")
    assert not await tasks.resume("user:eve", "demo/shop/mail")
    assert await told(store) == [
        ("pause:demo/shop/mail", "user:ada", "the server moves", False),
        ("pause:demo/shop/mail", "user:bob", "it has moved", True),
    ]
    lines = await store.history("hold", "demo", "pause:demo/shop/mail")
    assert [line.who for line in lines] == ["user:bob", "user:ada"]


async def test_limits_say_what_they_were(store: Any) -> None:
    tasks = Tasks(store)
    await tasks.limit("user:ada", "channel", "demo/shop/mail", most=5, why="contract")
    await tasks.limit("user:ada", "channel", "demo/shop/mail", rate=100, why="a better one")
    await tasks.limit("user:bob", "channel", "demo/shop/mail", why="it is over")
    await tasks.limit("user:bob", "channel", "demo/shop/mail", why="once more")
    await tasks.limit("user:ada", "tenant", "demo", most=7)
    assert [(who, why, over) for _, who, why, over in await told(store)] == [
        ("user:ada", "contract", False), ("user:ada", "a better one", False), ("user:bob", "it is over", True),
        ("user:ada", "", False),
    ]  # fmt: skip
    lines = await store.history("hold", "demo", "limit:channel:demo/shop/mail")
    assert [line.spec and line.spec.get("most") for line in lines] == [None, None, 5]
    assert (await store.get(Hold, "demo", "limit:tenant:demo")).spec.most == 7


async def test_a_limit_that_means_nothing_leaves_no_trace(store: Any) -> None:
    with pytest.raises(InvalidError):
        await Tasks(store).limit("user:ada", "channel", "c", most=0)
    assert await told(store, "") == []


async def test_a_provider_that_is_declared_down_and_up_says_so(store: Any) -> None:
    tasks = Tasks(store)
    await tasks.provider_up("user:ada", "stripe", "nobody said that it is down")
    await tasks.provider_down("user:ada", "stripe", "they told us")
    await tasks.provider_up("user:bob", "stripe", "they are back")
    assert await told(store, "") == [
        ("outage:stripe", "user:ada", "they told us", False),
        ("outage:stripe", "user:bob", "they are back", True),
    ]


async def test_what_holds_since_before_that_was_written_down_ends_like_all_else(store: Any) -> None:
    rows = store.driver.tasks
    await store.driver.write(lambda tx: rows.pause(tx, "old", who="user:ada", why="", now=1.0))
    assert await Tasks(store).resume("user:bob", "old", "enough")
    assert await told(store, "") == [
        ("pause:old", "user:bob", "enough", False), ("pause:old", "user:bob", "enough", True),
    ]  # fmt: skip


@given(st.sampled_from(["limit", "outage", "pause"]), st.text(min_size=1, max_size=400))
def test_each_name_that_can_be_held_has_one_that_can_be_written(what: Any, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    key = name_of(what, f"channel:{name}" if what == "limit" else name)
    checked(Hold, owner_of(name)[0], key)
    if "%" not in key and "~" not in key:
        assert Hold().app_of(key) == owner_of(name)[1]


def test_names_that_are_alike_at_their_beginning_stay_apart() -> None:
    assert name_of("pause", "ä" * 399 + "a") != name_of("pause", "ä" * 399 + "b")
