"""What may come into the store, and what is refused with the field's name."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cloud.descriptors import Route
from serai.errors import ConflictError, InvalidError
from serai.store import Delete, Kinds, NewTask, Put, Spec, Store, Transaction, checks
from serai.store.conformance import Lamp
from serai.store.memory.driver import MemoryDriver
from serai.store.open import open_store

WHO, WHY = "user:ada", "to see"
BAD_NAMES = [
    "", ".", "..", "../x", "a/b", "a\\b", "a;b", "$(id)", "`id`", "a b", "a\n", "a\0b", "\0", "💡", "É", "A", "-a",
    "a-", "x" * 64, "x" * (1 << 20), "\ud800", "a|b", "'--", '"', "%", "*",
]  # fmt: skip


@pytest.fixture
async def store():
    store = open_store("memory:", kinds=[Lamp])
    yield store
    await store.close()


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_that_is_not_safe_everywhere_is_refused(store: Store, name: str) -> None:
    for call in (
        store.put(WHO, WHY, "ada", name, Lamp()),
        store.get(Lamp, "ada", name),
        store.get_any("lamp", "ada", name),
        store.history(Lamp, "ada", name),
        store.restore(WHO, Lamp, "ada", name, 1),
        store.change(WHO, WHY, [Delete("evil", "ada" + name if "/" in name else "a b", "desk")]),
    ):
        with pytest.raises(InvalidError):
            await call
    with pytest.raises(InvalidError, match="name"):
        await store.put(WHO, WHY, "ada", name, Lamp())
    if name:
        with pytest.raises(InvalidError, match="tenant"):
            await store.put(WHO, WHY, name, "desk", Lamp())
    assert await store.last_change() == 0


async def test_a_kind_may_widen_what_its_names_are(store: Store) -> None:
    await store.put(WHO, WHY, "", "demo.localhost/hello/1/", Route(tenant="demo", app="hello", release=1))
    found = await store.find(Route, prefix="demo.localhost/")
    assert [record.name for record in found] == ["demo.localhost/hello/1/"]
    assert [r.name for r in await store.find(Route, after="/demo.localhost/hello/0/")] == ["demo.localhost/hello/1/"]
    long = f"{'x' * 200}/" + "/".join(["y" * 64] * 4) + "/"
    with pytest.raises(InvalidError):
        await store.put(WHO, WHY, "", long, Route(tenant="demo", app="hello", release=1))


class Wrong(Spec, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "../wrong"


class Anything(Spec, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "anything"

    value: Any = None


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (Lamp(watts="many"), "watts"),  # type: ignore[arg-type]
        (Lamp(colour="x" * (1 << 20)), ""),
        (Lamp(colour="\ud800"), ""),
        (Lamp(watts=1 << 70), ""),
        (Anything(value=object()), ""),
        (Anything(value=nested(20_000)), ""),
        (Wrong(), "kind"),
    ],
)
async def test_a_spec_that_could_not_be_read_again_is_refused(store: Store, spec: Spec, path: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await store.put(WHO, WHY, "ada", "desk", spec)
    assert refused.value.fields["path"] == path


async def test_values_may_hold_any_text(store: Store) -> None:
    for n, colour in enumerate(["'; DROP TABLE record; --", "a\0b", "💡", "\n", "$(id)", "../..", "x" * 200_000]):
        await store.put(WHO, WHY, "ada", f"n{n}", Lamp(colour=colour))
        assert (await store.get(Lamp, "ada", f"n{n}")).spec.colour == colour


@pytest.mark.parametrize(
    "transaction",
    [
        Transaction(WHO, WHY, ()),
        Transaction(WHO, WHY, (Put("ada", "desk", Lamp()),) * 10_001),
        Transaction("", WHY, (Put("ada", "desk", Lamp()),)),
        Transaction("a\nb", WHY, (Put("ada", "desk", Lamp()),)),
        Transaction("x" * 257, WHY, (Put("ada", "desk", Lamp()),)),
        Transaction(WHO, "x" * 4097, (Put("ada", "desk", Lamp()),)),
        Transaction(WHO, "\0", (Put("ada", "desk", Lamp()),)),
        Transaction(WHO, WHY, (Put("ada", "desk", Lamp(), -1),)),
        Transaction(WHO, WHY, (Put("ada", "desk", Lamp(), 1 << 64),)),
        Transaction(WHO, WHY, (NewTask(function=""),)),
        Transaction(WHO, WHY, (NewTask(function="f", channel="x" * 257),)),
        Transaction(WHO, WHY, (NewTask(function="f", tenant="../"),)),
        Transaction(WHO, WHY, (NewTask(function="f", arguments={"x": "y" * (1 << 20)}),)),
        Transaction(WHO, WHY, (NewTask(function="f", arguments={"x": object()}),)),
    ],
)
async def test_a_transaction_beyond_the_limits_is_refused(store: Store, transaction: Transaction) -> None:
    with pytest.raises(InvalidError):
        await store.commit(transaction)
    assert await store.last_change() == 0


async def test_questions_beyond_the_limits_are_refused(store: Store) -> None:
    for call in (
        store.find(Lamp, limit=0),
        store.find(Lamp, limit=10_001),
        store.find(Lamp, prefix="\0"),
        store.find(Lamp, prefix="x" * 401),
        store.find(Lamp, after="no-slash"),
        store.find(Lamp, "../x"),
        store.find_any("No Kind"),
        store.changes(-1),
        store.changes(0, 1 << 64),
        store.changes(1 << 64),
        store.history(Lamp, "ada", "desk", limit=0),
        store.diff(Lamp, "ada", "desk", 0, 1),
    ):
        with pytest.raises(InvalidError):
            await call


@given(kind=st.text(max_size=60), tenant=st.text(max_size=80), name=st.text(max_size=500))
def test_a_key_is_refused_or_fits_the_replica(kind: str, tenant: str, name: str) -> None:
    try:
        key = checks.key(kind, tenant, name)
    except InvalidError:
        return
    assert "\0" not in "".join(key)
    assert len("\0".join(key).encode()) <= 511


def test_a_kind_has_one_type() -> None:
    class OtherLamp(Spec, frozen=True, kw_only=True):
        KIND: ClassVar[str] = "lamp"

    kinds = Kinds([Lamp, Lamp])
    assert ("lamp" in kinds, list(kinds)) == (True, [Lamp])
    with pytest.raises(InvalidError):
        kinds.add(OtherLamp)


@pytest.mark.parametrize("address", ["", "mysql://x", "memory:x", "sqlite:"])
def test_an_address_that_no_engine_serves_is_refused(address: str) -> None:
    with pytest.raises(InvalidError):
        open_store(address)


async def test_each_operation_is_observed_and_hooks_hear_of_commits() -> None:
    seen: list[tuple[str, str]] = []
    heard: list[Any] = []
    store = Store(MemoryDriver(), observe=lambda operation, seconds, code: seen.append((operation, code)))
    store.on_commit.append(heard.append)
    store.on_apply.append(lambda transaction, done: heard.append((len(transaction.operations), len(done.tasks))))
    await store.change(WHO, WHY, [Put("ada", "desk", Lamp()), Put("ada", "hall", Lamp())])
    await store.change(WHO, WHY, [NewTask(function="f")])
    with pytest.raises(ConflictError):
        await store.put(WHO, WHY, "ada", "desk", Lamp(), expect=7)
    assert seen == [("apply", "ok"), ("apply", "ok"), ("apply", "conflict")]
    assert heard == [(2, 0), 2, (1, 1)]
