"""What goes wrong while somebody looks on: sessions that end, things that go, somebody else's changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from judging import Window
from playwright.sync_api import expect
from stand import Stand

from serai.identity.testing import PASSPHRASE

BACK = 60_000  # milliseconds until a page must have seen that the store is back


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


def test_while_the_store_is_away_pages_say_so_and_come_back_by_themselves(
    stand: Stand, window: Callable[..., Window]
) -> None:
    looking, typing, waiting = window("ada"), window("cleo"), window("ada")
    notice = looking.page.locator("#known .notice")
    looking.open("/tenants/acme/apps/shop")
    expect(notice).to_be_hidden()
    typing.open("/kinds/app/acme/worker")
    typing.page.get_by_label("tasks").fill("77")
    with away(stand):
        looking.page.evaluate("htmx.trigger(document.querySelector('[data-live]'), 'serai:changed')")
        expect(notice).to_contain_text("store does not answer now")
        looking.open("/tenants/acme/apps/worker")
        expect(notice).to_be_visible()
        expect(looking.page.locator("h1")).to_have_text("worker")
        waiting.open("/audit/refusals", 503)
        expect(waiting.page.locator("main h2")).to_have_text(
            "Refusals can\N{RIGHT SINGLE QUOTATION MARK}t be shown now"
        )
        assert [*looking.unfit(), *waiting.unfit()] == []
        typing.page.get_by_role("button", name="Save").click()
        expect(typing.page.get_by_role("alert")).to_contain_text("Nothing was changed")
        expect(typing.page.locator("main")).to_contain_text("77")
    expect(notice).to_be_hidden(timeout=BACK)
    expect(waiting.page.locator("h1")).to_have_text("Refusals", timeout=BACK)
    expect(waiting.page.locator("[data-gap]")).to_have_count(0)
    expect(typing.page.locator("#known .notice")).to_contain_text("can be sent", timeout=BACK)
    typing.page.get_by_role("button", name="Send it again").click()
    expect(typing.page.locator("#flash")).to_contain_text("worker is saved")
    expect(typing.page.get_by_label("tasks")).to_have_value("77")


@contextmanager
def away(stand: Stand) -> Iterator[None]:
    """Take the store's file away for as long as this lasts."""
    file = stand.site.home / "data" / "store" / "store.db"
    aside = file.with_name("aside.db")
    file.rename(aside)
    try:
        yield
    finally:
        aside.rename(file)
