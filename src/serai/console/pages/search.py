"""Find a thing by the beginning of its name, among those that the visitor may see; a task by its ID."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import segment
from serai.api.shapes import Page
from serai.console.depend import Visitor
from serai.console.homes import home_of
from serai.console.pages.kinds_history import path_of
from serai.console.shape import action_of, shape
from serai.console.visit import Visit
from serai.errors import DeniedError, NotFoundError
from serai.tasks.view import TaskView

EACH = 10  # of one kind, in one tenant
TENANTS = 20  # that are looked through for who can't see all
MOST = 100  # characters
KINDS = ("app", "tenant", "domain", "user", "schedule")  # that are looked for


class Hit(msgspec.Struct, frozen=True):
    """Something found: what it is, whose, and its page."""

    kind: str
    name: str
    tenant: str
    path: str


@get("/search")
async def search(visit: Visitor) -> Response[str]:
    """Show what begins like that."""
    wanted = visit.request.query_params.get("q", "").strip()[:MOST]
    looks = [*_looks(visit, wanted), _task(visit, wanted)] if wanted else []
    found = [hit for hits in await asyncio.gather(*looks) for hit in hits]
    return visit.page("search.html", title="Search", wanted=wanted, hits=found)


def _looks(visit: Visit, wanted: str) -> Iterator[asyncio.Task[list[Hit]]]:
    for kind in KINDS:
        action = action_of(shape(kind).kind, "read")
        where = [None] if visit.may(action) else [one for one in visit.tenants()[:TENANTS] if visit.may(action, one)]
        for tenant in where:
            yield asyncio.ensure_future(_find(visit, kind, tenant, wanted.lower()))


async def _find(visit: Visit, kind: str, tenant: str | None, wanted: str) -> list[Hit]:
    query = {"tenant": tenant, "prefix": wanted, "limit": EACH}
    found = await visit.calls.read(Page, f"/v1/{kind}", query, keep=True)
    return [Hit(kind, one.name, one.tenant, _page(kind, one.tenant, one.name)) for one in found.items]


def _page(kind: str, tenant: str, name: str) -> str:
    return home_of(kind, tenant, name) or path_of(kind, tenant, name)


async def _task(visit: Visit, wanted: str) -> list[Hit]:
    """Return the task with that ID; what is no ID is not asked for, since the API writes down what it refuses."""
    if len(wanted) != 36 or wanted.count("-") != 4:
        return []
    try:
        task = await visit.calls.read(TaskView, f"/v1/tasks/{segment(wanted)}")
    except (NotFoundError, DeniedError):
        return []
    return [Hit("task", task.function, task.tenant, f"/tasks/{segment(task.id)}")]


ROUTES: list[ControllerRouterHandler] = [search]
