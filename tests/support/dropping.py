"""Files and folders of the machine, let go of over a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page


def drop(page: Page, selector: str, path: Path) -> None:
    """Let go of a folder of the machine over an element, as a file manager does."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    wire = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        wire.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 9, "y": box["y"] + 9, "data": data})
