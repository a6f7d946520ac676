"""How many requests somebody may make at the front."""

from __future__ import annotations

from typing import Any

import pytest

from serai.api.module import ApiConfig
from serai.api.pace import Pace, Rates
from serai.errors import ExhaustedError
from serai.identity import Principal
from serai.identity.throttle import Allowance

FEW = Rates(Allowance(3, 1.0), Allowance(2, 1.0))


def test_a_bucket_is_somebodys_own_and_fills_again() -> None:
    now = 0.0
    pace = Pace(FEW, lambda: now)
    ada, token = Principal(kind="user", name="ada"), Principal(kind="token", name="-/ci", user="ada")
    for _ in range(3):
        pace.take(ada, "192.0.2.1")
    with pytest.raises(ExhaustedError) as caught:
        pace.take(ada, "192.0.2.2")
    assert 1 <= caught.value.fields["retry_after"] <= 2
    pace.take(token, "192.0.2.1")
    pace.take(None, "192.0.2.1")
    now = 1.5
    pace.take(ada, "192.0.2.1")


def test_nobodies_are_counted_by_network() -> None:
    pace = Pace(FEW, lambda: 0.0)
    for last in ("1", "2"):
        pace.take(None, f"2001:db8::{last}")
    with pytest.raises(ExhaustedError):
        pace.take(None, "2001:db8::ffff")
    pace.take(None, "2001:db8:0:1::1")


def test_configured_rates_allow_bursts() -> None:
    rates = ApiConfig().rates()
    assert (rates.known.burst, rates.nobody.burst) == (1000, 100)
    assert rates.known.seconds == pytest.approx(0.01)


async def test_too_many_requests_are_told_when_to_come_again_and_nobody_else_waits(serve: Any) -> None:
    async with serve(rates=Rates(Allowance(3, 100.0), Allowance(2, 100.0))) as api:
        answers = [await api.front("GET", "/v1/me") for _ in range(3)]
        assert [one.status_code for one in answers] == [401, 401, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 101
        assert answers[2].json()["code"] == "exhausted"
        assert (await api.front("GET", "/v1/me", x_forwarded_for="192.0.2.8")).status_code == 401
        for _ in range(5):
            assert await api.call("GET", "/v1/me")
        assert await api.store.last_change() == 0
