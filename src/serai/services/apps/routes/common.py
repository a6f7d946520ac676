"""What the routes of apps have in common: where they are, and what they are given."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from serai.daemon.module import Context
from serai.identity import Principal, Target
from serai.identity.seal import Keyring
from serai.services.apps.addresses import Site

PATH = "/v1/apps/{tenant:str}/{app:str}"

Ctx = NamedDependency[SkipValidation[Context]]
Caller = NamedDependency[SkipValidation[Principal]]
Aim = NamedDependency[SkipValidation[Target]]
Keys = NamedDependency[SkipValidation[Keyring]]
AppName = FromPath[str]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all bodies have in common: unknown fields are errors."""


class Started(msgspec.Struct, frozen=True):
    """What goes on as tasks, in the order in which they run."""

    tasks: tuple[str, ...] = ()


def site_of(ctx: Context) -> Site:
    """Return where the platform is."""
    return Site(ctx.host, ctx.base)
