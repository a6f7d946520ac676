"""A shell in an instance, in a terminal on a page: by keys alone, as large as its window; without scripts, how else."""

from __future__ import annotations

import re
from collections.abc import Callable

from judging import Window
from playwright.sync_api import expect
from stand import Stand

PAGE = "/tenants/acme/apps/worker/shell"
SLOW = 30_000  # milliseconds


def test_a_shell_is_opened_typed_into_resized_left_and_ended(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("ben")
    page = shown.page
    shown.open(PAGE)
    assert shown.faults() == []
    page.get_by_role("button", name="Open a shell").focus()
    page.keyboard.press("Enter")
    screen, field, state = (page.locator(f".terminal .{name}") for name in ("screen", "field", "state"))
    expect(field).to_be_focused(timeout=SLOW)
    page.keyboard.type("cd; echo $((6*7)) '\u00e9\u65e5'\n")
    expect(screen).to_contain_text("42 \u00e9\u65e5", timeout=SLOW)
    page.keyboard.type("echo be''gun; sleep 300\n")
    expect(screen).to_contain_text("begun", timeout=SLOW)
    page.keyboard.press("Control+c")
    expect(screen).to_contain_text(re.compile(r"begun\s*\^C.*\$"), timeout=SLOW)  # what is typed before is thrown away
    page.keyboard.type("printf '\\033[31mred\\033[0m'; stty size\n")
    expect(screen).to_contain_text(re.compile(r"red\d+ 1\d\d"), timeout=SLOW)
    expect(screen.locator(".f1", has_text="red")).to_have_count(1)
    assert shown.unfit() == []
    page.set_viewport_size({"width": 600, "height": 700})
    page.wait_for_timeout(500)  # a new size is told once it stays
    page.keyboard.type("echo now; stty size\n")
    expect(screen).to_contain_text(re.compile(r"now\d+ [4-7]\d\D"), timeout=SLOW)
    page.keyboard.press("F6")
    expect(page.get_by_role("button", name="End it")).to_be_focused()
    field.focus()
    page.keyboard.type("exit 3\n")
    expect(state).to_have_text("It ended, with status 3.", timeout=SLOW)
    expect(page.get_by_role("button", name="Open another one")).to_be_focused()
    told = stand.site.json("audit", "--kind", "shell", "--tenant", "acme")
    assert {one["who"].partition(" ")[0] for one in told} >= {"user:ben"}


def test_without_scripts_it_says_what_else_there_is(window: Callable[..., Window]) -> None:
    shown = window("ben", scripts=False)
    shown.open(PAGE)
    said = shown.page.inner_text("main")  # locators pass over <noscript>
    assert "needs scripts" in said
    assert "serai app shell worker --tenant acme" in said
    expect(shown.page.get_by_role("button", name="Open a shell")).to_be_hidden()
