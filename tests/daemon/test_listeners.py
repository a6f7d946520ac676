"""Addresses and the sockets behind them, all families."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.daemon.address import SCHEMES, parse
from serai.daemon.listeners import listen
from serai.errors import AlreadyExistsError, InvalidError


def opened(text: str, home: Path = Path("/"), copies: int = 1) -> list[socket.socket]:
    return listen(parse(text).resolve(home), copies=copies)


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:0", "http://[::1]:0", "https://localhost:0", "tls://*:0"])
def test_tcp_listens_on_what_its_address_names(text: str) -> None:
    sockets = opened(text)
    try:
        assert len(sockets) == len(parse(text).hosts)
        assert len({sock.getsockname()[1] for sock in sockets}) == 1, "one port for all families"
        for sock in sockets:
            assert not sock.get_inheritable()
            assert sock.gettimeout() == 0.0
            host = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
            with socket.create_connection((host, sock.getsockname()[1]), timeout=2):
                assert sock.accept()
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.parametrize(("text", "tls"), [("https://*:1", True), ("tls://*:1", True), ("http://*:1", False)])
def test_a_scheme_tells_the_module_whether_to_speak_tls(text: str, tls: bool) -> None:
    assert parse(text).tls is tls


def test_udp_has_a_socket_for_each_worker_on_one_port() -> None:
    sockets = opened("udp://127.0.0.1:0", copies=3)
    try:
        assert len(sockets) == 3
        assert len({sock.getsockname() for sock in sockets}) == 1
        assert all(sock.type == socket.SOCK_DGRAM for sock in sockets)
    finally:
        for sock in sockets:
            sock.close()


def test_a_unix_socket_has_its_mode_and_replaces_a_stale_file(tmp_path: Path) -> None:
    for _ in range(2):
        (sock,) = opened("unix:x.sock?mode=640", tmp_path)
        assert (tmp_path / "x.sock").stat().st_mode & 0o777 == 0o640
        sock.close()  # and leaves its file behind, as a kill -9 would


def test_a_unix_socket_that_somebody_serves_is_not_taken_away(tmp_path: Path) -> None:
    (sock,) = opened("unix:x.sock", tmp_path)
    with sock, pytest.raises(AlreadyExistsError):
        opened("unix:x.sock", tmp_path)


def test_a_file_in_the_way_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "x.sock").write_text("precious")
    with pytest.raises(InvalidError, match="in the way"):
        opened("unix:x.sock", tmp_path)
    assert (tmp_path / "x.sock").read_text() == "precious"


def test_a_path_that_the_kernel_can_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="longer than 107"):
        parse(f"unix:{'x' * 110}").resolve(tmp_path)


def test_a_taken_port_is_told_and_nothing_stays_open() -> None:
    (sock,) = opened("tcp://127.0.0.1:0")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not used
    with sock, pytest.raises(AlreadyExistsError, match="another program"):
        opened(f"tcp://localhost:{sock.getsockname()[1]}")
    assert len(os.listdir("/proc/self/fd")) == before - 1  # noqa: PTH208


def test_an_address_of_another_host_is_told() -> None:
    with pytest.raises(InvalidError, match="no such address"):
        opened("tcp://192.0.2.1:0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "tcp:",
        "ftp://x:1",
        "tcp://",
        "tcp://1.2.3.4",
        "tcp://1.2.3.4:65536",
        "tcp://1.2.3.4:-1",
        "tcp://::1:1",
        "tcp://[1.2.3.4]:1",
        "tcp://example.test:1",
        "tcp:127.0.0.1:1",
        "unix:",
        "unix:a/../b",
        "unix:a?mode=999",
        "unix:a?x=1",
        "unix:a\0b",
        "tcp://127.0.0.1:1/",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidError, match="is no address"):
        parse(text)


@given(st.sampled_from([*SCHEMES, "x"]), st.text(max_size=40))
def test_parsing_returns_an_address_or_refuses(scheme: str, rest: str) -> None:
    for text in (f"{scheme}:{rest}", f"{scheme}://{rest}"):
        try:
            assert parse(text).text == text
        except InvalidError:
            continue
