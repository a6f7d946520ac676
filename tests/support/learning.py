"""What the web framework reads of a handler is the same in each application: let it read it once in a process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from litestar.handlers import HTTPRouteHandler

from serai.daemon.service import Service, load


def routes_of(places: Iterable[Any]) -> Iterator[Any]:
    """Yield what modules have as ``ROUTES``; whatever else there is is passed over."""
    for place in places:
        if isinstance(place, ModuleType):
            yield from getattr(place, "ROUTES", ())


def brought_by(services: Mapping[str, Service]) -> Iterator[Any]:
    """Yield the routes of services."""
    for service in services.values():
        if service.routes:
            yield from load(service.routes)


def learn(routes: Iterable[Any]) -> None:
    """Have the signatures read of handlers that an application has registered: the next one copies them with it."""
    for one in routes:
        if isinstance(one, HTTPRouteHandler):
            assert one.parsed_fn_signature
            assert one.signature_model
