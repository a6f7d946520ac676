"""Many windows of one browser, windows that nobody looks at, and parts that are renewed under somebody's hands."""

from __future__ import annotations

from collections.abc import Callable

from dropping import drop
from judging import Window
from playwright.sync_api import Page, WebSocket, expect
from stand import Stand

SLOW = 30_000  # milliseconds
#: Over HTTP/1.1 a browser has six connections to a site, for all its windows together.
MANY = 8
#: Lets a test say that nobody looks at a window: without a screen all of them are seen.
HIDING = """
window.unseen = false;
Object.defineProperty(Document.prototype, "hidden", {get: () => window.unseen});
window.hide = (so) => { window.unseen = so; document.dispatchEvent(new Event("visibilitychange")); };
"""


def visit(stand: Stand, number: int) -> str:
    """Visit an app, whose log then has a line that says so."""
    answer = stand.site.get("acme.localhost", f"/worker/?visit-{number}")
    assert answer.status == 200, answer.text
    return f"?visit-{number}"


def test_many_windows_do_not_wait_for_each_other(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("ben")
    pages = [shown.context.new_page() for _ in range(MANY)]
    for page in pages:
        page.goto("/tenants/acme/apps/worker/logs")
    told = visit(stand, 1)
    for page in pages:
        expect(page.locator(".log")).to_contain_text(told, timeout=SLOW)
    ends = [page.locator("[data-state]").inner_text() for page in pages]
    assert ends[0] == "Following."
    assert "Looking every few seconds" in ends[-1]
    pages[-1].goto("/tenants/acme/apps/worker")
    expect(pages[-1].locator("h1")).to_have_text("worker")
    for page in pages[:4]:
        page.close()
    told = visit(stand, 2)
    for page in pages[4:-1]:
        expect(page.locator("[data-state]")).to_have_text("Following.", timeout=SLOW)
        expect(page.locator(".log")).to_contain_text(told, timeout=SLOW)


def test_many_shells_are_typed_into_side_by_side(window: Callable[..., Window]) -> None:
    shown = window("cleo")
    pages = [shown.context.new_page() for _ in range(MANY - 1)]
    for page in pages:
        page.goto("/tenants/acme/apps/worker/shell")
        page.get_by_role("button", name="Open a shell").click()
        expect(page.locator(".terminal .field")).to_be_focused(timeout=SLOW)
    for number, page in enumerate(pages):
        page.locator(".terminal .field").focus()
        page.keyboard.type(f"echo $((6*7))-{number}\n")
        expect(page.locator(".screen")).to_contain_text(f"42-{number}", timeout=SLOW)
    for page in pages:
        page.locator(".terminal .field").focus()
        page.keyboard.type("exit\n")
        expect(page.locator(".state")).to_have_text("It ended, with status 0.", timeout=SLOW)


class Streams:
    """The WebSockets that a page opens, and how many of them have said something."""

    def __init__(self, page: Page) -> None:
        self.opened: list[WebSocket] = []
        self._page = page
        self._heard: set[str] = set()
        page.on("websocket", self._note)

    def _note(self, opened: WebSocket) -> None:
        self.opened.append(opened)
        opened.on("framereceived", lambda _frame: self._heard.add(opened.url))

    def follow(self, count: int) -> None:
        """Wait until so many have begun."""
        while len(self._heard) < count:
            self._page.wait_for_timeout(50)


def test_a_window_that_nobody_looks_at_lets_go_and_hears_what_it_missed(
    stand: Stand, window: Callable[..., Window]
) -> None:
    shown = window("ben")
    page = shown.page
    page.add_init_script(HIDING)
    page.goto("about:blank")  # the page that signing in led to may only now begin to follow
    streams = Streams(page)
    shown.open("/tenants/acme/apps/worker/releases")
    streams.follow(1)
    [first] = streams.opened
    page.evaluate("hide(true)")
    if not first.is_closed():
        first.wait_for_event("close", timeout=SLOW)
    stand.site.run("deploy", str(stand.folder / "worker"), "--app", "worker", "--tenant", "acme", "--title", "Unseen")
    expect(page.locator("#releases")).not_to_contain_text("Unseen")
    assert streams.opened == [first]
    page.evaluate("hide(false)")
    streams.follow(2)
    assert "after=" in streams.opened[-1].url
    expect(page.locator("#releases")).to_contain_text("Unseen", timeout=SLOW)


def test_what_is_written_reached_and_opened_stays_while_a_part_is_renewed(
    stand: Stand, window: Callable[..., Window]
) -> None:
    shown = window("ben")
    page = shown.page
    shown.open("/tenants/acme/apps/shop/releases/1")
    page.get_by_text("All of it").click()
    made = page.locator("#made details")
    page.get_by_label("Make it live in").fill("staging")
    page.keyboard.press("Tab")
    stand.site.run("release", "promote", "shop", "2", "--tenant", "acme", "--to", "other")
    before = str(page.locator("#release").get_attribute("data-got"))
    page.evaluate("htmx.trigger('#made', 'serai:changed')")
    page.wait_for_timeout(1500)  # longer than a part waits until it looks again
    expect(page.get_by_label("Make it live in")).to_have_value("staging")
    expect(page.get_by_role("button", name="Make it live")).to_be_focused()
    expect(made).to_have_attribute("open", "")
    page.get_by_label("Make it live in").fill("prod")  # as it was: nothing is written any more
    page.get_by_role("button", name="Make it live").focus()
    expect(page.locator("#release")).not_to_have_attribute("data-got", before, timeout=SLOW)
    expect(page.get_by_role("button", name="Make it live")).to_be_focused()


def test_what_is_dropped_without_a_name_says_what_is_missing(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("ben")
    shown.open("/tenants/acme/deploy")
    drop(shown.page, "[data-drop]", stand.program("nameless") / "index.html")
    expect(shown.page.locator("[data-said]")).to_contain_text("fill in what is marked")
    expect(shown.page).to_have_url(f"{stand.origin}/tenants/acme/deploy")


def test_a_page_that_is_left_at_once_is_no_fault(window: Callable[..., Window]) -> None:
    shown = window("ben")
    for _ in range(5):
        shown.page.goto("/tenants/acme/apps/worker", wait_until="load")
        shown.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    shown.open("/tenants/acme/apps")
    assert shown.faults() == []
