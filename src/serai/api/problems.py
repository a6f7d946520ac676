"""Errors as RFC 9457 problem details: the one table from code to HTTP status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from serai.errors import InternalError, InvalidError, SeraiError

STATUS: Mapping[str, int] = {
    "invalid": 400,
    "denied": 403,
    "not_found": 404,
    "already_exists": 409,
    "conflict": 409,  # RFC 9110 section 13.1.1: 412 is what may be said, and a version is not all that conflicts
    "exhausted": 429,
    "internal": 500,
    "unsupported": 501,
    "unavailable": 503,
    "deadline": 504,
}

METHOD = 405  # not one that the path has
UNKNOWN = 401  # nobody was recognised: a kind of "denied" that a sign-in may mend

#: What the framework itself answers (no such path, no such method, too large) in our codes.
_CODES: Mapping[int, str] = {UNKNOWN: "denied", 403: "denied", 404: "not_found", 413: "exhausted", 503: "unavailable"}

MEDIA_TYPE = "application/problem+json"
_LONGEST = 500  # characters of a value that a problem repeats

log = structlog.get_logger("api")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is an error (RFC 9457 section 3.1); ``code`` and ``fields`` extend it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str  # the request's ID, as logs have it
    code: str
    temporary: bool = False
    fields: dict[str, Any] = {}


def bare(detail: str) -> bytes:
    """Return the problem of what is no request: it has no ID."""
    title = HTTPStatus(STATUS["invalid"]).phrase
    return msgspec.json.encode(
        Problem(
            type="urn:serai:problem:invalid", title=title, status=STATUS["invalid"], detail=detail, instance="",
            code="invalid",
        )
    )  # fmt: skip


def render(request: Request[Any, Any, Any], code: str, status: int, detail: str, **more: Any) -> Response[Problem]:
    """Return a problem as an answer; ``more`` are a problem's further fields and ``headers``."""
    headers = more.pop("headers", None)
    problem = Problem(
        type=f"urn:serai:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail[:_LONGEST],
        instance=request_id(request),
        code=code,
        **more,
    )
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def request_id(request: Request[Any, Any, Any]) -> str:
    """Return the ID that this request has in answers and logs."""
    return str(request.scope["state"].get("request_id", ""))


def on_serai_error(request: Request[Any, Any, Any], error: SeraiError) -> Response[Problem]:
    """Answer an error of the house."""
    status = STATUS[error.code]
    headers = {}
    if error.fields.get("need") == "sign-in":
        status, headers = UNKNOWN, {"www-authenticate": "Bearer"}  # RFC 9110 section 15.5.2
    if "retry_after" in error.fields:
        headers["retry-after"] = str(error.fields["retry_after"])
    if status == STATUS["internal"]:
        log.error("request.failed", request=request_id(request), error=error.public, **_plain(error.fields))
    fields = _plain(error.fields)
    return render(
        request, error.code, status, error.public, temporary=error.temporary, fields=fields, headers=headers or None
    )


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer what the framework refused: unknown paths and methods, bodies that don't fit their type."""
    status = error.status_code
    code = _CODES.get(status, "invalid" if status < STATUS["internal"] else "internal")
    extra = getattr(error, "extra", None)
    fields: dict[str, Any] = {"errors": extra} if isinstance(extra, list) else {}
    headers = dict(error.headers or {})
    if status == METHOD:
        forms: Mapping[re.Pattern[str], str] = request.app.state["methods"]
        headers["allow"] = next((methods for form, methods in forms.items() if form.match(request.scope["path"])), "")
    return render(request, code, status, unfit(error), fields=fields, headers=headers)


def unfit(error: HTTPException) -> str:
    """Return what the framework refused: of values, which ones and why, and not all that was asked for."""
    extra = getattr(error, "extra", None)
    faults = [one for one in extra if isinstance(one, dict) and one.get("key")] if isinstance(extra, list) else []
    return "; ".join(f"{one['key']}: {one.get('message', 'it does not fit')}" for one in faults) or error.detail


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer our own mistake without a word about its inside, and log all of it."""
    if isinstance(error, RecursionError):  # msgspec's answer to values nested too deeply
        return on_serai_error(request, InvalidError("The body is nested too deeply."))
    log.error("request.bug", request=request_id(request), path=request.scope["path"], exc_info=error)
    return on_serai_error(request, InternalError("That failed by our own mistake; it has been logged."))


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error's fields as JSON can hold them, none of them long."""
    return {
        key: value if isinstance(value, (int, float, bool, type(None))) else str(value)[:_LONGEST]
        for key, value in fields.items()
    }
