"""What is taken out of the words before a command sees them, and the parts that need no platform."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cli.arguments import EVERYWHERE, take_place
from serai.cli.main import printable
from serai.cli.ports import edges, with_port
from serai.cli.trust import installed_name
from serai.errors import InvalidError

WORDS = st.lists(st.text(min_size=1, max_size=8).filter(lambda word: not word.startswith("--")), max_size=6)


@given(WORDS, WORDS, st.sampled_from(sorted(EVERYWHERE)))
def test_what_names_the_platform_may_stand_anywhere(before: list[str], after: list[str], option: str) -> None:
    assert take_place([*before, option, "/h", *after]) == ({option[2:]: "/h"}, [*before, *after])
    assert take_place([*before, f"{option}=/h=", *after]) == ({option[2:]: "/h="}, [*before, *after])
    assert take_place([*before, *after]) == ({}, [*before, *after])


def test_what_follows_two_dashes_is_the_command_s() -> None:
    assert take_place(["a", "--", "--home", "/h"]) == ({}, ["a", "--", "--home", "/h"])


@pytest.mark.parametrize("words", [["--home"], ["--home", ""], ["--home="], ["--home", "a\0b"], ["--url"], ["--ca="]])
def test_an_option_without_its_value_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidError):
        take_place(words)


@pytest.mark.parametrize(
    ("addresses", "url"),
    [
        (["https://0.0.0.0:443", "https://0.0.0.0:8443", "http://0.0.0.0:80"], "https://demo.localhost/a/"),
        (["http://127.0.0.1:5000", "https://127.0.0.1:5001"], "https://demo.localhost:5001/a/"),
        (["http://[::]:8080", "https://[::]:8443"], "https://demo.localhost:8443/a/"),
        (["http://127.0.0.1:5000", "unix:/run/x.sock"], "http://demo.localhost:5000/a/"),
        ([], "https://demo.localhost/a/"),
    ],
)
def test_a_url_gets_the_port_at_which_it_answers(addresses: list[str], url: str) -> None:
    assert with_port("https://demo.localhost/a/", addresses) == url


@given(st.text())
def test_what_is_printed_can_t_steer_a_terminal(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in printable(text))


def test_homes_side_by_side_are_trusted_apart(tmp_path) -> None:  # type: ignore[no-untyped-def]
    names = {installed_name(tmp_path / "a"), installed_name(tmp_path / "b")}
    assert len(names) == 2
    assert all("/" not in name and name.endswith(".crt") for name in names)


def test_the_plan_says_where_the_edge_speaks_tls() -> None:
    rows = [
        {
            "module": "edge.http",
            "sockets": ["tcp://*:8080", "tcp://[::1]:5000", "unix:/x"],
            "tls": ["tcp://[::1]:5000"],
        },
        {"module": "edge.http@two", "sockets": ["https://*:444"], "tls": ["https://*:444"]},
        {"module": "api.http", "sockets": ["tcp://*:1"], "tls": []},
    ]
    assert edges(rows) == ["http://*:8080", "https://[::1]:5000", "https://*:444"]
