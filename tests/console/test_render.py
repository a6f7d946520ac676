"""Templates: whatever a name holds, it is text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browsing import unclean
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from serai.console.assets import Assets
from serai.console.carried import BOX, BY, FILE, SECRET, Carried
from serai.console.forms import Form, Short
from serai.console.render import FOLDER, Templates, count, moment, octets, plural

NOW = 1_000_000_000.0
HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "javascript:alert(1)",
            "</textarea><script>",
            "{{ 7 * 7 }}",
            "{% raw %}",
            "]]>",
            "<!--",
            "&lt;b&gt;",
            "\u202eevil",
        ]
    ),
)
UI = """{% extends "base.html" %}{% block main %}
{{ ui.badge(name) }} {{ ui.copy(name) }} {{ ui.facts([(name, name)]) }} {{ ui.diff({name: [name, {name: name}]}) }}
{{ ui.log([{'text': name, 'when': name, 'instance': name, 'bad': true}], name, name, true) }}
{{ ui.bar(name, 1, 2, name, name, name) }}
{{ ui.choices(name, [(name, '/x', true)]) }} {{ ui.confirm(visit, '/x', name, name, name, {name: name}) }}
{{ ui.button(visit, '/x', name, {name: name}) }} {{ ui.danger(visit, '/x', name, name, name, {name: name}) }}
{{ ui.pager(visit, name) }}
{% call ui.table([name], name) %}<tr><td>{{ name }}</td></tr>{% endcall %}
{% call ui.empty(name) %}{{ name }}{% endcall %}
{% call ui.live(visit, 'part', name) %}{{ name }}{% endcall %}
{{ ui.field(form, 'a', name, help=name, placeholder=name) }} {{ ui.field(form, 'b', name, rows=3) }}
{{ ui.check(form, 'c', name, name, name) }} {{ ui.choice(form, 'd', name, [(name, name)], name) }}
{% endblock %}"""


class Anyone:
    """What templates ask of a visit, with a hostile name wherever there is one."""

    def __init__(self, name: str) -> None:
        self.login = self.tenant = self.token = self.request_id = self.here = name
        self.home = "/x"
        self.theme = "auto"
        self.calls = self
        self.as_of = NOW - 60
        self.request = self
        self.query_params = {"after": name}
        self.again = self.silent = name

    def nav(self) -> list[tuple[str, str, bool]]:
        return [(self.login, "/x", True)]

    def homes(self) -> list[tuple[str, str]]:
        return [(self.login, "/x")]

    def may(self, *_asked: str) -> bool:
        return True

    def with_query(self, **changes: str) -> str:
        return "/x?" + "&".join(changes.values())


@pytest.fixture(scope="module")
def templates(tmp_path_factory: Any) -> Templates:
    folder = tmp_path_factory.mktemp("templates")
    for path in FOLDER.glob("*.html"):
        (folder / path.name).write_text(path.read_text())
    (folder / "test-ui.html").write_text(UI)
    return Templates(Assets(), lambda: NOW, folder)


def shape(text: str) -> list[str]:
    """Return the tags of a page with the names of their attributes: what a hostile name must not change."""
    tags = re.findall(r"<(?:\"[^\"]*\"|'[^']*'|[^'\">])*>", text)
    return [re.sub(r"=(\"[^\"]*\"|'[^']*'|[^\s>]*)", "", tag) for tag in tags]


@given(HOSTILE.filter(lambda name: name and "\x1b" not in name))  # which would colour a line
def test_no_name_changes_what_a_page_consists_of(templates: Templates, name: str) -> None:
    def page(name: str) -> str:
        form = Form(_form(), (("a", name), ("b", name), ("c", name), ("d", name)))
        form.errors = {"a": name, "b": name}
        values = {"title": name, "crumbs": [], "flash": name, "form": form, "name": name, "visit": Anyone(name)}
        return templates.render("test-ui.html", values)

    text = page(name)
    assert shape(text) == shape(page("plain"))
    assert unclean(text.replace(" id=", " data-id=")) == []


@given(HOSTILE, HOSTILE)
def test_what_is_carried_is_text(templates: Templates, name: str, value: str) -> None:
    def carried(name: str, value: str) -> Carried:
        ours = ((BY, f"by {value}"), (FILE, value), (SECRET, name), (SECRET, value), (BOX, name))
        return Carried("/x", ((name, value), *ours), (name,))

    values = {"title": "t", "crumbs": [], "flash": "", "visit": Anyone("x"), "carried": carried(name, value)}
    values |= {"next": "/" + value, "form": None, "error": value, "detail": name, "advice": value, "code": 400}
    plain = values | {"carried": carried("n", "v"), "detail": "d", "error": "e"}
    for template in ("again.html", "sign-in.html", "error.html"):
        if not value or not name or name == value:
            continue
        assert shape(templates.render(template, values)) == shape(templates.render(template, plain))


def _form() -> Any:
    import msgspec

    return msgspec.defstruct("Hostile", [(one, Short) for one in "abcd"], frozen=True)


def test_a_name_that_is_not_there_is_a_mistake_and_not_empty(templates: Templates) -> None:
    with pytest.raises(UndefinedError):
        templates.render("error.html", {"visit": Anyone("x"), "title": "t", "crumbs": [], "flash": ""})


def test_times_are_said_as_people_say_them(templates: Templates) -> None:
    for seconds, said in ((1, "just now"), (30, "30 seconds ago"), (3600, "60 minutes ago"), (200000, "2 days ago")):
        assert f">{said}<" in templates.ago(NOW - seconds)
    assert ">5 minutes from now<" in templates.ago(NOW + 300)
    assert templates.ago(None) == "never"
    assert 'datetime="2001-09-09T01:46:40+00:00"' in moment(NOW)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_a_time(seconds: float) -> None:
    assert moment(seconds)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (300 << 20, "300 MiB")]
)
def test_octets_have_the_unit_that_suits_them(number: int, said: str) -> None:
    assert octets(number) == said


def test_numbers_are_readable() -> None:
    assert (count(1234567), plural(1, "app"), plural(2, "app"), plural(0, "entry", "entries")) == (
        "1\u202f234\u202f567",
        "1 app",
        "2 apps",
        "0 entries",
    )
