"""Input is taken once, waits for the program, and ends as its end is: with a pipe or a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from serai.cloud.drivers.process.shim.input import END, ROOM, Input


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:  # it was shut
            continue


def test_what_overlaps_is_taken_once(pipe: tuple[int, int]) -> None:
    given = Input(pipe[1], False)
    for at, data in ((0, b"abc"), (0, b"abc"), (1, b"bcde"), (5, b"")):
        assert given.take(at, data, False)
    assert given.feed()
    assert (os.read(pipe[0], 100), given.taken) == (b"abcde", 5)


def test_there_is_room_for_so_much_and_no_more(pipe: tuple[int, int]) -> None:
    given = Input(pipe[1], False)
    assert given.take(0, bytes(ROOM + 10), True)
    assert given.taken == ROOM
    assert not given.take(ROOM, b"more", False)
    given.feed()
    assert given.fd == pipe[1]  # what was cut off was not the last
    assert given.take(ROOM, b"more", True)


def test_the_last_of_it_ends_a_pipe(pipe: tuple[int, int]) -> None:
    given = Input(pipe[1], False)
    given.take(0, b"end", True)
    given.feed()
    assert (os.read(pipe[0], 100), os.read(pipe[0], 100), given.fd) == (b"end", b"", -1)
    assert given.take(3, b"thrown away", False)
    assert given.taken == 14


def test_a_terminal_is_told_the_end_and_stays(pipe: tuple[int, int]) -> None:
    given = Input(pipe[1], True)
    given.take(0, b"end\n", True)
    given.feed()
    given.feed()
    assert (os.read(pipe[0], 100), given.fd) == (b"end\n" + END, pipe[1])


def test_who_reads_no_more_holds_nothing_up(pipe: tuple[int, int]) -> None:
    given = Input(pipe[1], False)
    os.close(pipe[0])
    given.take(0, b"lost", False)
    assert given.feed()
    assert (given.fd, bytes(given.held)) == (-1, b"")
