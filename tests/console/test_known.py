"""The last known answers: each visitor's own, and bounded."""

from __future__ import annotations

from serai.console.known import AGE, LARGEST, MOST, OCTETS, PAGES, Known
from serai.daemon.testing import FakeClock


def test_everybody_finds_their_own_answers_only() -> None:
    known = Known(FakeClock().now)
    known.keep(b"ada", "/v1/me", b"ada's")
    assert known.find(b"ada", "/v1/me") == (1_000_000_000.0, b"ada's")
    assert known.find(b"bob", "/v1/me") is None
    assert known.find(b"ada", "/v1/app") is None


def test_the_newest_answer_is_kept_and_an_old_one_is_not_shown() -> None:
    clock = FakeClock()
    known = Known(clock.now)
    known.keep(b"ada", "/", b"old")
    known.keep(b"ada", "/", b"new")
    assert known.find(b"ada", "/") == (clock.now(), b"new")
    clock.advance(AGE)
    assert known.find(b"ada", "/") is None


def test_it_is_bounded_in_number_and_size() -> None:
    known = Known(FakeClock().now)
    for number in range(MOST + 1):
        known.keep(b"ada", f"/{number}", b"x")
    assert known.find(b"ada", "/0") is None
    assert known.find(b"ada", f"/{MOST}") is not None
    known.keep(b"ada", "/large", b"x" * (LARGEST + 1))
    assert known.find(b"ada", "/large") is None
    for number in range(OCTETS // LARGEST + 1):
        known.keep(b"bob", f"/{number}", b"x" * LARGEST)
    assert known.find(b"bob", "/0") is None
    assert known.find(b"ada", "/1") is None


def test_an_answer_that_grew_too_large_takes_the_old_one_with_it() -> None:
    known = Known(FakeClock().now)
    known.keep(b"ada", "/", b"small")
    known.keep(b"ada", "/", b"x" * (LARGEST + 1))
    assert known.find(b"ada", "/") is None


def test_the_last_page_of_a_path_is_known_as_long_as_all_that_it_was_made_of() -> None:
    clock = FakeClock()
    known = Known(clock.now)
    for target in ("/v1/me", "/v1/tasks?state=error"):
        known.keep(b"ada", target, b"x")
    assert known.seen(b"ada", "/tasks") is None
    known.saw(b"ada", "/tasks", "/tasks?state=error", ["/v1/me", "/v1/tasks?state=error"])
    found = known.seen(b"ada", "/tasks")
    assert found is not None
    assert (found.here, found.when) == ("/tasks?state=error", clock.now())
    assert known.seen(b"bob", "/tasks") is None
    known.keep(b"ada", "/v1/tasks?state=error", b"x" * (LARGEST + 1))
    assert known.seen(b"ada", "/tasks") is None


def test_pages_are_bounded_in_number_and_age() -> None:
    clock = FakeClock()
    known = Known(clock.now)
    known.keep(b"ada", "/v1/me", b"x")
    for number in range(PAGES + 1):
        known.saw(b"ada", f"/{number}", f"/{number}", ["/v1/me"])
    assert known.seen(b"ada", "/0") is None
    assert known.seen(b"ada", "/1") is not None
    clock.advance(AGE)
    assert known.seen(b"ada", "/1") is None
