"""Numbers as plots write them, and curves as SVG has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.console.plots import shown, span_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "1/s", "\N{EN DASH}"), (0, "1/s", "0/s"), (12.345, "1/s", "12.3/s"), (1234.5, "1/s", "1234/s"),
        (0.0042, "s", "4.2 ms"), (1.5, "s", "1.5 s"), (1 << 20, "octets", "1 MiB"), (1536, "octets/s", "1.5 KiB/s"),
        (1020, "octets", "1020 B"), (0.25, "cores", "0.25 cores"), (0.006, "cores", "0.6 %"), (3, "", "3"),
    ],
)  # fmt: skip
def test_a_number_is_written_with_its_unit(value: float | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@given(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["octets", "octets/s", "s", "1/s", "cores", ""])
)
def test_any_number_can_be_written(value: float, unit: str) -> None:
    assert shown(value, unit)


def test_an_unknown_span_is_the_shortest() -> None:
    assert span_of("century").seconds == 3600
