"""What the pages are: each module of `serai.console.pages` is one, found by being there.

A page module has ``ROUTES``, a list of route handlers, and may have ``NAV``, a tuple of `Nav`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType

import msgspec


class Nav(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the navigation.

    ``path`` may hold ``{tenant}``: the line is then about the tenant that a page is of, and only there. ``action`` is
    what somebody must be allowed to do, there or, for a line of the platform, on the platform itself; "" shows the line
    to everybody. ``anywhere`` asks whether they may in any tenant at all. ``order`` sorts, small ones first.
    """

    title: str
    path: str
    order: int
    action: str = ""
    anywhere: bool = False


class Crumb(msgspec.Struct, frozen=True):
    """A step of the way to a page; the last one has no ``path``."""

    title: str
    path: str = ""


def modules() -> Iterator[ModuleType]:
    """Import and yield all page modules."""
    package = import_module("serai.console.pages")
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        yield import_module(f"{package.__name__}.{found.name}")


def lines(pages: Iterable[ModuleType]) -> tuple[Nav, ...]:
    """Return the navigation that pages bring, in order."""
    return tuple(sorted((nav for page in pages for nav in getattr(page, "NAV", ())), key=lambda nav: nav.order))
