"""Scripts and styles: packed, kept for good, small."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from serai.console.assets import FOLDER, Assets

FIRST_LOAD = 100 * 1000  # octets on the wire
HEAD = 700  # octets of an answer's header fields
TEMPLATES = FOLDER.parent / "templates"


def test_an_address_changes_with_the_content(tmp_path: Any) -> None:
    (tmp_path / "a.js").write_text("one")
    first = Assets(tmp_path)
    (tmp_path / "a.js").write_text("two")
    assert first.url("a.js") != Assets(tmp_path).url("a.js")
    with pytest.raises(KeyError):
        first.url("b.js")


async def test_they_are_packed_for_who_takes_it_and_kept_for_good(house: Any) -> None:
    browser = house.browser()
    url = house.app.state["assets"].url("console.css")
    packed = await browser.get(url, accept_encoding="gzip")
    plain = await browser.get(url, accept_encoding="identity")
    assert packed.content == plain.content == (FOLDER / "console.css").read_bytes()
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"] == "text/css; charset=utf-8"


async def test_a_page_from_before_an_upgrade_gets_what_there_is_and_does_not_keep_it(house: Any) -> None:
    answer = await house.browser().get("/assets/0000000000000000/console.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["/assets/x/none.js", "/assets/x/../base.html", "/assets/", "/assets/x/%2e%2e/app.py"])
async def test_there_is_nothing_else(house: Any, path: str) -> None:
    assert (await house.browser().get(path)).status_code == 404


async def test_browsers_find_what_they_ask_for_by_themselves(house: Any) -> None:
    assert (await house.browser().get("/favicon.ico")).headers["content-type"] == "image/svg+xml"
    assert "Disallow: /" in (await house.browser().get("/robots.txt")).text


_NAMED = re.compile(r"""asset\('([^']+)'\)|"\./([\w./-]+)\"""")


def loaded(source: str, found: set[str]) -> set[str]:
    """Return the assets that a template or a script wants, with all that they want themselves."""
    for one, other in _NAMED.findall(source):
        name = one or other
        if name not in found and (FOLDER / name).is_file():
            found.add(name)
            if name.endswith(".js"):
                loaded((FOLDER / name).read_text(), found)
    return found


async def test_a_first_load_has_at_most_a_hundred_thousand_octets(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    page = len((await ada.get("/", accept_encoding="identity")).content)
    base = (TEMPLATES / "base.html").read_text()
    assert {"console.js", "stream.js", "vendor/uPlot.iife.min.js"} <= loaded(base, set())
    for template in TEMPLATES.glob("*.html"):
        # What only some pages show, plots for one, is counted for all.
        names = loaded(base + template.read_text(), set())
        sizes = {name: len(gzip.compress((FOLDER / name).read_bytes(), 9, mtime=0)) for name in names}
        assert page + sum(sizes.values()) + HEAD * len(names) <= FIRST_LOAD, (template.name, sizes)


def test_scripts_need_nothing_that_the_policy_forbids() -> None:
    for path in FOLDER.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"\beval\(|new Function|innerHTML|\.style\.|https?://", text), path.name
        for name in re.findall(r'(?:from|import\(|new URL\()\s*"\./([^"]+)"', text):
            assert (FOLDER / name).is_file(), f"{path.name} wants {name}"


def test_libraries_of_others_come_with_their_licences() -> None:
    licences = {path.name for path in (FOLDER / "vendor").glob("*.LICENSE.txt")}
    assert licences == {"htmx.org.LICENSE.txt", "uplot.LICENSE.txt"}
