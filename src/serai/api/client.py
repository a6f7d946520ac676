"""The client that the command line uses: HTTP over the home's Unix socket, and nothing else.

It imports little, since each command pays for it; answers are plain data, errors are those of the house.
"""

from __future__ import annotations

import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from serai.errors import BY_CODE, DeadlineError, InternalError, InvalidError, SeraiError, UnavailableError

Parameters = Mapping[str, str | int | bool | None]
MAX_TARGET = 8000  # octets of a path with its query; the API takes little more
MAX_ANSWER = 64 << 20  # octets of one answer that is not a stream


class _Connection(http.client.HTTPConnection):
    """HTTP/1.1 over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Talk to the API of one home. ``timeout`` is in seconds, for each wait on the socket.

    Every method raises the API's error by its code; `UnavailableError` where no platform runs on that home,
    `DeadlineError` where it does not answer in time.
    """

    def __init__(self, path: Path, *, timeout: float = 60.0) -> None:
        self._path = path
        self._timeout = timeout

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make one request and return its JSON, None where there is none."""
        data = None if body is None else json.dumps(body).encode()
        with closing(self._open()) as connection:
            answer = self._ask(connection, method, with_query(path, query), data, headers or {})
            return self._json(answer)

    def stream(self, path: str, query: Parameters | None = None) -> Iterator[Any]:
        """Yield the JSON lines of an answer as they come, for as long as they come."""
        with closing(self._open()) as connection:
            answer = self._ask(connection, "GET", with_query(path, query), None, {})
            # A stream may be silent for as long as there is nothing to tell.
            connection.sock.settimeout(None)
            try:
                for line in answer:
                    if line.strip():
                        yield json.loads(line)
                answer.read()  # iteration ends silently where the connection was cut, this does not
            except (OSError, http.client.HTTPException) as error:
                raise UnavailableError("The platform ended the stream.") from error

    def events(self, path: str, query: Parameters | None = None) -> Iterator[tuple[str, str, Any]]:
        """Yield (event, ID, JSON data) of a stream of server-sent events."""
        with closing(self._open()) as connection:
            answer = self._ask(connection, "GET", with_query(path, query), None, {"accept": "text/event-stream"})
            connection.sock.settimeout(None)
            fields: dict[str, str] = {}
            for raw in _lines(answer):
                line = raw.decode().rstrip("\r\n")
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                    continue
                if "data" in fields:
                    yield fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])
                fields = {}

    def upload(self, tenant: str, chunks: Iterable[bytes]) -> str:
        """Store a blob, streamed, and return its SHA-256 in hexadecimal."""
        headers = {"content-type": "application/octet-stream", "transfer-encoding": "chunked"}
        target = with_query("/v1/blobs", {"tenant": tenant})
        with closing(self._open()) as connection:
            answer = self._ask(connection, "PUT", target, _framed(chunks), headers)
            stored: str = self._json(answer)["blob"]
            return stored

    def pages(self, path: str, query: Parameters | None = None) -> Iterator[Any]:
        """Yield the items of a list, page after page."""
        after = ""
        while True:
            page = self.call("GET", path, query={**(query or {}), "after": after})
            yield from page["items"]
            after = page["next"]
            if not after:
                return

    def get(self, kind: str, tenant: str, name: str) -> Any:
        """Return one descriptor as the API shows it."""
        return self.call("GET", descriptor(kind, tenant, name))

    def put(self, kind: str, tenant: str, name: str, spec: Mapping[str, Any], *, create: bool = False) -> Any:
        """Write a descriptor; with ``create`` only where none is."""
        headers = {"if-none-match": "*"} if create else {}
        return self.call("PUT", descriptor(kind, tenant, name), spec, headers=headers)

    def _open(self) -> _Connection:
        connection = _Connection(self._path, self._timeout)
        try:
            connection.connect()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnavailableError(
                "No platform runs on this home: start it with `serai up`.", socket=str(self._path)
            ) from error
        except (OSError, ValueError) as error:
            raise UnavailableError(f"The platform can't be reached: {error}.", socket=str(self._path)) from error
        return connection

    def _ask(
        self, connection: _Connection, method: str, target: str, body: Any, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if len(target) > MAX_TARGET:
            raise InvalidError("A name is too long.", path="name")
        try:
            # A broken pipe: it has answered before it read everything, and the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                chunked = "transfer-encoding" in headers
                connection.request(method, target, body, dict(headers), encode_chunked=chunked)
            answer = connection.getresponse()
        except TimeoutError as error:
            raise DeadlineError("The platform does not answer in time.") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError("The platform ended the connection.") from error
        if answer.status >= http.client.BAD_REQUEST:
            raise _error(answer.status, answer.read(MAX_ANSWER))
        return answer

    @staticmethod
    def _json(answer: http.client.HTTPResponse) -> Any:
        data = answer.read(MAX_ANSWER)
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError as error:
            raise InternalError("The platform's answer is not JSON.") from error


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        yield from answer
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError("The platform ended the stream.") from error


def descriptor(kind: str, tenant: str, name: str) -> str:
    """Return the path of a descriptor, whatever its name holds."""
    return "/v1/" + "/".join(segment(part) for part in (kind, tenant or "-", name))


def segment(text: str) -> str:
    """Return one path segment that means this text."""
    return urllib.parse.quote(text, safe="")


def with_query(path: str, query: Parameters | None) -> str:
    """Return a path with those parameters that are not None."""
    given = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (query or {}).items()
        if value is not None
    }
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def _framed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out empty chunks: in chunked coding an empty one would end the body (RFC 9112 section 7.1)."""
    return (chunk for chunk in chunks if chunk)


def _error(status: int, body: bytes) -> SeraiError:
    try:
        problem = json.loads(body)
        cls = BY_CODE[problem["code"]]
        fields = {key: value for key, value in problem.get("fields", {}).items() if key != "temporary"}
        return cls(problem["detail"], temporary=bool(problem.get("temporary")), **fields)
    except (ValueError, KeyError, TypeError):
        text = body[:200].decode("utf-8", "replace")
        return InternalError(f"The platform answered {status}: {text}")
