"""What a handler may ask for by name: ``ctx``, ``principal``, ``target``, ``kinds``, ``desk``, ``keys``."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from serai.api.desk import Desk
from serai.api.kinds import Kinds
from serai.api.reads import Reads
from serai.daemon.module import Context
from serai.identity import Principal, Target

Ctx = NamedDependency[SkipValidation[Context]]
Caller = NamedDependency[SkipValidation[Principal]]
Aim = NamedDependency[SkipValidation[Target]]
People = NamedDependency[SkipValidation[Desk]]
AllKinds = NamedDependency[SkipValidation[Kinds]]


class House(msgspec.Struct, frozen=True):
    """What an application was built with; `house_of` gives it to the reads that have to be quick."""

    ctx: Context
    kinds: Kinds
    desk: Desk
    reads: Reads


def house_of(request: Request[Any, Any, Any]) -> House:
    """Return what the application that a request came to was built with."""
    found: House = request.app.state["house"]
    return found


def _principal(request: Request[Any, Any, Any]) -> Any:
    return request.scope["state"]["principal"]


def _target(request: Request[Any, Any, Any]) -> Any:
    return request.scope["state"]["target"]


def dependencies(ctx: Context, kinds: Kinds, desk: Desk) -> dict[str, Provide]:
    """Return what the application gives to its handlers."""
    return {
        "ctx": Provide(lambda: ctx, sync_to_thread=False),
        "desk": Provide(lambda: desk, sync_to_thread=False),
        "keys": Provide(lambda: desk.keyring, sync_to_thread=False),
        "kinds": Provide(lambda: kinds, sync_to_thread=False),
        "principal": Provide(_principal, sync_to_thread=False),
        "target": Provide(_target, sync_to_thread=False),
    }
