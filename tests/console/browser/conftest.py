"""What tests of the console in a real browser share: a whole platform with something of everything, and its people."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apart import Apart
from judging import Window
from playwright.sync_api import Browser
from stand import Installation, Stand, furnish, serving

from serai.identity.testing import PASSPHRASE


@pytest.fixture(scope="session")
def stand() -> Iterator[Stand]:
    with tempfile.TemporaryDirectory(prefix="serai-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Installation(folder / "home")
        with serving(folder) as git:
            try:
                site.up(
                    'host.private_networks=["127.0.0.0/8"]',
                    f'host.private_authorities="{folder / "ca.pem"}"',
                    'modules."api.http".requests_each=1000',
                )
                made = Stand(site, git, folder)
                furnish(made)
                yield made
            finally:
                site.remove()


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
