"""What the pages are: each module of `serai.console.pages` is one, found by being there.

A page module has ``ROUTES``, a list of route handlers, and may have ``NAV``, a tuple of `Nav`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Literal, Protocol

import msgspec

from serai.api.answers import segment


class Nav(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the navigation.

    ``path`` may hold ``{tenant}``: the line is then about the tenant that a page is of, and only there. With ``{app}``
    it is a tab of the pages about that app. ``action`` is what somebody must be allowed to do, there or, for a line of
    the platform, on the platform itself; "" shows the line to everybody. ``anywhere`` asks whether they may in any
    tenant at all. ``order`` sorts, small ones first.
    """

    title: str
    path: str
    order: int
    action: str = ""
    anywhere: bool = False

    @property
    def about(self) -> Literal["", "tenant", "app"]:
        """Return what its pages are about."""
        return "app" if "{app}" in self.path else "tenant" if "{tenant}" in self.path else ""


class Crumb(msgspec.Struct, frozen=True):
    """A step of the way to a page; the last one has no ``path``."""

    title: str
    path: str = ""


def way(tenant: str, app: str = "", page: str = "") -> tuple[Crumb, ...]:
    """Return the way to a page about a tenant's apps, about one of them (``app``), or below that (``page``)."""
    home = f"/tenants/{segment(tenant)}"
    steps = [Crumb(tenant, home), Crumb("Apps", f"{home}/apps"), Crumb(app, f"{home}/apps/{segment(app)}"), Crumb(page)]
    last = 3 if page else 2 if app else 1
    return (*steps[:last], Crumb(steps[last].title))


class Asked(Protocol):
    """What somebody may do."""

    def may(self, action: str, tenant: str = "", app: str = "") -> bool:
        """Tell whether they may."""
        ...

    def may_anywhere(self, action: str) -> bool:
        """Tell whether they may in any tenant at all."""
        ...


def offered(lines: Iterable[Nav], asked: Asked, tenant: str = "", app: str = "") -> list[tuple[Nav, str]]:
    """Return the lines that lead somewhere, with their paths: about a tenant, and an app of it, where there are."""
    found = []
    for line in lines:
        about = line.about
        if (about == "tenant" and not tenant) or (about == "app" and not (tenant and app)):
            continue
        where = tenant if about else ""
        may = not line.action or (
            asked.may_anywhere(line.action)
            if line.anywhere
            else asked.may(line.action, where, app if about == "app" else "")
        )
        if may:
            path = line.path.replace("{tenant}", segment(tenant)).replace("{app}", segment(app))
            found.append((line, path))
    return found


def marked(links: Iterable[tuple[str, str]], path: str) -> list[tuple[str, str, bool]]:
    """Return (title, path) pairs with whether a page is below each: below the longest alone."""
    found = list(links)
    here = max((target for _, target in found if _below(path, target)), key=len, default="")
    return [(title, target, target == here) for title, target in found]


def _below(path: str, target: str) -> bool:
    return path == target or (target != "/" and path.startswith(f"{target}/"))


def modules() -> Iterator[ModuleType]:
    """Import and yield all page modules."""
    package = import_module("serai.console.pages")
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        yield import_module(f"{package.__name__}.{found.name}")


def lines(pages: Iterable[ModuleType]) -> tuple[Nav, ...]:
    """Return the navigation that pages bring, in order."""
    return tuple(sorted((nav for page in pages for nav in getattr(page, "NAV", ())), key=lambda nav: nav.order))
