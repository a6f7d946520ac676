"""What runs in the sandbox of a fetch: it shows git's progress in few lines, and asks the proxy for tokens."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.services.apps.launchers import fetch


def lines(data: bytes) -> list[str]:
    reading, writing = os.pipe()
    thread = threading.Thread(target=_write, args=(writing, data))
    thread.start()
    with os.fdopen(reading, "rb") as stream:
        found = list(fetch.lines(stream))
    thread.join()
    return found


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def test_a_progress_is_shown_in_tenths_and_its_end_in_any_case() -> None:
    said = b"".join(b"Receiving objects: %3d%% (%d/100)\r" % (part, part) for part in range(101))
    said += b"Receiving objects: 100% (100/100), 1.00 MiB, done.\nremote: hello\n"
    shown = lines(said)
    assert shown[0] == "Receiving objects:   0% (0/100)"
    assert shown[-2:] == ["Receiving objects: 100% (100/100), 1.00 MiB, done.", "remote: hello"]
    assert len(shown) == 13


@given(st.binary(max_size=5000))
def test_whatever_a_server_says_is_printable_lines_of_bounded_length(data: bytes) -> None:
    for line in lines(data):
        assert line.isprintable()
        assert len(line) <= fetch.LONGEST


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that has a token for everybody; what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    asked.append(client.recv(4096))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\nusername=git\npassword=x\n")

        monkeypatch.setattr(fetch, "PROXY", listener.getsockname())
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_gits_helper_asks_for_the_token_of_a_host_over_https_only(proxy: list[bytes]) -> None:
    about = "protocol=https\nhost=git.example.org:8443\npath=x\n\n"
    assert fetch.credential("get", about) == "username=git\npassword=x\n"
    assert fetch.credential("erase", about) == ""
    assert fetch.credential("store", about) == ""
    for odd in ("protocol=http\nhost=a\n", "host=a\n", "", "protocol=https\nhost=a\tb\n", "\x00=\n"):
        assert fetch.credential("get", odd) == ""
    heads = (b"GET", b"DELETE")
    assert proxy == [head + b" token HTTP/1.1\r\nHost: git.example.org:8443\r\n\r\n" for head in heads]


def test_git_is_told_of_no_settings_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/x.pem")
    monkeypatch.setenv("GIT_SSH_COMMAND", "id")
    told = fetch.environment()
    assert "GIT_SSH_COMMAND" not in told
    assert told["GIT_ALLOW_PROTOCOL"] == "https"
    assert (told["GIT_CONFIG_NOSYSTEM"], told["GIT_CONFIG_GLOBAL"]) == ("1", os.devnull)
    keys = {told[f"GIT_CONFIG_KEY_{number}"] for number in range(int(told["GIT_CONFIG_COUNT"]))}
    assert keys == set(fetch.SETTINGS)
    assert str(Path(fetch.__file__)) in fetch.SETTINGS["credential.helper"]


def test_a_file_that_is_as_large_as_one_may_be_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "WORK", tmp_path)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/tmp").write_bytes(bytes(100))
    assert fetch.too_large(100)
    assert not fetch.too_large(101)


def test_wrong_usage_is_told() -> None:
    for words in ([], ["fetch"], ["credential"], ["fetch", "a", "b", "c"], ["x", "get"]):
        with pytest.raises(SystemExit, match="usage"):
            fetch.main(words)
