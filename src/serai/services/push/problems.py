"""What push answers who gets no stream: problem details (RFC 9457), by the one table from code to status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from serai.errors import SeraiError
from serai.services.push.permits import NobodyError

STATUS: Mapping[str, int] = {
    "invalid": 400,
    "denied": 403,
    "not_found": 404,
    "already_exists": 409,
    "conflict": 409,
    "exhausted": 429,
    "internal": 500,
    "unsupported": 405,
    "unavailable": 503,
    "deadline": 504,
}


def problem(error: SeraiError, status: int = 0) -> tuple[int, bytes, bytes]:
    """Return status, header lines and body of the answer that an error is."""
    status = status or (401 if isinstance(error, NobodyError) else STATUS.get(error.code, 500))
    body = {
        "type": f"urn:serai:problem:{error.code}", "title": HTTPStatus(status).phrase, "status": status,
        "detail": error.public, "code": error.code, "temporary": error.temporary,
    }  # fmt: skip
    lines = b"Content-Type: application/problem+json\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    if status == 401:
        lines += b"WWW-Authenticate: Bearer\r\n"  # RFC 9110 section 15.5.2
    if status == 405:
        lines += b"Allow: GET\r\n"
    if status == 426:
        lines += b"Sec-WebSocket-Version: 13\r\n"  # RFC 6455 section 4.4
    if error.temporary:
        lines += b"Retry-After: 5\r\n"
    return status, lines, msgspec.json.encode(body)
