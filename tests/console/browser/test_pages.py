"""Every page, with hostile names all over it, in light and dark, wide and narrow: fit for all, quick, and still."""

from __future__ import annotations

from collections.abc import Callable

from judging import LOOKS, Window
from places import NAMES, filled, patterns
from stand import Stand

MOST = 100_000  # octets on the wire of a first load, all assets included
SIZES = (1280, 375)  # pixels
THEMES = ("light", "dark")


def test_every_page_is_fit_for_all_and_small_and_still(stand: Stand, window: Callable[..., Window]) -> None:
    shown = window("ada")
    task = stand.site.json("task", "list", "--tenant", "acme", "--limit", "1")[0]["id"]
    values = {**NAMES, "task": task, "/tenants/{tenant:str}/tasks/schedules/{name:str} name": "worker.task.long"}
    faults = []
    for path in filled(patterns(), values).values():
        size = shown.open(path)
        found = [f"{size} octets"] if size > MOST else []
        faults += [f"{path}: {fault}" for fault in [*found, *seen(shown)]]
    assert faults == []


def test_pages_for_nobody_are_fit_for_all(window: Callable[..., Window]) -> None:
    shown = window("")
    faults = []
    for path, status in (("/sign-in", 200), ("/join", 200), ("/reset", 200), ("/nowhere", 404), ("/tasks", 401)):
        assert shown.open(path, status) <= MOST
        faults += [f"{path}: {fault}" for fault in seen(shown)]
    assert faults == []


def test_a_member_sees_their_pages_as_well_made(window: Callable[..., Window]) -> None:
    shown = window("ben")
    faults = []
    for path in ("/", "/tenants/acme", "/tenants/acme/apps", "/tenants/acme/apps/shop"):
        shown.open(path)
        faults += [f"{path}: {fault}" for fault in seen(shown)]
    assert faults == []


def seen(shown: Window) -> list[str]:
    """Return what is wrong with a page at any of the sizes and in any of the themes.

    Colours follow from the theme alone and places from the width alone, so that two looks see all there is of both.
    """
    found: list[str] = []
    for width in SIZES:
        shown.page.set_viewport_size({"width": width, "height": 800})
        for theme in THEMES:
            shown.page.emulate_media(color_scheme=theme)
            found += [f"{width} {theme}: {one}" for one in shown.faults()]
            if (width, theme) == (SIZES[0], THEMES[0]):
                found += [f"{width} {theme}: {one}" for one in shown.unfit()]
            elif (width, theme) == (SIZES[1], THEMES[1]):
                found += [f"{width} {theme}: {one}" for one in shown.unfit(LOOKS)]
    shown.page.set_viewport_size({"width": SIZES[0], "height": 800})
    shown.page.emulate_media(color_scheme=THEMES[0])
    return list(dict.fromkeys(found))
