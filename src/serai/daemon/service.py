"""What a service brings, as data: everything else about it is imported only where it is used.

A service's ``__init__.py`` holds one `Service`, and `serai.services.registry` one line that names it. All strings are
dotted paths ``package.module:attribute``, so that a process loads only what it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from serai.store import Spec


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service's manifest.

    ``modules`` maps module IDs to classes; ``kinds`` names a tuple of `Spec` subclasses; ``tasks`` maps names of task
    functions to functions; ``routes`` names a list of the API's route handlers, ``commands`` a list of Typer apps.
    ``reseal`` names what seals the service's secrets with the newest key: (store, keyring, who) to how many there were.
    ``follow`` names what a service has to do beside descriptors that people write, see `serai.api.apply`.
    ``attention`` names what looks for what needs somebody's attention, see `serai.daemon.attention`.
    """

    name: str
    summary: str
    modules: Mapping[str, str] = {}
    kinds: str = ""
    tasks: Mapping[str, str] = {}
    routes: str = ""
    commands: str = ""
    reseal: str = ""
    follow: str = ""
    attention: str = ""


def kinds_of(services: Iterable[Service]) -> Iterator[type[Spec]]:
    """Import and yield the kinds that services declare."""
    for service in services:
        if service.kinds:
            yield from load(service.kinds)


def load(path: str) -> Any:
    """Import ``package.module:attribute`` and return the attribute."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
