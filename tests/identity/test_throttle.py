"""Who guesses is slowed down; buckets fill again, and are bounded in number."""

import pytest

from serai.errors import ExhaustedError
from serai.identity.throttle import Allowance, Throttle, network_of

ONE = Allowance(3, 10.0)


def test_a_burst_then_one_at_a_time() -> None:
    throttle = Throttle()
    for _ in range(3):
        throttle.check("a", ONE, 100.0)
        throttle.failed("a", ONE, 100.0)
    with pytest.raises(ExhaustedError) as refused:
        throttle.check("a", ONE, 100.0)
    assert refused.value.fields["retry_after"] == 11
    throttle.check("b", ONE, 100.0)
    throttle.check("a", ONE, 110.0)
    throttle.failed("a", ONE, 110.0)
    with pytest.raises(ExhaustedError):
        throttle.check("a", ONE, 119.0)
    throttle.check("a", ONE, 1000.0)


def test_who_proved_themselves_starts_anew() -> None:
    throttle = Throttle()
    for _ in range(9):
        throttle.failed("a", ONE, 100.0)
    throttle.forget("a")
    throttle.check("a", ONE, 100.0)


def test_a_million_names_take_a_bounded_memory() -> None:
    throttle = Throttle(most=100)
    for number in range(10_000):
        throttle.failed(str(number), ONE, 100.0)
    assert len(throttle._full_at) == 100


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_a_party_holds_a_network(address: str, network: str) -> None:
    assert network_of(address) == network
