"""The client that the command line uses: HTTP over a home's Unix socket, or over TLS to a platform elsewhere.

It imports little, since each command pays for it; answers are plain data, errors are those of the house.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from email.message import Message
from pathlib import Path
from typing import Any

from serai.api.answers import MAX_ANSWER, MAX_TARGET, Parameters, descriptor, error_of, segment, with_query
from serai.api.kept import Kept
from serai.api.remote import Home, Server
from serai.errors import DeadlineError, InternalError, InvalidError, UnavailableError

__all__ = ["Client", "descriptor", "segment"]

QUIET = 60.0  # seconds; the API sends a sign of life more often


class Client:
    """Talk to the API of one platform: by the path of a home's socket, or elsewhere.

    ``token`` proves who asks; without one the kernel does, at a home's own socket. ``timeout`` is in seconds, for each
    wait on the socket. Every method raises the API's error by its code; `UnavailableError` where no platform runs
    there, `DeadlineError` where it does not answer in time.
    """

    def __init__(self, place: Path | Server, *, token: str = "", timeout: float = 60.0) -> None:
        self._place = Home(place) if isinstance(place, Path) else place
        self._always = {"authorization": f"Bearer {token}"} if token else {}
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
        return self.exchange(method, with_query(path, query), body, headers)[0]

    def exchange(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Any, Message]:
        """Make one request and return its JSON with the header fields that came with it."""
        data = None if body is None else json.dumps(body).encode()
        with closing(self._open()) as connection:
            answer = self._ask(connection, method, target, data, headers or {})
            return self._json(answer), answer.headers

    def stream(self, path: str, query: Parameters | None = None) -> Iterator[Any]:
        """Yield the JSON lines of an answer as they come, for as long as they come."""
        with closing(self._open()) as connection:
            answer = self._ask(connection, "GET", with_query(path, query), None, {})
            self._be_patient(connection)
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
            self._be_patient(connection)
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

    def keep(self) -> Kept:
        """Return a connection that is kept for what is sent piece after piece."""
        fields = {"content-type": "application/octet-stream"}

        def post(connection: http.client.HTTPConnection, path: str, data: bytes, query: Parameters | None) -> Any:
            return self._json(self._ask(connection, "POST", with_query(path, query), data, fields))

        return Kept(self._open, post)

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

    def _open(self) -> http.client.HTTPConnection:
        connection = self._place.connection(self._timeout)
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise self._place.unreachable(error) from error
        return connection

    def _be_patient(self, connection: http.client.HTTPConnection) -> None:
        """Wait for what a stream tells; from afar only while it shows signs of life, which it does when quiet."""
        if connection.sock is not None:
            connection.sock.settimeout(None if isinstance(self._place, Home) else QUIET)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, target: str, body: Any, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if len(target) > MAX_TARGET:
            raise InvalidError("A name is too long.", path="name")
        try:
            # A broken pipe: it has answered before it read everything, and the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                chunked = "transfer-encoding" in headers
                connection.request(method, target, body, {**self._always, **headers}, encode_chunked=chunked)
            answer = connection.getresponse()
        except TimeoutError as error:
            raise DeadlineError("The platform does not answer in time.") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError("The platform ended the connection.") from error
        if answer.status >= http.client.MULTIPLE_CHOICES:  # it redirects nobody who speaks to it
            raise error_of(answer.status, answer.read(MAX_ANSWER))
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


def _framed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out empty chunks: in chunked coding an empty one would end the body (RFC 9112 section 7.1)."""
    return (chunk for chunk in chunks if chunk)
