"""A host shows a key of its own, which the home keeps for its owner alone, and which ends at once when it is to."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from serai.errors import InvalidError, NotFoundError
from serai.identity.directory import Directory
from serai.identity.hosts import FILE, HostKey, enrol, introduce, revoke
from serai.identity.principals import Grant
from serai.identity.recognise import Recogniser
from serai.store import Store
from serai.store.open import open_store

NOW = 1_800_000_000.0


async def known(store: Store) -> Recogniser:
    directory = Directory(store)
    await directory.open()
    return Recogniser(directory)


async def test_a_host_is_known_by_its_key_until_another_or_its_end() -> None:
    store = open_store("memory:")
    recogniser = await known(store)
    first = await enrol(store, "user:root", "one", NOW)
    principal = recogniser.token(first, "192.0.2.7", NOW)
    assert principal is not None
    assert (principal.who, principal.grants, principal.user) == ("host:one from 192.0.2.7", (Grant("host"),), "")
    assert first not in str((await store.get(HostKey, "", "one")).spec)
    for text in (
        first[:-1],
        first.replace("_one_", "_two_"),
        first.replace("_@_", "_-_"),
        "serai_@_one_",
        "serai_@__x",
    ):
        assert recogniser.token(text, "", NOW) is None
    second = await enrol(store, "user:root", "one", NOW)
    assert recogniser.token(first, "192.0.2.7", NOW) is None
    assert recogniser.token(second, "", NOW) is not None
    await revoke(store, "user:root", "one")
    assert recogniser.token(second, "", NOW) is None
    assert recogniser.token("serai_@_one_", "", NOW) is None, "what is kept of a revoked one proves nothing"
    with pytest.raises(NotFoundError):
        await revoke(store, "user:root", "one")


async def test_the_first_start_gives_the_home_its_key_once(tmp_path: Path) -> None:
    store = open_store("memory:")
    recogniser = await known(store)
    assert await introduce(store, "one", tmp_path, NOW)
    path = tmp_path / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text().strip()
    assert recogniser.token(key, "", NOW) is not None
    assert not await introduce(store, "one", tmp_path, NOW)
    await revoke(store, "user:root", "one")
    assert not await introduce(store, "one", tmp_path, NOW), "what was revoked is not given again by a restart"
    assert recogniser.token(key, "", NOW) is None
    renewed = await enrol(store, "user:root", "one", NOW, tmp_path)
    assert path.read_text().strip() == renewed
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["", "a_b", "@", "A", "-a", "x" * 64, "a/b", "a\nb"])
async def test_a_name_that_is_none_gets_no_key(name: str) -> None:
    with pytest.raises(InvalidError):
        await enrol(open_store("memory:"), "user:root", name, NOW)
