"""Values of variables lie sealed, open for programs, and are shown to people only where they were set so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.daemon.home import Home
from serai.errors import ConflictError, InvalidError, UnavailableError
from serai.identity.descriptors import Tenant
from serai.identity.seal import Keyring, create_key, is_sealed, open_keyring
from serai.services.apps import actions, views
from serai.services.apps.descriptors import KINDS, App
from serai.services.apps.resealing import reseal
from serai.services.apps.variables import HIDDEN, Told, Variables, about_of, stored, told
from serai.store import Store
from serai.store.open import open_store

KEYS = Keyring({"k1": b"1" * 32})
WHO = "user:test"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = open_store("memory:", kinds=KINDS)
    await made.put("system", "test", "demo", "demo", Tenant(uid=1))
    await made.put("system", "test", "demo", "shop", App())
    yield made
    await made.close()


async def spec_of(store: Store) -> Variables:
    return (await stored(store, "demo", "shop"))[0]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200), st.booleans())
def test_what_is_sealed_opens_as_it_was(value: str, shown: bool) -> None:
    if is_sealed(value) or value == HIDDEN:
        return
    spec = Variables(values={"A": value}, shown=("A",) if shown else ())
    sealed = spec.at_rest(KEYS, "demo", "shop", None)
    assert is_sealed(sealed.values["A"])
    assert sealed.opened(KEYS, "demo", "shop") == {"A": value}
    again = spec.at_rest(KEYS, "demo", "shop", sealed)
    assert again == sealed, "what says the same stays the same text"


async def test_values_are_shown_only_where_they_were_set_so(store: Store) -> None:
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"KEY": "s3cret"})
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"COLOUR": "red"}, plain=True)
    assert await views.variables_of(store, KEYS, "demo", "shop") == {"COLOUR": "red", "KEY": None}
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"COLOUR": "blue"})
    assert await views.variables_of(store, KEYS, "demo", "shop") == {"COLOUR": None, "KEY": None}


async def test_they_are_changed_in_the_version_that_was_seen_or_not_at_all(store: Store) -> None:
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"KEY": "one"}, plain=True, expect=0)
    for seen in (0, 2):
        with pytest.raises(ConflictError):
            await actions.set_env(store, KEYS, WHO, "demo", "shop", {"KEY": "two"}, plain=True, expect=seen)
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"KEY": "three"}, plain=True, expect=1)
    assert await views.variables_of(store, KEYS, "demo", "shop") == {"KEY": "three"}


async def test_a_hidden_value_can_not_be_turned_into_one_that_is_shown(store: Store) -> None:
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"KEY": "s3cret"})
    spec = await spec_of(store)
    for where in (("demo", "shop"), ("demo", "other"), ("other", "shop")):
        with pytest.raises(InvalidError):
            Variables(values=spec.values, shown=("KEY",)).at_rest(KEYS, *where, spec)
    moved = Variables(values={"OTHER": spec.values["KEY"]})
    with pytest.raises(InvalidError, match="not sealed for this"):
        moved.at_rest(KEYS, "demo", "shop", spec)
    with pytest.raises(InvalidError):
        Variables(values={}, shown=("KEY",)).check()


async def test_what_stands_for_a_hidden_value_can_not_be_set() -> None:
    with pytest.raises(InvalidError):
        Variables(values={"KEY": HIDDEN}).check()


async def test_values_that_older_code_wrote_work_are_not_shown_and_are_sealed_at_the_next_write(store: Store) -> None:
    await store.put(WHO, "old", "demo", "shop", Variables(values={"OLD": "plain"}))
    old = await spec_of(store)
    assert told(Path("/nowhere"), old, "demo", "shop") == {"OLD": "plain"}, "no key file is needed"
    assert Variables.hidden({"values": old.values, "shown": ()})["values"] == {"OLD": HIDDEN}
    assert await views.variables_of(store, KEYS, "demo", "shop") == {"OLD": None}
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"NEW": "x"})
    new = await spec_of(store)
    assert all(is_sealed(value) for value in new.values.values())
    assert new.opened(KEYS, "demo", "shop") == {"OLD": "plain", "NEW": "x"}


async def test_resealing_uses_the_newest_key_and_is_no_change_the_second_time(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    create_key(path)
    old = open_keyring(path)
    await actions.set_env(store, old, WHO, "demo", "shop", {"KEY": "s3cret", "B": "b"})
    await actions.set_env(store, old, WHO, "demo", "shop", {"C": "c"}, plain=True)
    await store.put(WHO, "old", "demo", "blog", Variables(values={"PLAIN": "plain"}))
    create_key(path)
    keyring = open_keyring(path)
    assert await reseal(store, keyring, WHO) == 2
    assert await reseal(store, keyring, WHO) == 0
    path.write_text(path.read_text().splitlines()[0] + "\n")
    spec = await spec_of(store)
    assert spec.opened(open_keyring(path), "demo", "shop") == {"KEY": "s3cret", "B": "b", "C": "c"}
    assert spec.shown == ("C",)


async def test_without_its_key_nothing_opens_and_setting_it_anew_mends_it(store: Store, tmp_path: Path) -> None:
    await actions.set_env(store, KEYS, WHO, "demo", "shop", {"KEY": "s3cret"})
    path = Home(tmp_path).keys
    path.parent.mkdir()
    create_key(path)
    keyring = open_keyring(path)
    with pytest.raises(UnavailableError) as caught:
        told(tmp_path, await spec_of(store), "demo", "shop")
    assert "s3cret" not in str(caught.value)
    await actions.set_env(store, keyring, WHO, "demo", "shop", {"KEY": "new"})
    assert told(tmp_path, await spec_of(store), "demo", "shop") == {"KEY": "new"}


def test_representations_tell_names_only() -> None:
    assert repr(Told({"KEY": "s3cret"})) == "Told(KEY)"
    assert "s3cret" not in repr(Variables(values={"KEY": "s3cret"}))


def test_what_a_value_is_about_can_not_be_mistaken() -> None:
    names = [("a", "b", "C"), ("a", "b", "D"), ("a", "c", "C"), ("b", "b", "C")]
    places = {about_of(*name, shown=shown) for name in names for shown in (False, True)}
    assert len(places) == 2 * len(names)
