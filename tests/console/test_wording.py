"""Words for what programs write: principals, browsers, documentation, durations; tables that are lists on a phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from serai.console.render import amount, lasted
from serai.console.tables import labelled
from serai.console.wording import browser, is_time, pretty, prose, who


@pytest.mark.parametrize(
    ("principal", "said"),
    [
        ("user:ada", "ada"),
        ("bot:vm/agent.0/work:vm#131a-effff#c9ff", "bot vm/agent.0/work:vm"),
        ("token:acme/ci", "token acme/ci"),
        ("clock", "clock"),
        ("user:", ""),
        ("", ""),
    ],
)
def test_a_principal_is_called_as_people_call_it(principal: str, said: str) -> None:
    assert who(principal) == said


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
            "Chrome on Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/130 Safari/537.36 Edg/130", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15.0; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on macOS"),
        ("curl/8.5", "curl"),
        ("<script>" + "x" * 100, "<script>" + "x" * 52),
        ("", "unknown"),
    ],
)
def test_a_browser_is_called_by_its_name(agent: str, said: str) -> None:
    assert browser(agent) == said


@given(st.text(alphabet="`<>&\"'ab ", max_size=40))
def test_prose_marks_code_and_nothing_else(text: str) -> None:
    shown = prose(text)
    bare = str(shown).replace("<code>", "").replace("</code>", "")
    assert "<" not in bare
    assert Markup(bare).unescape().replace("`", "") == text.replace("`", "")


def test_prose_marks_both_kinds_of_code() -> None:
    assert prose("named ``A<B`` as `c`.") == "named <code>A&lt;B</code> as <code>c</code>."


def test_numbers_and_times_are_written_as_people_do() -> None:
    assert [lasted(0.2), lasted(1), lasted(60), lasted(7200)] == ["under a second", "1 second", "60 seconds", "2 hours"]
    assert [amount(60.0), amount(0.5), amount(1000)] == ["60", "0.5", "1\u202f000"]
    assert [is_time(one) for one in (1795356440.9, 1795356440, 0.5, "1795356440.9", True)] == [True] + [False] * 4


def test_json_has_a_line_while_it_is_short() -> None:
    assert pretty({"a": [1]}) == '{"a": [1]}'
    assert "\n" in pretty({"a": ["x" * 60, "y" * 60]})


def test_cells_say_their_heads() -> None:
    rows = Markup('<tr><th scope="row">x</th><td class="number">1</td><td>\n </td></tr><tr><th>y</th><td>2</td></tr>')
    assert labelled(rows, ["Name", ('"Size"', "number"), ""]) == (
        '<tr><th data-head="Name" scope="row">x</th><td data-head="&#34;Size&#34;" class="number">1</td><td></td></tr>'
        '<tr><th data-head="Name">y</th><td data-head="&#34;Size&#34;">2</td></tr>'
    )


def test_cells_beyond_the_heads_say_nothing() -> None:
    assert labelled(Markup("<tr><td>1</td><td>2</td></tr>"), ["A"]) == '<tr><td data-head="A">1</td><td>2</td></tr>'
