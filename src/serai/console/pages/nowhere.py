"""Addresses that no page has: whoever is signed in keeps the navigation, and so a way back."""

from __future__ import annotations

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from serai.console.depend import Visitor
from serai.errors import NotFoundError


@get("/{rest:path}", everybody=True)
async def nowhere(visit: Visitor, rest: FromPath[str]) -> Response[str]:
    """Say that there is no such page."""
    raise NotFoundError("No page has that address.", path=rest[:100], who=visit.login)


ROUTES: list[ControllerRouterHandler] = [nowhere]
