"""Every page that the console has, by its routes: a page that is added is looked at without being named anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from litestar.handlers import HTTPRouteHandler

from serai.api.answers import segment
from serai.console import nav

#: Those that are looked at by tests of their own: whoever is signed in is led on; it is a file; nothing is there.
ELSEWHERE = frozenset({"/sign-in", "/tenants/{tenant:str}/apps/{app:str}/logs/file", "/{rest:path}"})
#: What some pages need to be asked for.
QUERY = {"/tenants/{tenant:str}/apps/{app:str}/releases/compare": "?old=1&new=2", "/search": "?q=shop"}
#: The names of what pages are about, where the tenant acme has the app shop, in its second release.
NAMES = {
    "tenant": "acme",
    "app": "shop",
    "kind": "app",
    "name": "shop",
    "number": "2",
    "login": "ben",
    "/tenants/{tenant:str}/people/{name:str} name": "ben",
    "/tenants/{tenant:str}/roles/{name:str} name": "releaser",
}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def handlers(method: str) -> dict[str, HTTPRouteHandler]:
    """Return what answers a method, by the paths as the handlers have them."""
    return {
        path: handler
        for module in nav.modules()
        for handler in module.ROUTES
        if isinstance(handler, HTTPRouteHandler) and method in {str(one) for one in handler.http_methods}
        for path in handler.paths
    }


def patterns() -> list[str]:
    """Return the paths that answer a GET with a page, as their handlers have them."""
    return sorted(handlers("GET").keys() - ELSEWHERE)


def filled(given: Iterable[str], values: Mapping[str, str]) -> dict[str, str]:
    """Return what to ask for, by pattern; a value may be for one pattern alone: ``{"/a/{name:str} name": "x"}``."""

    def place(pattern: str) -> str:
        def one(match: re.Match[str]) -> str:
            return segment(values.get(f"{pattern} {match[1]}") or values[match[1]])

        return _PARAMETER.sub(one, pattern) + QUERY.get(pattern, "")

    return {pattern: place(pattern) for pattern in given}
