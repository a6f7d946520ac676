"""Tokens as text: written, read back, and nothing else read."""

from hypothesis import given
from hypothesis import strategies as st

from serai.identity import bearer

LABELS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(st.one_of(st.just(""), LABELS), LABELS)
def test_a_token_is_read_as_it_was_written(tenant: str, name: str) -> None:
    secret = bearer.new_secret()
    assert bearer.read(bearer.write(tenant, name, secret)) == bearer.Bearer(tenant, name, secret)


@given(st.text(max_size=400))
def test_garbage_is_no_token(text: str) -> None:
    found = bearer.read(text)
    assert found is None or text.startswith("serai_")


def test_a_token_of_a_megabyte_is_none() -> None:
    assert bearer.read("serai_demo_ci_" + "x" * (1 << 20)) is None


def test_only_the_secret_proves() -> None:
    secret = bearer.new_secret()
    kept = bearer.digest(secret)
    assert bearer.proves(secret, kept)
    assert not bearer.proves(secret + "x", kept)
    assert not bearer.proves("", kept)
    assert secret not in kept
    assert secret not in repr(bearer.Bearer("demo", "ci", secret))
