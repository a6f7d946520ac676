"""Sessions that end, or become somebody else's, under an open form: secrets and archives, seen in a real browser."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from judging import Window
from playwright.sync_api import Page, expect
from stand import Stand

from serai.identity.testing import PASSPHRASE

VARIABLES = "/tenants/acme/apps/worker/variables"
DEPLOY = "/tenants/acme/apps/shop/deploy"
SECRET = "hunter2 is what nobody sees"
SLOW = 60_000  # milliseconds


def end(stand: Stand, login: str) -> None:
    for session in stand.site.json("session", "list", "--user", login):
        stand.site.run("session", "end", session["name"], "--user", login)


def sign_in(page: Page, login: str) -> None:
    page.fill("#login", login)
    page.fill("#password", PASSPHRASE)
    page.click("main button.main")


def archive(folder: Path, name: str) -> Path:
    """Pack a site with a picture of some size: no browser has sent it all when the answer could come."""
    (folder / "picture.bin").write_bytes(os.urandom(24 << 20))
    packed = folder.with_name(f"{name}.tar.gz")
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        tar.add(folder, ".")
    return packed


def variable(page: Page, name: str, value: str) -> None:
    page.locator("#name").fill(name)
    page.locator("#value").fill(value)


def test_a_secret_outlives_its_session_and_is_never_seen(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("cleo")
    page = shown.page
    shown.open(VARIABLES)
    variable(page, "TOKEN", f"{SECRET}\nin two lines")
    page.locator("#set").get_by_label("May be shown again").check()  # so that one sees in the end that it arrived
    end(stand, "cleo")
    page.get_by_role("button", name="Set it").click()
    expect(page.locator("main")).to_contain_text("What you typed is kept")
    expect(page.locator("#login")).to_have_value("cleo")
    assert SECRET not in page.content()
    page.fill("#password", "mistaken")
    page.click("main button.main")
    expect(page.get_by_role("alert").first).to_contain_text("wrong")
    sign_in(page, "cleo")
    expect(page.locator("main")).to_contain_text("TOKEN")
    expect(page.locator("main")).to_contain_text("kept, and not shown")
    assert SECRET not in page.content()
    assert shown.unfit() == []
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator("#flash")).to_contain_text("TOKEN is set")
    expect(page.locator("main table code.value").first).to_have_text(f"{SECRET}\nin two lines")


def test_an_archive_is_chosen_again_and_what_stands_beside_it_is_kept(
    stand: Stand, window: Callable[..., Window]
) -> None:
    shown = window("cleo", scripts=False)
    page = shown.page
    packed = archive(stand.program("apron"), "apron")
    shown.open(DEPLOY)
    page.get_by_label("What is new").fill("Aprons for all")
    page.set_input_files("#file", packed)
    end(stand, "cleo")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.locator("main")).to_contain_text("Only apron.tar.gz has to be chosen again", timeout=SLOW)
    sign_in(page, "cleo")
    expect(page.locator("main")).to_contain_text("Aprons for all")
    page.set_input_files("#file", packed)
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator("#flash")).to_contain_text("is on its way", timeout=SLOW)
    expect(page.locator("main")).to_contain_text("Aprons for all")


def test_with_scripts_not_even_the_archive_is_chosen_again(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("cleo")
    page = shown.page
    packed = archive(stand.program("bib"), "bib")
    shown.open(DEPLOY)
    page.get_by_label("What is new").fill("Bibs for all")
    page.set_input_files("#file", packed)
    end(stand, "cleo")
    deploy = page.get_by_role("button", name="Deploy", exact=True)
    deploy.click()
    with page.expect_popup() as opening:
        page.get_by_role("link", name="Sign in in another window").click()
    sign_in(opening.value, "cleo")
    opening.value.wait_for_url("**/")
    opening.value.close()
    expect(page.get_by_label("What is new")).to_have_value("Bibs for all")
    deploy.click()
    expect(page.locator("#flash")).to_contain_text("is on its way", timeout=SLOW)
    expect(page.locator("main")).to_contain_text("Bibs for all")


def test_nothing_goes_unseen_in_the_name_of_who_signed_in_meanwhile(
    stand: Stand, window: Callable[..., Window]
) -> None:
    shown = window("cleo")
    page = shown.page
    shown.open(VARIABLES)
    variable(page, "WHOSE", SECRET)
    other = shown.context.new_page()
    other.goto("/")
    other.locator("details.account summary").click()
    other.get_by_role("button", name="Sign out").click()
    sign_in(other, "ben")
    other.wait_for_url("**/")
    other.close()

    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_role("alert").first).to_contain_text("cleo opened this form, and you are signed in as ben")
    expect(page.locator("main dl").first).to_contain_text("WHOSE")
    assert SECRET not in page.content()
    assert "WHOSE" not in stand.site.run("app", "env", "list", "worker", "--tenant", "acme").stdout
    assert shown.unfit() == []
    expect(page.get_by_label("value", exact=True)).to_have_value("")  # what cleo typed is not ben's to send
    page.get_by_label("value", exact=True).fill("typed by ben")
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator("#flash")).to_contain_text("WHOSE is set")
    expect(page.locator("main table").first).to_contain_text("by ben")
