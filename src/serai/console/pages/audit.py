"""The audit: who changed what, and who was refused what. Tenants see theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters
from serai.api.audit import Changes, Refusals
from serai.console.depend import Visitor
from serai.console.nav import Crumb, Nav
from serai.console.shape import all_kinds
from serai.console.visit import Visit
from serai.errors import InvalidError

NAV = (
    Nav(title="Audit", path="/tenants/{tenant}/audit", order=90, action="audit.read"),
    Nav(title="Audit of all", path="/audit", order=91, action="audit.read"),
)
AT_ONCE = 50
#: What can be looked for, and how it is called.
WORDS: Mapping[str, str] = {"who": "Who", "kind": "Kind", "name": "Name"}
DAYS = ("since", "until")
SYSTEM = "system"  # who did what nobody asked for; all others have their kind before their name


@get(["/audit", "/tenants/{tenant:str}/audit"])
async def changes(visit: Visitor) -> Response[str]:
    """Show who changed what, newest first."""
    found = await visit.calls.read(Changes, "/v1/audit/changes", _query(visit), keep=True)
    return _page(visit, "audit.html", "Changes", found)


@get(["/audit/refusals", "/tenants/{tenant:str}/audit/refusals"])
async def refusals(visit: Visitor) -> Response[str]:
    """Show who was refused what, newest first."""
    found = await visit.calls.read(Refusals, "/v1/audit/refusals", _query(visit), keep=True)
    return _page(visit, "audit-refusals.html", "Refusals", found)


def _query(visit: Visit) -> Parameters:
    given = visit.request.query_params
    words: dict[str, str | int | None] = {name: given.get(name, "").strip() or None for name in WORDS}
    if words["who"] and ":" not in str(words["who"]) and words["who"] != SYSTEM:
        words["who"] = f"user:{words['who']}"
    times = {name: _day(given.get(name, ""), name) for name in DAYS}
    return {"tenant": visit.where, "limit": AT_ONCE, "before": given.get("before") or None, **words, **times}


def _day(text: str, name: str) -> int | None:
    """Return the beginning of a day in UTC, for ``until`` its end, in seconds since the epoch."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return int((day + timedelta(days=name == "until")).timestamp())
    except (ValueError, OverflowError):
        raise InvalidError("A day is written YYYY-MM-DD.", path=name) from None


def _page(visit: Visit, template: str, title: str, found: Changes | Refusals) -> Response[str]:
    given = visit.request.query_params
    return visit.page(
        template,
        title=title,
        crumbs=(Crumb(visit.tenant, visit.home), Crumb("Audit")) if visit.tenant else (Crumb("Audit"),),
        items=found.items,
        next=str(found.next or ""),
        words=WORDS,
        shown={kind.KIND for kind in all_kinds()},
        wanted={name: given.get(name, "") for name in (*WORDS, *DAYS)},
    )


ROUTES: list[ControllerRouterHandler] = [changes, refusals]
