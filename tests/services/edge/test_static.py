from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.services.edge import static_open
from serai.services.edge.static import SMALL, StaticFiles
from serai.services.edge.static_plan import FileBody, StaticPlan


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<h1>home</h1>")
    (root / "sub" / "index.html").write_text("sub")
    (root / "a b.txt").write_bytes(b"0123456789")
    (root / "app.js").write_text("let a")
    (root / "app.js.gz").write_bytes(gzip.compress(b"let a"))
    (root / "big.bin").write_bytes(os.urandom(SMALL + 1))
    (root / ".env").write_text("SECRET=1")
    (root / "app.toml").write_text("")
    (root / ".well-known").mkdir()
    (root / ".well-known" / "x").write_text("ok")
    (tmp_path / "secret").write_text("secret")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "in").symlink_to("a b.txt")
    return root


def get(site: Path, path: bytes, method: bytes = b"GET", now: float = 0.0, **headers: bytes) -> StaticPlan:
    files = StaticFiles()
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return files.plan(str(site), path, method, named, now=now)


def header(plan: StaticPlan, name: bytes) -> bytes | None:
    return dict(plan.headers).get(name)


def body(plan: StaticPlan) -> bytes:
    if isinstance(plan.body, FileBody):
        return plan.body.file.read(plan.body.offset, plan.body.length)
    return plan.body


def test_a_folder_answers_with_its_index(site: Path) -> None:
    plan = get(site, b"/")
    assert (plan.status, body(plan)) == (200, b"<h1>home</h1>")
    assert header(plan, b"Content-Type") == b"text/html; charset=utf-8"
    assert header(plan, b"Content-Length") == b"13"
    assert body(get(site, b"/sub/")) == b"sub"


def test_a_folder_without_its_slash_is_redirected(site: Path) -> None:
    plan = get(site, b"/sub")
    assert (plan.status, header(plan, b"Location")) == (308, b"./sub/")


def test_percent_encoding_is_decoded_once(site: Path) -> None:
    assert body(get(site, b"/a%20b.txt")) == b"0123456789"
    assert get(site, b"/a%2520b.txt").status == 404


@pytest.mark.parametrize(
    "path",
    [
        *(b"/../secret", b"/%2e%2e/secret", b"/sub/../../secret", b"/..%2fsecret", b"/out", b"/.env", b"/app.toml"),
        *(b"/a\0b", b"/%00", b"//", b"/sub//x", b"", b"x", b"/" + b"a" * 5000, b"/sub/."),
    ],
)
def test_nothing_outside_or_hidden_is_served(site: Path, path: bytes) -> None:
    assert get(site, path).status == 404


def test_links_inside_are_followed_and_well_known_is_visible(site: Path) -> None:
    assert body(get(site, b"/in")) == b"0123456789"
    assert body(get(site, b"/.well-known/x")) == b"ok"


def test_without_openat2_no_link_is_followed(site: Path) -> None:
    base = os.open(site, os.O_PATH)
    try:
        assert static_open._open_step_by_step(base, b"in") is None
        found = static_open._open_step_by_step(base, b"sub/index.html")
        assert found is not None
        assert found.read(0, 9) == b"sub"
    finally:
        os.close(base)


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        (b"bytes=2-4", 206, b"234"),
        (b"bytes=7-", 206, b"789"),
        (b"bytes=-3", 206, b"789"),
        (b"bytes=-99", 206, b"0123456789"),
        (b"bytes=8-99", 206, b"89"),
        (b"bytes=10-", 416, b"No such range.\n"),
        (b"bytes=-0", 416, b"No such range.\n"),
        (b"bytes=4-2", 200, b"0123456789"),
        (b"bytes=0-1,3-4", 200, b"0123456789"),
        (b"lines=0-1", 200, b"0123456789"),
        (b"bytes=x-", 200, b"0123456789"),
    ],
)
def test_ranges(site: Path, wanted: bytes, status: int, expected: bytes) -> None:
    plan = get(site, b"/in", range=wanted)
    assert (plan.status, body(plan)) == (status, expected)
    assert header(plan, b"Content-Length") == b"%d" % len(expected)


def test_a_range_of_a_large_file_is_a_part_of_it(site: Path) -> None:
    plan = get(site, b"/big.bin", range=b"bytes=5-9")
    assert header(plan, b"Content-Range") == b"bytes 5-9/%d" % (SMALL + 1)
    assert body(plan) == (site / "big.bin").read_bytes()[5:10]


def test_validators_save_the_body(site: Path) -> None:
    plan = get(site, b"/in")
    tag, date = header(plan, b"ETag"), header(plan, b"Last-Modified")
    assert tag is not None
    assert date is not None
    assert get(site, b"/in", if_none_match=b'"x", W/' + tag).status == 304
    assert get(site, b"/in", if_modified_since=date).status == 304
    assert get(site, b"/in", if_none_match=b'"x"', if_modified_since=date).status == 200
    assert get(site, b"/in", if_match=b'"x"').status == 412
    assert get(site, b"/in", if_unmodified_since=b"Thu, 01 Jan 1970 00:00:00 GMT").status == 412
    assert get(site, b"/in", if_modified_since=b"nonsense").status == 200
    assert get(site, b"/in", range=b"bytes=0-0", if_range=b'"old"').status == 200
    assert get(site, b"/in", range=b"bytes=0-0", if_range=tag).status == 206


def test_a_precompressed_file_is_used_where_it_is_accepted(site: Path) -> None:
    plan = get(site, b"/app.js", accept_encoding=b"br;q=0.5, gzip")
    assert header(plan, b"Content-Encoding") == b"gzip"
    assert header(plan, b"Content-Type") == b"text/javascript; charset=utf-8"
    assert gzip.decompress(body(plan)) == b"let a"
    assert header(get(site, b"/app.js", accept_encoding=b"gzip;q=0"), b"Content-Encoding") is None


def test_other_methods_are_refused(site: Path) -> None:
    plan = get(site, b"/", b"POST")
    assert (plan.status, header(plan, b"Allow")) == (405, b"GET, HEAD")


def test_a_change_on_the_disk_is_seen_after_a_second(site: Path) -> None:
    files = StaticFiles()
    assert body(files.plan(str(site), b"/app.js", b"GET", {}, now=0.0)) == b"let a"
    (site / "app.js").write_text("let b2")
    assert body(files.plan(str(site), b"/app.js", b"GET", {}, now=0.5)) == b"let a"
    assert body(files.plan(str(site), b"/app.js", b"GET", {}, now=2.0)) == b"let b2"


def test_a_site_brings_its_own_page_for_what_is_missing(site: Path) -> None:
    (site / "404.html").write_text("lost?")
    assert (get(site, b"/nope").status, body(get(site, b"/nope"))) == (404, b"lost?")


@given(path=st.binary(max_size=80), wanted=st.binary(max_size=40))
def test_no_input_breaks_the_plan(tmp_path_factory: pytest.TempPathFactory, path: bytes, wanted: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "fuzz"
    root.mkdir(exist_ok=True)
    (root / "x").write_text("abc")
    for target in (b"/" + path, b"/x"):
        plan = get(root, target, range=wanted, if_none_match=wanted, if_modified_since=wanted, accept_encoding=wanted)
        assert plan.status in {200, 206, 304, 308, 404, 416}
