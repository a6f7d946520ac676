"""What can be asked about the platform itself."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get
from litestar.types import ControllerRouterHandler

import serai
from serai.api.depend import AllKinds, Ctx
from serai.daemon import control
from serai.daemon.home import Home

METRICS = "text/plain; version=0.0.4; charset=utf-8"


class About(msgspec.Struct, frozen=True):
    """What is answering."""

    version: str
    host: str
    base: str
    kinds: list[str]
    last_change: int


@get("/v1/about", action="about.read", summary="Show what is answering", operation_id="about")
async def about(ctx: Ctx, kinds: AllKinds) -> About:
    """Return the version, the host, and the kinds of descriptor there are."""
    return About(
        serai.__version__, ctx.host, ctx.base, sorted(kind.KIND for kind in kinds), await ctx.store.last_change()
    )


@get("/v1/status", action="host.status", summary="Show the host's state", operation_id="status")
async def status(ctx: Ctx) -> dict[str, Any]:
    """Return what the supervisor knows: workers, modules, memory; ``ok``, or the reasons why not."""
    told: dict[str, Any] = await control.request(Home(ctx.home).control, "status")
    return told


@get("/v1/plan", action="host.status", summary="Show the machine", operation_id="plan")
async def plan(ctx: Ctx) -> list[dict[str, Any]]:
    """Return what runs: for each module its group, user, sockets and number of processes."""
    rows: list[dict[str, Any]] = await control.request(Home(ctx.home).control, "plan")
    return rows


@get("/v1/metrics", action="host.status", summary="Read the metrics", operation_id="metrics", media_type=METRICS)
async def metrics(ctx: Ctx) -> str:
    """Return the metrics of all workers, summed, in Prometheus' text format."""
    return str(await control.request(Home(ctx.home).control, "metrics"))


ROUTES: list[ControllerRouterHandler] = [about, status, plan, metrics]
