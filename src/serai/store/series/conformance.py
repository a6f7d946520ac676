"""What every engine of history must do; an engine's test inherits it and says how one is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager

from serai.errors import ExhaustedError
from serai.store.conformance_kit import equal
from serai.store.series.driver import Row, SeriesDriver


class SeriesConformance(ABC):
    """Each test is a promise of `SeriesDriver`."""

    @abstractmethod
    def make(self, octets: int) -> SeriesDriver:
        """Return a new, empty engine that may take so many octets."""

    @contextmanager
    def opened(self, octets: int = 64 << 20) -> Iterator[SeriesDriver]:
        """Give an engine to a test."""
        with closing(self.make(octets)) as driver:
            yield driver

    def test_a_row_is_read_as_it_was_put_last(self) -> None:
        """By level, start and target; other rows are other rows."""
        with self.opened() as driver:
            driver.put([Row(0, 10, "a/b", b"one"), Row(0, 20, "a/b", b"two"), Row(1, 10, "a/b", b"three")], {})
            driver.put([Row(0, 10, "a/b", b"again"), Row(0, 10, "a", b"other")], {})
            equal(driver.get(0, "a/b", [20, 10, 30]), [(10, b"again"), (20, b"two")])
            equal(driver.get(1, "a/b", [10]), [(10, b"three")])
            equal(driver.get(0, "nobody", [10]), [])
            equal(driver.get(0, "a/b", []), [])

    def test_marks_are_kept(self) -> None:
        """Together with the rows that were put with them."""
        with self.opened() as driver:
            equal(driver.marks(), {})
            driver.put([], {1: 600})
            driver.put([Row(1, 600, "a", b"x")], {1: 1200, 2: 3600})
            equal(driver.marks(), {1: 1200, 2: 3600})

    def test_targets_of_a_time_are_told_once_each(self) -> None:
        """In order; the end of the time does not belong to it."""
        with self.opened() as driver:
            driver.put([Row(0, start, name, b"x") for start in (10, 20, 30) for name in ("b", "a", "ä")], {})
            driver.put([Row(0, 20, "only", b"x"), Row(1, 20, "coarse", b"x")], {})
            equal(driver.targets(0, 10, 20), ["a", "b", "ä"])
            equal(driver.targets(0, 20, 30), ["a", "b", "only", "ä"])
            equal(driver.targets(0, 40, 90), [])

    def test_the_oldest_rows_of_a_level_are_dropped_first(self) -> None:
        """As many as were asked for, and none of another level."""
        with self.opened() as driver:
            equal((driver.oldest(0), driver.oldest(0, 10)), (None, None))
            driver.put([Row(0, start, "a", b"x") for start in range(0, 100, 10)], {})
            driver.put([Row(1, 0, "a", b"x")], {})
            equal(driver.drop(0, 50, 2), 2)
            equal(driver.oldest(0), 20)
            equal(driver.drop(0, 50, 100), 3)
            equal(driver.drop(0, 50, 100), 0)
            equal((driver.oldest(0), driver.oldest(1)), (50, 0))
            equal([driver.oldest(0, since) for since in (0, 50, 51, 90, 91)], [50, 50, 60, 90, None])

    def test_what_there_is_no_room_for_is_refused_and_what_was_dropped_makes_room(self) -> None:
        """All of a put or nothing; nothing that was kept suffers."""
        with self.opened(16 << 20) as driver:
            start, data = 0, bytes(range(256)) * 32
            while True:
                try:
                    driver.put([Row(0, start, f"t{number}", data) for number in range(100)], {0: start})
                except ExhaustedError:
                    break
                start += 10
            equal(driver.targets(0, start, start + 1), [])
            equal(driver.marks()[0], start - 10)
            assert driver.used() <= 16 << 20  # noqa: S101 - a conformance suite is a test
            while driver.drop(0, start // 20 * 10, 500):
                pass
            driver.put([Row(0, start, "t1", data)], {})
            equal(driver.get(0, "t1", [start, start - 10]), [(start - 10, data), (start, data)])
