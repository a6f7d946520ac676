"""One-time passwords by time, with the vectors of RFC 6238 appendix B (their last six digits)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.identity import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("time", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_vectors_of_the_standard_hold(time: int, code: str) -> None:
    assert totp.code_at(SECRET, time // totp.STEP) == code
    assert totp.accepted(SECRET, code, time, 0) == time // totp.STEP


def test_a_clock_may_be_one_step_off() -> None:
    now = 1_800_000_000.0
    step = int(now // totp.STEP)
    for off, wanted in ((-2, None), (-1, step - 1), (0, step), (1, step + 1), (2, None)):
        assert totp.accepted(SECRET, totp.code_at(SECRET, step + off), now, 0) == wanted


def test_a_code_opens_once() -> None:
    now = 1_800_000_000.0
    step = int(now // totp.STEP)
    code = totp.code_at(SECRET, step)
    assert totp.accepted(SECRET, code, now, 0) == step
    assert totp.accepted(SECRET, code, now, step) is None
    assert totp.accepted(SECRET, totp.code_at(SECRET, step - 1), now, step) is None


@given(st.text(max_size=100))
def test_garbage_is_no_code(text: str) -> None:
    if "".join(text.split()) not in {totp.code_at(SECRET, step) for step in (0, 1, 2, 3)}:
        assert totp.accepted(SECRET, text, 60, -9) is None


def test_people_write_codes_with_spaces() -> None:
    assert totp.accepted(SECRET, " 287 082 ", 59, 0) == 1


def test_an_app_reads_the_address() -> None:
    text = totp.uri(SECRET, "ada lovelace", "serai.test")
    assert text.startswith("otpauth://totp/serai.test%3Aada%20lovelace?secret=")
    assert len(base64.b32decode(totp.new_secret())) == 20
