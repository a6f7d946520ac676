"""Logs on pages: all that was written, some of it, and nothing where nobody can tell."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from browsing import links, unclean

from serai.services.apps import logs
from serai.services.apps.logs import Ask, Cursor, Piece

LOGS = "/tenants/demo/apps/shop/logs"
HOSTILE = "<script>alert(1)</script>"
STAMP = "2026-11-22T11:00:0{}.000000Z"


@pytest.fixture
async def told(shop: Any) -> Any:
    """A house whose agent tells of one instance and one build, and what it was asked."""
    asked: list[Ask] = []

    async def answer(message: Any) -> Any:
        ask = msgspec.convert(message, Ask)
        asked.append(ask)
        written = {
            "shop.2.web.0": (
                f"{STAMP.format(1)} stdout F \x1b[32mwell\x1b[0m",
                f"{STAMP.format(2)} stderr F {HOSTILE}",
            ),
            "build.2": (f"{STAMP.format(0)} stdout F building",),
        }
        pieces = [
            Piece(name, tuple(line for line in lines if ask.takes(line)), Cursor(1, 1))
            for name, lines in written.items()
            if name.startswith(ask.name) and name not in ask.cursors
        ]
        return msgspec.to_builtins(pieces)

    await shop.api.ctx.bus.handle(logs.SUBJECT, answer)
    shop.asked = asked
    return shop


async def test_a_log_shows_what_all_wrote_and_where_to_follow_it(told: Any) -> None:
    browser = await told.visitor("vic", ("demo", "viewer"))
    page = await browser.get(LOGS)
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert "well" in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert page.text.index("building") < page.text.index("well")
    assert 'data-follow="/v1/apps/demo/shop/logs?lines=200&amp;follow=true"' in page.text


async def test_a_log_has_its_colours_its_days_and_what_was_an_error(told: Any) -> None:
    page = await (await told.visitor("vic", ("demo", "viewer"))).get(LOGS)
    assert '<span class="f2">well</span>' in page.text
    assert page.text.count('<div class="line day">2026-11-22</div>') == 1
    assert page.text.count('class="line err"') == 1


async def test_a_log_is_had_as_a_file(told: Any) -> None:
    browser = await told.visitor("vic", ("demo", "viewer"))
    page = await browser.get(f"{LOGS}?find=WELL")
    link = next(path for path in links(page.text) if "/logs/file" in path)
    file = await browser.get(link)
    assert file.headers["content-type"].startswith("text/plain")
    assert file.headers["content-disposition"] == 'attachment; filename="shop.log"'
    assert told.asked[-1].find == "WELL"
    assert told.asked[-1].lines == 1000
    file = await browser.get(f"{LOGS}/file")
    assert f"{STAMP.format(1)} shop.2.web.0 well\n" in file.text
    assert HOSTILE in file.text


async def test_a_log_is_searched_and_narrowed(told: Any) -> None:
    browser = await told.visitor("vic", ("demo", "viewer"))
    page = await browser.get(f"{LOGS}?find=WELL&name=shop.2.&since=3600&lines=1000")
    ask = told.asked[-1]
    assert (ask.find, ask.name, ask.lines) == ("WELL", "shop.2.", 1000)
    assert ask.since > "2026-"
    assert 'value="WELL"' in page.text
    assert "No line is like that" in page.text
    page = await browser.get(f"{LOGS}?find=%3Cscript&name=%22%3E%3Cb%3E&since=nonsense&lines=7")
    assert page.status_code == 200
    assert unclean(page.text) == []
    assert told.asked[-1].lines == 200
    assert (await browser.get(f"{LOGS}?find={'x' * 500}")).status_code in {200, 400}


async def test_a_release_shows_what_its_build_wrote(told: Any) -> None:
    browser = await told.visitor("vic", ("demo", "viewer"))
    page = await browser.get("/tenants/demo/apps/shop/releases/2")
    assert "building" in page.text
    assert "well" not in page.text


async def test_a_log_that_nobody_can_tell_says_so(shop: Any) -> None:
    browser = await shop.visitor("vic", ("demo", "viewer"))
    page = await browser.get(LOGS)
    assert page.status_code == 200
    assert 'class="notice warn"' in page.text


async def test_strangers_see_no_logs(told: Any) -> None:
    browser = await told.visitor("eve", ("other", "owner"))
    assert (await browser.get(LOGS)).status_code in {403, 404}
    bill = await told.visitor("bill", ("demo", "billing"))
    for path in (LOGS, f"{LOGS}/file"):
        assert (await bill.get(path)).status_code in {403, 404}
    assert told.asked == []
