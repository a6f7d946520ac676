import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.cloud.drivers.process.shim import logs

RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (stdout|stderr) ([FP]) (.*)", re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def records(path):
    return [RECORD.fullmatch(line).groups() for line in path.read_bytes().split(b"\n")[:-1]]


def test_lines_keep_their_streams_and_order(folder, tmp_path):
    log = logs.Log(folder, 1 << 20)
    log.write(b"stdout", b"one\ntw")
    log.write(b"stderr", b"oops\n")
    log.write(b"stdout", b"o\nrest")
    log.close()
    expected = [(b"stdout", b"one"), (b"stderr", b"oops"), (b"stdout", b"two"), (b"stdout", b"rest")]
    assert [(stream, line) for stream, _, line in records(tmp_path / "log")] == expected


def test_a_long_line_comes_in_parts(folder, tmp_path):
    log = logs.Log(folder, 1 << 20)
    log.write(b"stdout", b"x" * (logs.LINE * 2 + 5) + b"\n")
    log.close()
    assert [(mark, len(line)) for _, mark, line in records(tmp_path / "log")] == [
        (b"P", logs.LINE),
        (b"P", logs.LINE),
        (b"F", 5),
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"stdout", b"stderr"]), st.binary(max_size=40000)), max_size=6))
def test_any_output_is_kept_whole_and_within_its_limit(tmp_path_factory, writes):
    path = tmp_path_factory.mktemp("log")
    fd = os.open(path, os.O_RDONLY)
    log = logs.Log(fd, 16 << 20)
    for stream, data in writes:
        log.write(stream, data)
    log.close()
    os.close(fd)
    for stream in (b"stdout", b"stderr"):
        lines = b"".join(
            line + (b"\n" if mark == b"F" else b"") for one, mark, line in records(path / "log") if one == stream
        )
        written = b"".join(data for one, data in writes if one == stream)
        assert lines in (written, written + b"\n")


def test_two_files_of_half_the_limit_are_kept(folder, tmp_path):
    limit = 128 << 10
    log = logs.Log(folder, limit)
    for number in range(4000):
        log.write(b"stdout", b"%08d %s\n" % (number, b"x" * 90))
    log.write(b"stdout", b"\n" * 60000)
    log.write(b"stdout", b"last\n")
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= limit
    assert records(tmp_path / "log")[-1][2] == b"last"


def test_a_link_in_its_place_is_not_followed(folder, tmp_path):
    (tmp_path / "log").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic"):
        logs.Log(folder, 1 << 20)
