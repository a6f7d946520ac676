"""A day at the console, from signing in to signing out: with a mouse, with the keyboard alone, and without scripts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dropping import drop
from judging import Window
from playwright.sync_api import Page, expect
from stand import PAGE, Stand

from serai.identity.testing import PASSPHRASE

SLOW = 60_000  # milliseconds
TASK = re.compile("/tasks/[0-9a-f-]{36}$")


def until_live(page: Page, number: int) -> None:
    """Wait until the page of a release says, by itself, that it is live."""
    expect(page).to_have_url(re.compile(rf"/releases/{number}$"), timeout=SLOW)
    expect(page.locator("#release .badge").first).to_contain_text("live in prod", timeout=SLOW)


def archive(folder: Path) -> Path:
    """Pack a folder as the page says to."""
    packed = folder.with_suffix(".tar.gz")
    subprocess.run(["tar", "czf", str(packed), "-C", str(folder), "."], check=True)
    return packed


def test_from_signing_in_to_signing_out(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("ben")
    page = shown.page

    shown.open("/tenants/acme/deploy")  # a new app, from a folder that is dropped
    drop(page, "[data-drop]", stand.built("bakery", f"{PAGE}one"))
    expect(page.locator(".log")).to_contain_text("kneading", timeout=SLOW)
    assert "live" not in page.locator("#release .badge").first.inner_text(), "it is shown while it goes on"
    expect(page.locator(".log")).to_contain_text("baking", timeout=SLOW)
    until_live(page, 1)

    page.get_by_role("link", name="Deploy", exact=True).click()  # its second release, from an archive
    page.set_input_files("#file", archive(stand.built("bakery", f"{PAGE}two")))
    page.get_by_label("What is new").fill("Rolls")
    page.get_by_role("button", name="Deploy", exact=True).click()
    until_live(page, 2)

    shown.open("/tenants/acme/apps/bakery/deploy")  # its third, from a repository
    page.get_by_role("link", name="Git repository").click()
    page.get_by_label("Repository").fill(stand.repository("bakery-git"))
    page.get_by_role("button", name="Deploy", exact=True).click()
    until_live(page, 3)

    shown.open("/tenants/acme/apps/bakery")
    site = page.locator("#state a[href*='/bakery/']").first.get_attribute("href")
    page.goto(str(site))
    expect(page.locator("h1")).to_have_text("Bread")
    page.go_back()
    page.get_by_role("button", name="Roll back to 2").click()
    expect(page.locator("#flash")).to_contain_text("goes back to release 2")
    expect(page.locator("#state")).to_contain_text("Rolls", timeout=SLOW)
    assert stand.site.get("acme.localhost", "/bakery/").text.endswith("two")

    shown.open("/tenants/acme/tasks/schedules/worker.task.long")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url(TASK)
    expect(page.locator("#task .badge").first).to_contain_text("processing", timeout=SLOW)
    page.get_by_text("Cancel…").click()
    page.get_by_label("Why").fill("a better idea")
    page.get_by_role("button", name="Cancel the task").click()
    expect(page.locator("#task .badge").first).to_contain_text("canceled", timeout=SLOW)
    expect(page.get_by_role("region", name="Story")).to_contain_text("a better idea")

    page.locator("details.account summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#flash")).to_contain_text("signed out")
    shown.open("/tenants/acme/apps", 401)


class Keys:
    """Somebody without a mouse: goes from one thing to the next, and sees where they are."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def reach(self, name: str) -> None:
        """Press Tab until what has the focus is called this; it must be seen to have it."""
        for _ in range(120):
            self._page.keyboard.press("Tab")
            found = self._page.evaluate(
                """() => { const it = document.activeElement; const style = getComputedStyle(it); return [
                    (it.labels?.[0]?.textContent || it.getAttribute('aria-label') || it.textContent || '').trim(),
                    style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; }"""
            )
            assert found[1], f"nobody sees that {found[0]!r} has the focus"
            if f"{found[0]} ".startswith(f"{name} "):
                return
        pytest.fail(f"Tab never comes to {name!r} at {self._page.url}")

    def type(self, name: str, text: str) -> None:
        """Go to a field and write into it."""
        self.reach(name)
        self._page.keyboard.type(text)

    def press(self, name: str, key: str = "Enter") -> None:
        """Go to a link or button and use it."""
        self.reach(name)
        self._page.keyboard.press(key)


def test_the_same_by_the_keyboard_alone(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("")
    page, keys = shown.page, Keys(shown.page)
    shown.open("/sign-in")
    page.keyboard.type("ben")  # the first field has the focus
    keys.type("Password", PASSPHRASE)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip to the content
    assert page.evaluate("document.activeElement.id") == "main"

    shown.open("/tenants/acme/deploy")
    keys.press("Git repository")
    page.wait_for_url("**from=git")
    keys.type("Name of the app", "keys")
    keys.type("Repository", stand.repository("keys-git"))
    page.keyboard.press("Enter")
    until_live(page, 1)
    keys.press("Deploy")  # of the tabs
    page.wait_for_url("**/keys/deploy")
    keys.press("Git repository")
    page.wait_for_url("**from=git")
    keys.type("Repository", stand.repository("keys2-git"))
    page.keyboard.press("Enter")
    until_live(page, 2)
    keys.press("App")
    page.wait_for_url("**/apps/keys")
    keys.press("Roll back to 1", "Space")
    expect(page.locator("#flash")).to_contain_text("goes back to release 1")

    shown.open("/tenants/acme/tasks/schedules/worker.task.long")
    keys.press("Run now", "Space")
    page.wait_for_url(TASK)
    expect(page.locator("#task .badge").first).to_contain_text("processing", timeout=SLOW)
    keys.press("Cancel…")
    keys.type("Why", "enough")
    keys.press("Cancel the task")
    expect(page.locator("#flash")).to_contain_text("The task")  # the page that follows has come
    expect(page.locator("#task .badge").first).to_contain_text("canceled", timeout=SLOW)
    keys.press("Account of ben")
    keys.press("Sign out", "Space")
    expect(page.locator("#flash")).to_contain_text("signed out")


def test_the_main_parts_without_scripts(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("ben", scripts=False)
    page = shown.page
    shown.open("/tenants/acme/deploy")
    page.get_by_label("Name of the app").fill("plain")
    page.set_input_files("#file", archive(stand.built("plain", f"{PAGE}plain")))
    page.get_by_role("button", name="Deploy", exact=True).click()
    for _ in range(100):
        if "live in prod" in page.locator("#release").inner_text():
            break
        page.wait_for_timeout(200)
        page.reload()
    assert stand.site.get("acme.localhost", "/plain/").text.endswith("plain")
    assert "baking" in page.locator(".log").inner_text()
    for path in ("/", "/tenants/acme/apps", "/tenants/acme/apps/plain", "/tenants/acme/tasks", "/tenants/acme/audit"):
        shown.open(path)
        assert page.locator("h1").inner_text()
    shown.open("/tenants/acme/apps/plain")
    page.get_by_text("Delete plain…").click()
    page.get_by_label("Write plain").fill("plain")
    page.get_by_role("button", name="Delete", exact=True).click()
    assert "plain is deleted" in page.locator("#flash").inner_text()
    page.locator("details.account summary").click()
    page.get_by_role("button", name="Sign out").click()
    assert page.url.endswith("/sign-in")
