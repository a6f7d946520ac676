"""Uploads: what is laid out, and what is refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.errors import ExhaustedError, InvalidError, SeraiError
from serai.services.apps.unpack import Bounds, unpack

Entry = tuple[str, bytes, str, bytes]  # name, type, link name, content


def packed(
    *entries: Entry, mode: int = 0o644, form: int = tarfile.GNU_FORMAT, pax: dict[str, str] | None = None
) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, kind, link, content in entries:
            info = tarfile.TarInfo(name)
            info.pax_headers = pax or {}
            info.type, info.linkname, info.size, info.mode = kind, link, len(content), mode
            archive.addfile(info, io.BytesIO(content))
    stream.seek(0)
    return stream


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def file(name: str, content: bytes = b"x") -> Entry:
    return (name, tarfile.REGTYPE, "", content)


def link(name: str, to: str) -> Entry:
    return (name, tarfile.SYMTYPE, to, b"")


def test_files_folders_and_links_inside_are_laid_out(tmp_path: Path) -> None:
    stream = packed(file("./app.py", b"print()"), ("./d", tarfile.DIRTYPE, "", b""), link("d/a", "../app.py"))
    assert unpack(stream, tmp_path, Bounds()) == 3
    assert (tmp_path / "d/a").read_bytes() == b"print()"
    assert (tmp_path / "app.py").stat().st_mode & 0o777 == 0o644


def test_executables_stay_so_and_lose_setuid(tmp_path: Path) -> None:
    unpack(packed(file("run"), mode=0o4755), tmp_path, Bounds())
    assert (tmp_path / "run").stat().st_mode & 0o7777 == 0o755


def test_gzip_is_understood(tmp_path: Path) -> None:
    assert unpack(io.BytesIO(gzip.compress(packed(file("a")).getvalue())), tmp_path, Bounds()) == 1


@pytest.mark.parametrize(
    "entry",
    [
        file("../out"),
        file("a/../../out"),
        file("/etc/passwd"),
        link("a", "/etc/passwd"),
        link("a", ".."),
        link("d/a", "../../x"),
        ("a", tarfile.LNKTYPE, "../../etc/passwd", b""),
        ("a", tarfile.LNKTYPE, "/etc/passwd", b""),
        ("a", tarfile.CHRTYPE, "", b""),
        ("a", tarfile.BLKTYPE, "", b""),
        ("a", tarfile.FIFOTYPE, "", b""),
        file("/".join("d" * 40)),
        file("n" * 2000),
    ],
)
def test_what_leads_out_or_is_no_file_is_refused(entry: Entry, tmp_path: Path) -> None:
    target = tmp_path / "in"
    target.mkdir()
    with pytest.raises(InvalidError):
        unpack(packed(file("first"), entry), target, Bounds())
    assert names(tmp_path) == ["in"]


def test_links_that_lead_out_only_by_way_of_others_are_refused(tmp_path: Path) -> None:
    # s is the root itself, so s/.. is outside although d/e/s/../x reads as d/e/x.
    with pytest.raises(InvalidError):
        unpack(packed(link("d/e/s", "../.."), link("t", "d/e/s/../x")), tmp_path, Bounds())


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "in"
    target.mkdir()
    with pytest.raises(InvalidError):
        unpack(packed(link("a", ".."), file("a/out")), target, Bounds())
    assert names(tmp_path) == ["in"]


def test_a_bomb_stops_at_the_bound(tmp_path: Path) -> None:
    bomb = io.BytesIO(gzip.compress(packed(file("zeros", bytes(4 << 20))).getvalue()))
    with pytest.raises(ExhaustedError):
        unpack(bomb, tmp_path, Bounds(octets=1 << 20))
    with pytest.raises(ExhaustedError):
        unpack(packed(*(file(str(n)) for n in range(20))), tmp_path, Bounds(entries=10))


def test_a_header_of_megabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        with pytest.raises(InvalidError):
            unpack(packed(("h", kind, "", bytes(1 << 20))), tmp_path, Bounds())


LONG = "ä" * 100 + "/" + "b" * 120
PAX = tarfile.PAX_FORMAT


def test_pax_archives_are_laid_out_with_their_long_names(tmp_path: Path) -> None:
    pax = {"mtime": "1.5", "comment": "x", "SCHILY.xattr.user.a": "b"}
    entries = (file(LONG, b"long"), ("ö", tarfile.DIRTYPE, "", b""), link("c", LONG), file("d"))
    assert unpack(packed(*entries, form=PAX, pax=pax), tmp_path, Bounds()) == 4
    assert (tmp_path / "c").read_bytes() == b"long"
    assert (tmp_path / "ö").is_dir()
    assert (tmp_path / "d").stat().st_mtime > 1000


@pytest.mark.parametrize(
    "pax",
    [
        {"path": "../out"},
        {"path": "/etc/passwd"},
        {"path": "a\0b"},
        {"size": "99999"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"path": "n" * 70_000},
        {"comment": "n" * 70_000},
    ],
)
def test_pax_headers_that_lead_out_or_change_what_is_in_a_file_are_refused(pax: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "in"
    target.mkdir()
    with pytest.raises(InvalidError):
        unpack(packed(file("a"), form=PAX, pax=pax), target, Bounds())
    assert names(tmp_path) == ["in"]


def raw(*members: tuple[bytes, bytes]) -> io.BytesIO:
    """Return an archive of headers of these types with these contents, however little sense it makes."""
    data = b""
    for kind, content in members:
        info = tarfile.TarInfo("x")
        info.type, info.size = kind, len(content)
        data += info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)
    return io.BytesIO(data + bytes(1024))


@pytest.mark.parametrize(
    "record", [b"9 path=a", b"99 path=a\n", b"0 path=a\n", b"path=a\n", b"3 \n", b"8 path=\xff\n", b"7 path=a\n"]
)
def test_broken_pax_records_are_refused(record: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidError):
        unpack(raw((tarfile.XHDTYPE, record), (tarfile.REGTYPE, b"x")), tmp_path, Bounds())


def test_global_pax_headers_say_nothing_about_names(tmp_path: Path) -> None:
    unpack(raw((tarfile.XGLTYPE, b"9 path=a\n"), (tarfile.REGTYPE, b"x")), tmp_path, Bounds())
    assert names(tmp_path) == ["x"]


def test_headers_before_headers_end(tmp_path: Path) -> None:
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        with pytest.raises(InvalidError):
            unpack(raw(*[(kind, b"9 path=a\n")] * 5000, (tarfile.REGTYPE, b"x")), tmp_path, Bounds())


def test_an_upload_that_breaks_in_the_middle_is_no_upload(tmp_path: Path) -> None:
    octets = bytearray(packed(file("a"), file("b"), file("c")).getvalue())
    octets[1024 + 150] ^= 1
    with pytest.raises(InvalidError):
        unpack(io.BytesIO(octets), tmp_path, Bounds())


@given(st.lists(st.tuples(st.sampled_from([b"x", b"g", b"L", b"K", b"0"]), st.binary(max_size=60)), max_size=6))
def test_any_headers_are_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[bytes, bytes]]
) -> None:
    target = tmp_path_factory.mktemp("any") / "in"
    target.mkdir()
    with contextlib.suppress(SeraiError):
        unpack(raw(*members), target, Bounds())
    assert names(target.parent) == ["in"]


def test_an_empty_upload_is_refused(tmp_path: Path) -> None:
    for data in (b"", bytes(10240)):
        with pytest.raises(InvalidError):
            unpack(io.BytesIO(data), tmp_path, Bounds())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_octets_that_were_tampered_with_never_leave_the_folder(data: st.DataObject, tmp_path: Path) -> None:
    octets = bytearray(
        packed(file("a/b"), link("c", "a/b"), ("l", tarfile.LNKTYPE, "a/b", b""), file("e" * 150)).read()
    )
    for _ in range(data.draw(st.integers(0, 8))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        _repair(octets)
    base = tmp_path / str(len(list(tmp_path.iterdir())))
    target = base / "in"
    target.mkdir(parents=True)
    with contextlib.suppress(SeraiError):
        unpack(io.BytesIO(bytes(octets)), target, Bounds(octets=1 << 20))
    assert names(base) == ["in"]


def _repair(octets: bytearray) -> None:
    """Make the checksums of all 512-octet blocks that may be headers right, so that the rest of the field is read."""
    for start in range(0, len(octets) - 511, 512):
        block = octets[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            octets[start + 148 : start + 156] = b"%06o\0 " % sum(block)


@given(st.binary(max_size=2048))
def test_any_octets_are_understood_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with pytest.raises(SeraiError):
        unpack(io.BytesIO(data), tmp_path_factory.mktemp("any"), Bounds(octets=1 << 20))
