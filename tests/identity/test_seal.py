"""What is sealed opens with its key, in its place, unchanged; and nothing else opens."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.errors import InvalidError, UnavailableError
from serai.identity.seal import Keyring, create_key, is_sealed, open_keyring

RING = Keyring({"a1": b"a" * 32, "b2": b"b" * 32})


@given(st.text(), st.text(max_size=50).filter(lambda text: text.isprintable()))
def test_what_was_sealed_comes_back(plain: str, about: str) -> None:
    sealed = RING.seal(plain, about)
    assert is_sealed(sealed)
    assert plain == "" or plain not in sealed or len(plain) < 4
    assert RING.unseal(sealed, about) == plain


def test_it_opens_in_its_own_place_only() -> None:
    with pytest.raises(InvalidError, match="belongs elsewhere"):
        RING.unseal(RING.seal("secret", "variables/demo/shop/TOKEN"), "variables/evil/shop/TOKEN")


@given(st.integers(min_value=10, max_value=60), st.integers(min_value=1, max_value=255))
def test_a_changed_octet_is_noticed(place: int, change: int) -> None:
    sealed = RING.seal("a secret of some length", "x")
    broken = sealed[:place] + chr(33 + (ord(sealed[place]) + change) % 90) + sealed[place + 1 :]
    if broken != sealed:
        with pytest.raises((InvalidError, UnavailableError)):
            RING.unseal(broken, "x")


@given(st.text())
def test_garbage_never_opens(text: str) -> None:
    with pytest.raises((InvalidError, UnavailableError)):
        RING.unseal(text, "x")


def test_the_newest_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    old = open_keyring(path)
    sealed = old.seal("mine", "x")
    create_key(path)
    new = open_keyring(path)
    assert new.unseal(sealed, "x") == "mine"
    assert new.stale(sealed)
    assert not new.stale(new.seal("mine", "x"))
    assert old.unseal(new.seal("mine", "x"), "x") == "mine", "a key that another process made is found"
    assert not old.stale(new.seal("mine", "x"))
    path.write_text(path.read_text().splitlines()[1])
    with pytest.raises(UnavailableError, match="lacks the key"):
        open_keyring(path).unseal(new.seal("mine", "x"), "x")


@pytest.mark.parametrize("text", ["", "a1", "a1 zz", "a1 00", "a1 " + "0" * 64 + " more", "\xff"])
def test_a_broken_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.key"
    path.write_text(text, "latin-1")
    with pytest.raises(Exception, match=r"can't be read|at least one key"):
        open_keyring(path)


def test_a_keyring_shows_no_key() -> None:
    assert "61" not in repr(RING)
    assert repr(RING) == "Keyring(2 keys)"
