"""What people see: pages of programs with their styles, links and sockets, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from apart import Apart
from installation import Installation
from playwright.sync_api import Browser, Page
from test_examples import deploy


@pytest.fixture
def page(browser: Browser, apart: Apart, site: Installation) -> Iterator[Page]:
    apart.lead(site.https)
    page = browser.new_page()
    yield page
    page.close()


def at(site: Installation, path: str) -> str:
    return f"https://demo.localhost:{site.https}{path}"


def test_datasette_can_be_browsed_from_its_front_page_to_a_row(site: Installation, page: Page, tmp_path: Path) -> None:
    deploy(site, "datasette", "seen")
    failed: list[str] = []
    page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
    page.goto(at(site, "/seen/"))
    page.click("h2 a")
    assert "/seen/" in page.url
    page.click(".db-table h3 a")
    page.wait_for_selector("table.rows-and-columns")
    page.screenshot(path=tmp_path / "rows.png")
    assert failed == []


def test_a_browser_talks_to_a_websocket(site: Installation, page: Page) -> None:
    deploy(site, "websocket", "talk")
    page.goto(at(site, "/talk/"))
    said = page.evaluate(
        """url => new Promise((resolve, reject) => {
            const socket = new WebSocket(url);
            socket.onopen = () => socket.send("hello");
            socket.onmessage = message => resolve(message.data);
            socket.onerror = () => reject("refused");
        })""",
        f"wss://demo.localhost:{site.https}/talk/echo",
    )
    assert said == "hello"


def test_the_admin_of_a_django_project_has_its_styles(site: Installation, page: Page, tmp_path: Path) -> None:
    deploy(site, "django", "office")
    page.goto(at(site, "/office/admin/"))
    page.screenshot(path=tmp_path / "admin.png")
    assert page.title().startswith("Log in")
    colour = page.evaluate("getComputedStyle(document.querySelector('#header')).backgroundColor")
    assert colour not in {"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"}
