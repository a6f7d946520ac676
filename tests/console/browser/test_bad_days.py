"""What goes wrong while somebody looks on: sessions that end, things that go, somebody else's changes."""

from __future__ import annotations

from collections.abc import Callable

from judging import Window
from playwright.sync_api import expect
from stand import Stand

from serai.identity.testing import PASSPHRASE


def test_a_session_that_ends_under_an_open_form_loses_nothing(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("cleo")
    page = shown.page
    shown.open("/kinds/app/acme/worker")
    page.get_by_label("tasks").fill("4321")
    for session in stand.site.json("session", "list", "--user", "cleo"):
        stand.site.run("session", "end", session["name"], "--user", "cleo")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("What you typed is kept")
    page.fill("#login", "cleo")
    page.fill("#password", PASSPHRASE)
    page.click("main button.main")
    expect(page.locator("main")).to_contain_text("4321")
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator("#flash")).to_contain_text("worker is saved")
    expect(page.get_by_label("tasks")).to_have_value("4321")


def test_the_back_button_after_a_delete_says_what_happened(stand: Stand, window: Callable[..., Window]) -> None:
    stand.site.run("deploy", str(stand.program("brief")), "--app", "brief", "--tenant", "acme")
    shown = window("cleo")
    page = shown.page
    shown.open("/tenants/acme/apps/brief/releases")
    shown.open("/tenants/acme/apps/brief")
    page.get_by_text("Delete brief…").click()
    delete = page.get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    page.get_by_label("Write brief").fill("brief")
    delete.click()
    expect(page.locator("#flash")).to_contain_text("brief is deleted")
    page.go_back()
    expect(page.locator("main")).to_contain_text("deleted this app")
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("h1")).to_have_text("brief")
    expect(page.locator("#flash")).to_contain_text("back")
    assert stand.site.json("app", "show", "brief", "--tenant", "acme")["name"] == "brief"


def test_of_two_who_change_one_thing_the_second_sees_the_firsts_change(window: Callable[..., Window]) -> None:
    first, second = window("ben"), window("cleo")
    for one in (first, second):
        one.open("/kinds/app/acme/shop")
    first.page.get_by_label("tasks").fill("100")
    first.page.get_by_role("button", name="Save").click()
    expect(first.page.locator("#flash")).to_contain_text("shop is saved")
    second.page.get_by_label("tasks").fill("200")
    second.page.get_by_role("button", name="Save").click()
    expect(second.page.get_by_role("alert")).to_contain_text("Somebody changed this meanwhile")
    expect(second.page.locator(".diff")).to_contain_text("100")
    expect(second.page.get_by_label("tasks")).to_have_value("200")
    first.page.reload()
    expect(first.page.get_by_label("tasks")).to_have_value("100")
    second.page.get_by_role("button", name="Save").click()
    expect(second.page.locator("#flash")).to_contain_text("shop is saved")
