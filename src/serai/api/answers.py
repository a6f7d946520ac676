"""What clients of the API share, whatever they speak through: paths that mean a name, and errors from problems.

Pure, and light on imports: each command of the command line pays for it.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping

from serai.errors import (
    BY_CODE,
    DeadlineError,
    ExhaustedError,
    InternalError,
    NotFoundError,
    SeraiError,
    UnavailableError,
)
from serai.services.paths import PLATFORM, segment

__all__ = ["MAX_ANSWER", "MAX_TARGET", "Parameters", "descriptor", "error_of", "segment", "with_query"]

Parameters = Mapping[str, str | int | bool | None]
MAX_TARGET = 8000  # octets of a path with its query; the API takes little more
MAX_ANSWER = 64 << 20  # octets of one answer that is not a stream

#: What answers that are none of the API's mean: the edge's own, or some server's between us.
_BY_STATUS: Mapping[int, type[SeraiError]] = {
    404: NotFoundError,
    413: ExhaustedError,
    429: ExhaustedError,
    502: UnavailableError,
    503: UnavailableError,
    504: DeadlineError,
}


def descriptor(kind: str, tenant: str, name: str) -> str:
    """Return the path of a descriptor, whatever its name holds."""
    return "/v1/" + "/".join(segment(part) for part in (kind, tenant or PLATFORM, name))


def with_query(path: str, query: Parameters | None) -> str:
    """Return a path with those parameters that are not None."""
    given = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (query or {}).items()
        if value is not None
    }
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def error_of(status: int, body: bytes) -> SeraiError:
    """Return the error that an answer of this status tells (RFC 9457), or what it means where it is none of the API."""
    try:
        problem = json.loads(body)
        cls = BY_CODE[problem["code"]]
        fields = {key: value for key, value in problem.get("fields", {}).items() if key != "temporary"}
        return cls(problem["detail"], temporary=bool(problem.get("temporary")), **fields)
    except (ValueError, KeyError, TypeError):
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        kind = _BY_STATUS.get(status, InternalError)
        return kind(f"The platform answered {status}{f': {text}' if text else ', which is no answer of its API'}")
