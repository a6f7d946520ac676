"""While the platform's store, or its API, is away: how old a page is, what can't be shown, what became of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.api.framework import AS_OF
from serai.api.problems import STATUS as API_STATUS
from serai.console.trail import trail
from serai.errors import DeadlineError, SeraiError

if TYPE_CHECKING:
    from litestar import Response

    from serai.console.visit import House, Visit

AGAIN = "again"  # the part of every page that says how old it would be, and nothing where it would be of now
TEMPLATE = "known.html"
LATER = {"retry-after": "5"}  # seconds
STATUS = 503


def fields(visit: Visit) -> dict[str, str]:
    """Return the header field that says how old a page is, none where it is of now."""
    as_of = visit.calls.as_of
    return {} if as_of is None else {AS_OF.decode(): str(int(as_of))}


def remember(visit: Visit) -> None:
    """Keep which page somebody saw, where it is of now and its answers are kept."""
    calls = visit.calls
    if visit.login and visit.request.method == "GET" and not visit.part and calls.as_of is None and calls.kept:
        house: House = visit.request.app.state["house"]
        house.known.saw(_who(visit), str(visit.request.scope["path"]), visit.here, calls.kept)


def absent(visit: Visit, error: SeraiError) -> Response[str]:
    """Return the page in the place of one that can't be had now: why, and where to look meanwhile."""
    way = trail(visit)
    house: House = visit.request.app.state["house"]
    seen = house.known.seen(_who(visit), str(visit.request.scope["path"]))
    return visit.page(
        "away.html",
        title=visit.app or way[-1].title,
        crumbs=way if len(way) > 1 else (),
        http_status=STATUS,
        headers=LATER,
        gap=way[-1].title,
        silent=visit.calls.silent,
        why=error.public if not visit.calls.silent or visit.may("host.status") else "",
        seen=seen if seen is not None and seen.here != visit.here else None,
    )


def undone(visit: Visit, error: SeraiError) -> Response[str]:
    """Return the answer to a form that nobody could take: what became of it, and what was typed, to be sent again."""
    return visit.page(
        "undone.html",
        title="The platform does not answer now",
        http_status=API_STATUS[error.code],
        headers=LATER,
        gap="",
        said=_outcome(error),
        why=error.public if visit.may("host.status") or not error.fields.get("silent") else "",
        carried=visit.offer(visit.carry()),
    )


def _outcome(error: SeraiError) -> str:
    if error.fields.get("done"):
        return "A part of this was done, then nobody answered any more: look at it before you send it again."
    if isinstance(error, DeadlineError) or error.fields.get("outcome") == "unknown":
        return "Nobody can tell whether this was done: look before you send it again."
    who = error.fields.get("silent")
    return f"Nothing was changed: the platform's {who} does not answer now." if who else "Nothing was changed."


def _who(visit: Visit) -> bytes:
    return visit.session.encode("latin-1")
