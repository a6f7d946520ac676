"""Logs that are read while they grow, rotate and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.bus.open import open_bus
from serai.services.apps.log_stream import Ends, stream
from serai.services.apps.logs import (
    BEFORE,
    CHUNK,
    KEPT,
    MAX_FILES,
    MAX_SOURCES,
    Ask,
    Cursor,
    Piece,
    Source,
    answer,
    keep,
    read,
    tail,
)


def source(folder: Path) -> Source:
    return Source("hello.1.web.0", folder / "log")


def test_the_tail_is_whole_lines_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    log = source(tmp_path)
    log.file.write_text("one\ntwo\nthree\nhal")
    piece = tail(log, 2)
    assert piece.lines == ("two", "three")
    with log.file.open("a") as file:
        file.write("f\nfive\n")
    assert read(log, piece.cursor).lines == ("half", "five")


def test_the_tail_reaches_back_into_the_older_file(tmp_path: Path) -> None:
    log = source(tmp_path)
    log.older.write_text("one\ntwo\n")
    log.file.write_text("three\n")
    assert tail(log, 2).lines == ("two", "three")


def test_a_rotation_loses_and_repeats_nothing(tmp_path: Path) -> None:
    log = source(tmp_path)
    log.file.write_text("one\n")
    cursor = tail(log, 10).cursor
    with log.file.open("a") as file:
        file.write("two\n")
    log.file.rename(log.older)
    log.file.write_text("three\n")
    piece = read(log, cursor)
    assert piece.lines == ("two",)
    piece = read(log, piece.cursor)
    assert piece.lines == ("three",)
    assert read(log, piece.cursor).lines == ()


def test_what_is_not_there_is_silent(tmp_path: Path) -> None:
    log = source(tmp_path)
    assert tail(log, 5).lines == ()
    assert read(log, Cursor(0, 0)).lines == ()
    log.file.write_text("now\n")
    assert read(log, Cursor(0, 0)).lines == ("now",)


def test_a_line_without_an_end_comes_in_parts(tmp_path: Path) -> None:
    log = source(tmp_path)
    log.file.write_text("x" * (CHUNK + 5))
    piece = read(log, Cursor(log.file.stat().st_ino, 0))
    assert piece.lines == ("x" * CHUNK,)
    assert read(log, piece.cursor).lines == ()


def test_an_answer_has_a_size_whatever_the_logs_have(tmp_path: Path) -> None:
    sources = []
    for number in range(20):
        path = tmp_path / str(number)
        path.write_text(("y" * 10_000 + "\n") * 500)
        sources.append(Source(str(number), path))
    pieces = answer(sources, Ask(tenant="demo", app="hello", lines=10**9))
    assert sum(len(line) for piece in pieces for line in piece.lines) <= 8 * CHUNK
    assert all(piece.lines for piece in pieces)


def test_a_name_narrows_the_answer(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a\n")
    both = [Source("hello.1.web.0", tmp_path / "a"), Source("hello.2.web.0", tmp_path / "a")]
    assert [piece.name for piece in answer(both, Ask(tenant="", app="", name="hello.2."))] == ["hello.2.web.0"]


def test_what_is_kept_of_crashes_is_bounded(tmp_path: Path) -> None:
    log, archive = tmp_path / "log", tmp_path / "logs" / "hello.1.web.0.log"
    for _ in range(6):
        log.write_bytes(b"z" * (KEPT // 2))
        keep(log, archive)
    assert sum(path.stat().st_size for path in archive.parent.iterdir()) <= 2 * KEPT
    log.write_text("x\n")
    for number in range(MAX_FILES + 5):
        keep(log, archive.with_name(f"other.{number}.log"))
    assert len(list(archive.parent.glob("*.log"))) == MAX_FILES


def test_a_log_that_can_not_be_kept_is_lost_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x\n")
    (tmp_path / "logs").write_text("no folder")
    keep(tmp_path / "log", tmp_path / "logs" / "hello.1.web.0.log")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.just("rotate"), st.binary(max_size=40)), max_size=25))
def test_following_gives_every_line_once_and_in_order(steps: list[str | bytes], tmp_path: Path) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    log = source(folder)
    log.file.touch()
    cursor, got = Cursor(log.file.stat().st_ino, 0), []
    written = b""
    for step in steps:
        if isinstance(step, bytes):
            line = step.replace(b"\n", b"").replace(b"\r", b"").hex().encode() + b"\n"
            written += line
            with log.file.open("ab") as file:
                file.write(line)
        else:
            log.file.replace(log.older)
            log.file.touch()
        for _ in range(3):
            piece = read(log, cursor)
            cursor = piece.cursor
            got += piece.lines
    assert got == written.decode().splitlines()


async def test_what_several_wrote_comes_in_the_order_of_its_time_and_no_more_than_was_asked(tmp_path: Path) -> None:
    bus = open_bus("memory:")
    sources = []
    for number in range(3 * MAX_SOURCES):
        log = Source(f"hello.1.web.{number}", tmp_path / str(number))
        log.file.write_text("".join(f"2026-01-01T00:00:{number:02}.{step}Z stdout F {step}\n" for step in range(5)))
        sources.append(log)

    async def tell(message: Any) -> Any:
        return msgspec.to_builtins(answer(reversed(sources), msgspec.convert(message, Ask)))

    await bus.handle("apps.logs", tell)
    told = [line async for line in stream(bus, "demo", "hello", lines=7)]
    assert [line.source for line in told] == ["hello.1.web.22"] * 2 + ["hello.1.web.23"] * 5
    assert [line.text for line in told] == sorted(line.text for line in told)
    await bus.close()


def test_lines_are_found_by_their_text_and_time_in_all_that_is_kept(tmp_path: Path) -> None:
    one = source(tmp_path)
    one.older.write_text("2026-01-01T00:00:00.000000Z stdout F an Error long ago\n")
    lines = [
        f"2026-01-0{day}T00:00:00.000000Z stdout F {text}" for day, text in ((2, "well"), (3, "ERROR"), (4, "well"))
    ]
    one.file.write_text("\n".join(lines) + "\n")
    ask = Ask(tenant="demo", app="hello", find="error")
    assert [line[-3:] for line in answer([one], ask)[0].lines] == ["ago", "ROR"]
    ask = Ask(tenant="demo", app="hello", since="2026-01-03")
    found = answer([one], ask)[0]
    assert found.lines == tuple(lines[1:])


def test_what_is_passed_over_is_not_read_again(tmp_path: Path) -> None:
    one = source(tmp_path)
    one.file.write_text("")
    ask = Ask(tenant="demo", app="hello", find="x", cursors={one.name: tail(one, 1).cursor})
    with one.file.open("a") as file:
        file.write("a\nb\nx\n")
    found = answer([one], ask)
    assert [piece.lines for piece in found] == [("x",)]
    with one.file.open("a") as file:
        file.write("c\n")
    ask.cursors[one.name] = found[0].cursor
    passed = answer([one], ask)
    assert [piece.lines for piece in passed] == [()]
    ask.cursors[one.name] = passed[0].cursor
    assert answer([one], ask) == []


def seconds(*told: int) -> str:
    return "".join(f"2026-01-01T00:00:0{one}Z stdout F {one}\n" for one in told)


def heard(pieces: list[Piece]) -> str:
    return "".join(sorted(line[-1] for piece in pieces for line in piece.lines))


@pytest.mark.parametrize("late", [False, True])
def test_an_instance_that_ends_while_it_is_followed_tells_nothing_twice(tmp_path: Path, late: bool) -> None:
    one, archive, ends, cursors = source(tmp_path), tmp_path / "kept", Ends(), {}
    one.file.write_text(seconds(0, 1))
    assert heard(ends.only_new([tail(one, 9)], cursors)) == "01"
    ends.following = True
    one.file.write_text(seconds(0, 1, 2))
    if not late:
        assert heard(ends.only_new([read(one, cursors[one.name])], cursors)) == "2"
    keep(one.file, archive)
    before = Source(one.name + BEFORE, archive)
    # It is put away while it still counts as running; then it is known by what was put away alone.
    told = ends.only_new([read(one, cursors[one.name]), tail(before, 9)], cursors)
    assert heard(told) == ("2" if late else "")
    one.file.unlink()
    assert heard(ends.only_new([read(Source(one.name, archive), cursors[one.name])], cursors)) == ""
    # It runs again, and ends again.
    one.file.write_text(seconds(3))
    told = ends.only_new([read(one, cursors[one.name]), read(before, cursors[before.name])], cursors)
    assert heard(told) == "3"
    keep(one.file, archive)
    told = ends.only_new([read(one, cursors[one.name]), read(before, cursors[before.name])], cursors)
    assert heard(told) == ""


def test_of_an_instance_that_was_restarted_meanwhile_both_runs_are_told(tmp_path: Path) -> None:
    one, archive, ends, cursors = source(tmp_path), tmp_path / "kept", Ends(), {}
    one.file.write_text(seconds(0, 1))
    assert heard(ends.only_new([tail(one, 9)], cursors)) == "01"
    ends.following = True
    one.file.write_text(seconds(0, 1, 2))
    keep(one.file, archive)
    one.file.rename(tmp_path / "gone")
    one.file.write_text(seconds(3))
    told = ends.only_new([read(one, cursors[one.name]), tail(Source(one.name + BEFORE, archive), 9)], cursors)
    assert heard(told) == "23"


def test_a_log_that_is_put_away_while_it_is_followed_is_not_told_again(tmp_path: Path) -> None:
    one, ends, cursors = source(tmp_path), Ends(), {}
    one.file.write_text("".join(f"2026-01-01T00:00:0{second}Z stdout F {second}\n" for second in range(3)))
    told = ends.only_new([tail(one, 2)], cursors)
    assert [line[-1] for line in told[0].lines] == ["1", "2"]
    kept = tmp_path / "kept.log"
    kept.write_text(one.file.read_text() + "2026-01-01T00:00:03Z stdout F 3\n")
    kept.rename(one.file)
    told = ends.only_new([read(one, cursors[one.name])], cursors)
    assert [line[-1] for line in told[0].lines] == ["3"]
    with one.file.open("a") as file:
        file.write("2026-01-01T00:00:03Z stdout F 4\n")
    assert [line[-1] for line in ends.only_new([read(one, cursors[one.name])], cursors)[0].lines] == ["4"]
