"""The way to a page by its address alone, for while what it is about can't be had."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import unquote

from litestar.routes import HTTPRoute

from serai.console.nav import Crumb

if TYPE_CHECKING:
    from serai.console.visit import House, Visit


def trail(visit: Visit) -> tuple[Crumb, ...]:
    """Return the pages that a page is below, and the page itself; what is not offered to the visitor is left out."""
    house: House = visit.request.app.state["house"]
    path = str(visit.request.scope["path"])
    routes = visit.request.app.routes
    gets = (one.path_format for one in routes if isinstance(one, HTTPRoute) and "GET" in one.methods)
    forms = sorted(gets, key=lambda form: form.count("{"))
    offered = {place: title for title, place, _ in (*visit.nav(), *visit.tabs())}
    lines = {line.path for line in house.nav}
    found = []
    for place in accumulate(f"/{one}" for one in path.strip("/").split("/")):
        form = next((one for one in forms if _fits(one.split("/"), place.split("/"))), "")
        if place == path or (form and (place in offered or (form not in lines and form.endswith("}")))):
            found.append(Crumb(_title(form, place, offered.get(place, "")), place))
    return (*found[:-1], Crumb(found[-1].title))


def _fits(form: Sequence[str], place: Sequence[str]) -> bool:
    return len(form) == len(place) and all(
        one.startswith("{") or one == other for one, other in zip(form, place, strict=True)
    )


def _title(form: str, place: str, offered: str) -> str:
    name = unquote(place.rpartition("/")[2])
    return name if form.endswith("}") else offered or name.capitalize() or "Overview"
