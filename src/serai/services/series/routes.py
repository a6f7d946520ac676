"""What the API offers of the numbers over time. Each route only names its action and asks the module."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation

from serai.daemon.module import Context
from serai.errors import InvalidError, NotFoundError
from serai.identity import Target
from serai.services.series import asking
from serai.services.series.asking import Ask, AskGlance, Curves, Glance, Order, State
from serai.services.series.lately import MINUTES
from serai.services.series.names import FIGURES, Figure, Where
from serai.services.series.recorder import HOST

Ctx = NamedDependency[SkipValidation[Context]]
Aim = NamedDependency[SkipValidation[Target]]
Moment = Annotated[float, msgspec.Meta(ge=-1e10, le=1e10)]
From = Annotated[float, QueryParameter(name="from", ge=-1e10, le=1e10)]
To = Annotated[float, QueryParameter(name="to", ge=-1e10, le=1e10)]
Step = Annotated[int, QueryParameter(ge=0, le=asking.STEPS[-1])]
Limit = Annotated[int, QueryParameter(ge=1, le=asking.MAX_GLANCE)]
Points = Annotated[int, QueryParameter(ge=1, le=MINUTES)]
MAX_QUERY = 16 << 10  # characters of a list of apps
HOUR = -3600.0


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One name that may be asked for."""

    name: str
    unit: str
    about: str
    where: tuple[Where, ...]


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked for, and what is kept."""

    items: list[Named]
    kept: State


@get("/v1/series", action="series.read", summary="List the numbers over time", operation_id="listSeries")
async def names(ctx: Ctx, target: Aim) -> Names:
    """Return the names there are, of the host or, with ``tenant``, of tenants and apps; and how long they are kept."""
    kept = msgspec.convert(await ctx.bus.call(asking.STATE), State)
    wheres: tuple[Where, ...] = ("tenant", "app") if target.tenant else ("host", "tenant", "app")
    found: dict[str, Named] = {}
    for where in wheres:
        for name, figure in FIGURES[where].items():
            found[name] = _named(figure, (*found[name].where, where) if name in found else (where,))
    return Names(items=list(found.values()), kept=kept)


@get("/v1/series/{tenant:str}", action="series.read", summary="Read numbers over time", operation_id="readSeries")
async def of_tenant(
    ctx: Ctx, target: Aim, names: FromQuery[str] = "", since: From = HOUR, until: To = 0.0, step: Step = 0
) -> Curves:
    """Return curves of a tenant's apps together, or («-») of the host.

    ``names`` are separated by commas; ``from`` and ``to`` are seconds since the epoch or, up to 0, from now.
    """
    return await _read(ctx, target.tenant or HOST, names, (since, until), step)


@get(
    "/v1/series/{tenant:str}/{app:str}", action="series.read", summary="Read numbers of an app over time",
    operation_id="readAppSeries",
)  # fmt: skip
async def of_app(
    ctx: Ctx,
    target: Aim,
    app: FromPath[str],
    names: FromQuery[str] = "",
    since: From = HOUR,
    until: To = 0.0,
    step: Step = 0,
) -> Curves:
    """Return curves of an app; as those of a tenant."""
    if not target.tenant:
        raise NotFoundError("The platform itself has no apps.", app=app)
    return await _read(ctx, f"{target.tenant}/{app}", names, (since, until), step)


@get("/v1/glance", action="series.read", summary="See apps at a glance", operation_id="glance")
async def glance(
    ctx: Ctx,
    target: Aim,
    apps: FromQuery[str] = "",
    order: FromQuery[Order] = "name",
    after: FromQuery[str] = "",
    limit: Limit = 50,
    points: Points = 30,
) -> Glance:
    """Return how apps do now and did in the last hour: those of a tenant, or of all.

    ``apps`` (APP, or TENANT/APP, separated by commas) names some; without, all that run or were visited are there.
    ``order`` by anything but the name puts the greatest first; ``points`` is a divisor of 60.
    """
    if len(apps) > MAX_QUERY or MINUTES % points:
        raise InvalidError("points is a divisor of 60, and a list of apps is not that long.", path="points")
    wanted = tuple(name if "/" in name else f"{target.tenant}/{name}" for name in _split(apps))
    for name in wanted:
        asking.check_target(name)
    ask = AskGlance(tenant=target.tenant, apps=wanted, order=order, after=after, limit=limit, points=points)
    return msgspec.convert(await ctx.bus.call(asking.GLANCE, msgspec.to_builtins(ask)), Glance)


async def _read(ctx: Context, target: str, names: str, times: tuple[float, float], step: int) -> Curves:
    asking.check_target(target)
    now = ctx.clock.now()
    since, until = (when if when > 0 else now + when for when in times)
    ask = Ask(target=target, names=_split(names[:MAX_QUERY]), since=since, until=until, step=step)
    answer: Any = await ctx.bus.call(asking.READ, msgspec.to_builtins(ask))
    return msgspec.convert(answer, Curves)


def _split(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _named(figure: Figure, where: tuple[Where, ...]) -> Named:
    return Named(name=figure.name, unit=figure.unit, about=figure.about, where=where)


ROUTES = [names, of_tenant, of_app, glance]
