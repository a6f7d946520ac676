"""Errors as pages: what happened, and what to do about it. Nothing that was typed is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from serai.api.problems import STATUS, UNKNOWN
from serai.console.away import absent, undone
from serai.console.visit import House, Visit
from serai.errors import DeadlineError, InternalError, SeraiError, UnavailableError

AnyRequest = Request[Any, Any, Any]
#: Sentences in the place of the framework's own.
_SAID = {404: "No page has that address.", 405: "This address takes no such request.", 413: "The form is too large."}

log = structlog.get_logger("console")


class Advice(msgspec.Struct, frozen=True):
    """What a page says about a status: its title, and what to do."""

    title: str
    advice: str


ADVICE: Mapping[int, Advice] = {
    400: Advice("That can't be done as it was asked", "Go back, change what is said above, and send it again."),
    403: Advice("You may not do that", "Ask an owner of the tenant, or an operator, for a role that allows it."),
    404: Advice("There is nothing here", "It was deleted, or it is somebody else's. Look for it in the lists."),
    405: Advice("There is no such button", "Go back to the page and use what it offers now."),
    409: Advice("Somebody else was quicker", "Look at it as it is now, and decide again."),
    413: Advice("That is too large", "Go back: what you typed is still there. Send less of it at once."),
    415: Advice("That is no form", "Go back to the page and send it from there."),
    429: Advice("That was too much at once", "Wait a little, and try again."),
    500: Advice(
        "That is our own mistake", "It has been logged under the number below, which an operator can look for."
    ),
    501: Advice("This host can't do that", "An operator can tell which one can."),
}


def on_serai_error(request: AnyRequest, error: SeraiError) -> Response[str]:
    """Answer an error of the house: somebody unknown signs in on the spot, all else is a page that says what to do."""
    visit = visit_of(request)
    need = error.fields.get("need")
    if need == "sign-in":
        return visit.page(
            "sign-in.html",
            title="Sign in",
            http_status=UNKNOWN,
            next=visit.here,
            carried=visit.carry(),
            form=None,
            error="",
        )
    if need == "form" and visit.received is not None:
        return visit.page(
            "again.html", title="Send it again?", http_status=STATUS[error.code], carried=visit.offer(visit.carry())
        )
    if isinstance(error, UnavailableError | DeadlineError):
        return absent(visit, error) if request.method == "GET" else undone(visit, error)
    status = STATUS[error.code]
    if status == STATUS["internal"]:
        log.error("console.failed", request=visit.request_id, error=error.public)
    headers = {"retry-after": str(error.fields["retry_after"])} if "retry_after" in error.fields else None
    return refuse(visit, status, error.public, headers=headers)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[str]:
    """Answer what the framework refused: unknown paths and methods, bodies that are too large."""
    status = error.status_code if error.status_code in ADVICE else 400 if error.status_code < 500 else 500
    return refuse(visit_of(request), status, _SAID.get(status, error.detail))


def on_bug(request: AnyRequest, error: Exception) -> Response[str]:
    """Answer our own mistake without a word about its inside, and log all of it."""
    log.error("console.bug", path=request.scope["path"], exc_info=error)
    return on_serai_error(request, InternalError("That failed by our own mistake."))


def refuse(visit: Visit, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response[str]:
    """Return the page of an error; where something was typed, it can be sent again from there."""
    advice = ADVICE[status]
    return visit.page(
        "error.html",
        title=advice.title,
        http_status=status,
        headers=headers,
        detail=detail,
        advice=advice.advice,
        code=status,
        carried=visit.offer(visit.carry()),
    )


def visit_of(request: AnyRequest) -> Visit:
    """Return the visit of a request, also where it failed before there was one."""
    found = request.scope["state"].get("visit")
    if isinstance(found, Visit):
        return found
    house: House = request.app.state["house"]
    visit = Visit(request, house)
    request.scope["state"]["visit"] = visit
    return visit
