"""A real browser that notes what a page does wrong: errors, what the policy refused, what moved, how much was sent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

#: The authority of certificates is the platform's own; nothing should trust it. To ignore that is the browser's affair:
#: a context that does (``ignore_https_errors``) is asked at each connection, and gives up where many are made at once.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--ignore-certificate-errors",
]
AXE = Path(__file__).parents[2] / ".cache" / "browser" / "axe-core-4.14.1.min.js"  # brought by scripts/setup
#: Rules that look at colours and places: of all rules, those whose findings differ with width and theme.
LOOKS = ("color-contrast", "target-size", "scrollable-region-focusable")
#: What the browser's console says by the test's own doing: of a page that is not there, of one that was left early.
EXPECTED = ("Failed to load resource", "Response Status Error Code 404", "htmx:afterRequest", "htmx:sendError")
RAN = "data-ran"  # what hostile names would set, if they ran
#: Before anything of the page runs: note what moves, and what the policy refuses.
WATCH = """
window.seen = {shift: 0, moved: [], refused: []};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.seen.shift += entry.value;
    for (const {node} of entry.sources) window.seen.moved.push(node?.id || node?.className || node?.nodeName);
  }
}).observe({type: "layout-shift", buffered: true});
document.addEventListener("securitypolicyviolation", (event) => {
  window.seen.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""
BLOCKING = "[...document.scripts].filter(one => !one.src || !(one.async || one.defer || one.type === 'module')).length"
MARKUP = "document.querySelectorAll('img[src=x], [onerror], title ~ img').length"
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
expect.set_options(timeout=20_000)  # milliseconds: others' tests run beside these


@contextmanager
def browsing(inside: AbstractContextManager[None]) -> Iterator[Browser]:
    """Give Debian's chromium, which is started ``inside`` of something; tests are skipped where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    with inside:
        playwright = sync_playwright().start()
    try:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()
    finally:
        playwright.stop()


class Browsers:
    """The browser of this process, of which its driver bears one at a time, while somebody wants it."""

    def __init__(self, inside: Callable[[], AbstractContextManager[None]]) -> None:
        self._inside = inside
        self._stack = ExitStack()
        self._running: Browser | None = None

    def open(self) -> Browser:
        """Return it; start it if it does not run."""
        if self._running is None:
            self._running = self._stack.enter_context(browsing(self._inside()))
        return self._running

    def close(self) -> None:
        """End it: until then its driver holds this thread's event loop, and no test that is a coroutine can run."""
        self._running = None
        self._stack.close()


class Window:
    """A page of a browser, watched: ``faults`` are what it did wrong since they were last taken."""

    def __init__(self, browser: Browser, origin: str, *, scripts: bool = True, width: int = 1280) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=origin,
            java_script_enabled=scripts,
            viewport={"width": width, "height": 800},
            accept_downloads=True,
        )
        self.scripts = scripts
        self.context.set_default_timeout(20_000)
        self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self._sizes: dict[str, float] = {}  # octets of each request since a page was opened
        self._noted: list[str] = []
        self.page.on("console", self._say)
        self.page.on("pageerror", lambda error: self._noted.append(f"script failed: {error}"))
        self.page.on("dialog", lambda dialog: (self._noted.append("a dialog"), dialog.dismiss()))
        wire = self.context.new_cdp_session(self.page)
        wire.send("Network.enable")
        wire.send("Network.setCacheDisabled", {"cacheDisabled": True})  # each page as if it were the first
        wire.on("Network.requestWillBeSent", lambda event: self._sizes.setdefault(event["requestId"], 0.0))
        wire.on("Network.loadingFinished", self._weigh)

    def _weigh(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._sizes:  # and not what the page before has asked for
            self._sizes[event["requestId"]] = event["encodedDataLength"]

    def _say(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(one in message.text for one in EXPECTED):
            self._noted.append(f"console: {message.text}")

    def open(self, path: str, status: int = 200) -> int:
        """Go to a page, wait until it is quiet, and return the octets that it took."""
        self.page.goto("about:blank")  # so that the page before asks for nothing any more
        self._sizes.clear()
        answer = self.page.goto(path, wait_until="load")
        assert answer is not None
        assert answer.status == status, (path, answer.status, self.page.inner_text("main"))
        self.page.wait_for_timeout(150)  # what scripts ask for once the page is there
        return round(sum(self._sizes.values()))

    def faults(self) -> list[str]:
        """Return what is wrong with the page that is shown, and what went wrong since this was last asked."""
        noted, self._noted = self._noted, []
        if not self.scripts:
            return noted
        seen: dict[str, Any] = self.page.evaluate("window.seen")
        noted += [f"the policy refused {one}" for one in seen["refused"]]
        if seen["shift"] >= 0.1:
            noted.append(f"moved by {seen['shift']:.2f}: {seen['moved'][:6]}")
        noted += [f"{count} blocking scripts" for count in [self.page.evaluate(BLOCKING)] if count]
        if self.page.evaluate(f"document.documentElement.hasAttribute('{RAN}')"):
            noted.append("a name ran")
        if self.page.evaluate(MARKUP):
            noted.append("a name became markup")
        wide = self.page.evaluate(WIDE)
        return [*noted, f"wider than the window by {wide} px"] if wide > 0 else noted

    def unfit(self, rules: tuple[str, ...] = ()) -> list[str]:
        """Return what axe-core finds serious or critical, of some rules or of all that the guidelines' AA has."""
        if not AXE.exists():
            pytest.skip("there is no axe-core: make setup-dev brings it")
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        only = (
            {"type": "rule", "values": list(rules)}
            if rules
            else {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        )
        found = self.page.evaluate("only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", only)
        return [
            f"{one['id']}: {node['target'][0]}: {node['failureSummary'].splitlines()[-1].strip()}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"][:3]
        ]

    def close(self) -> None:
        self.context.close()
