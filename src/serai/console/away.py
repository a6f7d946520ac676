"""While the platform's store, or its API, is away: how old a page is, what can't be shown, what became of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serai.api.framework import AS_OF
from serai.console.trail import trail
from serai.errors import DeadlineError, SeraiError, UnavailableError

if TYPE_CHECKING:
    from litestar import Response

    from serai.console.visit import House, Visit

AGAIN = "again"  # the part of every page that holds nothing: its head tells whether the page could be had as of now
LATER = {"retry-after": "5"}  # seconds
STATUS = 503


def is_away(error: SeraiError) -> bool:
    """Tell whether an error says that somebody does not answer, and nothing of what was asked."""
    return isinstance(error, UnavailableError | DeadlineError)


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


def outcome(error: SeraiError) -> str:
    """Return what to tell of a change that could not be made, since somebody did not answer."""
    if error.fields.get("done"):
        return f"{error.public} A part of this was done before: look at it before you send it again."
    if isinstance(error, DeadlineError) or error.fields.get("outcome") == "unknown":
        return f"{error.public} Nobody can tell whether this was done: look before you send it again."
    if "as_of" in error.fields:
        return "Nothing was changed: the platform's store does not answer now. What you typed is kept on this page."
    return f"Nothing was changed. {error.public}"


def _who(visit: Visit) -> bytes:
    return visit.session.encode("latin-1")
