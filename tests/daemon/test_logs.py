"""The log: bounded, whole lines, no secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.daemon import logs
from serai.daemon.redact import HIDDEN, redact
from serai.daemon.settings import LogSettings
from serai.errors import InvalidError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    logs.create(tmp_path / "serai.jsonl")
    return tmp_path / "serai.jsonl"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_is_one_line_of_json_with_what_is_bound(path: Path) -> None:
    log = logs.configure(logs.LogFile(path), "info", terminal=False, group="edge")
    log.info("visit", path="/\n/")
    log.debug("unimportant")
    (line,) = lines(path)
    assert (line["event"], line["group"], line["path"], line["level"]) == ("visit", "edge", "/\n/", "info")


def test_an_error_is_spelt_out_and_tracked(path: Path) -> None:
    tracked: list[object] = []
    log = logs.configure(logs.LogFile(path), "info", terminal=False, track=lambda event: tracked.append(event["error"]))
    error = InvalidError("No.", path="a.b", password="hunter2")
    log.error("refused", error=error)
    (line,) = lines(path)
    assert line["error"] == {"code": "invalid", "public": "No.", "fields": {"path": "a.b", "password": HIDDEN}}
    assert tracked == [error]


def test_a_line_that_is_too_long_is_cut_whole(path: Path) -> None:
    log = logs.configure(logs.LogFile(path), "info", terminal=False)
    log.info("huge", text="x" * 1_000_000)
    (line,) = lines(path)
    assert line["event"] == "huge"
    assert path.stat().st_size <= logs.MAX_LINE


def test_rotation_keeps_as_many_files_as_it_may_and_writers_follow(path: Path) -> None:
    settings = LogSettings(max_mib=1, files=2)
    file = logs.LogFile(path)
    for round_number in range(5):
        file.write(b"%d\n" % round_number + b"x" * (1 << 20) + b"\n")
        assert logs.rotate(path, settings)
        file._looked = 0.0  # a second has passed
    assert sorted(each.name for each in path.parent.iterdir()) == ["serai.jsonl", "serai.jsonl.1", "serai.jsonl.2"]
    assert path.with_name("serai.jsonl.1").read_bytes().startswith(b"4\n")
    assert path.stat().st_size == 0
    assert not logs.rotate(path, settings)


def test_lines_of_several_processes_do_not_mix(path: Path) -> None:
    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            file = logs.LogFile(path)
            for _ in range(200):
                file.write(json.dumps({"number": number, "text": "y" * 2000}).encode() + b"\n")
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert len(lines(path)) == 800


def test_a_log_that_is_gone_does_not_take_its_writer_down(tmp_path: Path) -> None:
    logs.LogFile(tmp_path / "nowhere/x").write(b"lost\n")


@pytest.mark.parametrize(
    "key", ["password", "db_passwd", "api_key", "Authorization", "set-cookie", "token", "client_secret", "sentry_dsn"]
)
def test_what_is_named_like_a_secret_is_hidden(key: str) -> None:
    assert redact({key: "hunter2", "deep": [{key: ["hunter2"]}]}) == {key: HIDDEN, "deep": [{key: HIDDEN}]}


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2",
        "authorization=Basic hunter2",
        "password=hunter2",
        "https://user:hunter2@example.test/",
        "GET /?token=hunter2&x=1",
    ],
)
def test_secrets_within_texts_are_hidden(text: str) -> None:
    assert "hunter2" not in redact(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_redaction_takes_anything_and_is_stable(value: object) -> None:
    once = redact(value)
    assert redact(once) == once
