"""What a CGI program is told: the meta-variables of RFC 3875 section 4.1, above its own environment."""

from __future__ import annotations

import os
import re
from email.message import Message
from typing import NamedTuple

from .output import TOKEN
from .paths import Found, Settings

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?\Z")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*\Z")


class Request(NamedTuple):
    """What of a request a program is told. ``length`` is its body's, None where it has none."""

    method: str
    target: str
    query: str
    version: str
    headers: Message
    client: str
    length: int | None


def prefix_of(headers: Message) -> str:
    """Return what the edge took off the path, "" for nothing: "/hello/1"."""
    prefix = str(headers.get("x-forwarded-prefix", "")).rstrip("/")
    return prefix if _PREFIX.match(prefix) else ""


def environment(settings: Settings, request: Request, found: Found) -> dict[str, str]:
    """Return the whole environment of a program."""
    headers = request.headers
    host = _HOST.match(headers.get("host", ""))
    secure = headers.get("x-forwarded-proto") == "https"
    prefix = prefix_of(headers)
    variables = {
        **{key: value for key, value in os.environ.items() if key != "REDIRECT_STATUS"},
        **_fields(headers),
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "serai",
        "SERVER_PROTOCOL": request.version,
        "SERVER_NAME": host[1] if host else "localhost",
        "SERVER_PORT": "443" if secure else "80",
        "REQUEST_METHOD": request.method,
        "REQUEST_URI": prefix + request.target,
        "REQUEST_SCHEME": "https" if secure else "http",
        "SCRIPT_NAME": prefix + found.name,
        "SCRIPT_FILENAME": str(found.file),
        "DOCUMENT_ROOT": str(settings.root),
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or request.client,
        "REDIRECT_STATUS": "200",  # php-cgi refuses to run without
    }
    if secure:
        variables["HTTPS"] = "on"
    if found.info:
        variables |= {"PATH_INFO": found.info, "PATH_TRANSLATED": f"{settings.root}{found.info}"}
    if request.length is not None:
        variables["CONTENT_LENGTH"] = str(request.length)
        variables["CONTENT_TYPE"] = headers.get("content-type", "")
    return variables


def _fields(headers: Message) -> dict[str, str]:
    names: dict[str, list[str]] = {}
    for name, value in headers.items():
        # "_" and "-" become one in a variable's name; HTTP_PROXY is a setting to many a program (CVE-2016-5385).
        if TOKEN.match(name) and "_" not in name and name.lower() not in _NOT_FIELDS:
            names.setdefault(name.upper().replace("-", "_"), []).append(" ".join(value.split("\r\n")))
    return {f"HTTP_{name}": ("; " if name == "COOKIE" else ", ").join(values) for name, values in names.items()}


_NOT_FIELDS = frozenset({"proxy", "content-type", "content-length", "transfer-encoding", "connection"})
