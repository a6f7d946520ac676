"""What tests of the console in a real browser share: a whole platform with something of everything, and its people."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from apart import Apart
from installation import installed
from judging import Window
from playwright.sync_api import Browser
from stand import Stand, furnish, serving

from serai.identity.testing import PASSPHRASE


@pytest.fixture(scope="session")
def stand() -> Iterator[Stand]:
    with installed() as site, serving(site.home.parent) as git:
        site.up(
            'host.private_networks=["127.0.0.0/8"]',
            f'host.private_authorities="{site.home.parent / "ca.pem"}"',
            'modules."api.http".requests_each=1000',
        )
        made = Stand(site, git, site.home.parent)
        furnish(made)
        yield made


@pytest.fixture
def window(stand: Stand, apart: Apart, browser: Browser) -> Iterator[Callable[..., Window]]:
    """Open windows, signed in unless ``login`` is ""; what a page did wrong fails the test in the end."""
    apart.lead(stand.site.https)
    opened: list[Window] = []

    def make(login: str = "ada", **more: object) -> Window:
        made = Window(browser, stand.origin, **more)  # type: ignore[arg-type]
        opened.append(made)
        if login:
            sign_in(made, login)
        return made

    yield make
    faults = [fault for one in opened for fault in one.faults()]
    for one in opened:
        one.close()
    assert faults == []


def sign_in(window: Window, login: str) -> None:
    window.open("/sign-in")
    window.page.fill("#login", login)
    window.page.fill("#password", PASSPHRASE)
    window.page.click("main button.main")
    window.page.wait_for_url("**/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("browser"))  # one process has the stand
            item.add_marker(pytest.mark.timeout(300))
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root"))
