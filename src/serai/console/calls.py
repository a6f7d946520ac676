"""The API as one visitor may use it: their cookies and their address go with every call, and nothing else does.

Each method raises the API's error by its code; `UnavailableError` and `DeadlineError` where the API is away. Such an
error has the field ``silent`` where it is the platform's store, or the API itself, that does not answer, and ``done``
where the visit has changed something before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

import msgspec

from serai.api.answers import MAX_TARGET, Parameters, error_of, with_query
from serai.api.framework import AS_OF
from serai.console.known import Known
from serai.console.wire import SAFE, Answer, Request, Wire
from serai.errors import DeadlineError, InternalError, InvalidError, SeraiError, UnavailableError

T = TypeVar("T")

#: Of a visitor's request, what the API is told: who they are, from where, and which page their browser was on.
PASSED = frozenset({b"host", b"cookie", b"origin", b"sec-fetch-site", b"user-agent", b"x-forwarded-for"})
BAD = 300  # statuses from here on are no answer: the API redirects nobody


class Reply(msgspec.Struct, frozen=True):
    """An answer's JSON (None where there is none), and its header fields by their names in lower case."""

    data: Any
    fields: Mapping[str, str]


class Calls:
    """Ask the API for one visitor. ``who`` is the cookie of their session.

    ``cookies`` gathers what answers set: the visitor's browser is to get it. ``as_of`` is the time (seconds since the
    epoch) of the oldest answer that was known from before, since the API or the store is away; None while all is new.
    ``silent`` is which of the two is. ``kept`` are the targets of answers that are kept for later.
    """

    def __init__(self, wire: Wire, known: Known, fields: Mapping[bytes, bytes], who: str, request_id: str) -> None:
        passed = [(name, value) for name, value in fields.items() if name in PASSED]
        self._fields = (*passed, (b"x-request-id", request_id.encode()), (b"accept", b"application/json"))
        self._wire = wire
        self._known = known
        self._who = who.encode("latin-1")
        self.cookies: list[str] = []
        self.as_of: float | None = None
        self.silent: Literal["", "API", "store"] = ""
        self.kept: list[str] = []
        self._done = 0  # changes

    async def get(self, path: str, query: Parameters | None = None, *, keep: bool = False) -> Any:
        """Return what a GET answers, as plain data. With ``keep`` the last known answer does while the API is away."""
        return msgspec.json.decode(await self._read(with_query(path, query), keep=keep))

    async def maybe(self, path: str, query: Parameters | None = None) -> Any:
        """Return what a GET answers, or the last known answer; None while there is neither: the page does without."""
        try:
            return await self.get(path, query, keep=True)
        except (UnavailableError, DeadlineError):
            return None

    async def read(self, kind: type[T], path: str, query: Parameters | None = None, *, keep: bool = False) -> T:
        """Return the same as a struct of the API's own."""
        return msgspec.json.decode(await self._read(with_query(path, query), keep=keep), type=kind)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make any other request; a body is sent as JSON. Return its JSON, None where there is none."""
        return (await self.exchange(method, path, body, query, headers)).data

    async def exchange(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make a request and return its JSON with the header fields that came with it."""
        more = {"content-type": "application/json"} if body is not None else {}
        data = b"" if body is None else msgspec.json.encode(body)
        answer, octets = await self._call(
            self._request(method, with_query(path, query), {**more, **(headers or {})}, data)
        )
        self._done += method not in SAFE
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.fields}
        try:
            return Reply(msgspec.json.decode(octets) if octets else None, fields)
        except msgspec.DecodeError as error:
            raise InternalError("The platform's answer is not JSON.") from error

    @asynccontextmanager
    async def stream(
        self, path: str, query: Parameters | None = None, accept: str = "text/event-stream"
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the octets of an answer that goes on, as they come."""
        request = self._request("GET", with_query(path, query), {"accept": accept})
        async with self._wire.stream(request) as answer:
            if answer.status >= BAD:
                self._check(answer, await answer.read())
            yield answer.pieces()

    async def upload(self, tenant: str, pieces: AsyncIterator[bytes]) -> str:
        """Store a blob, streamed, and return its SHA-256 in hexadecimal."""
        target = with_query("/v1/blobs", {"tenant": tenant})
        more = {"content-type": "application/octet-stream"}
        answer, octets = await self._wire.upload(self._request("PUT", target, more, pieces))
        self._check(answer, octets)
        self._done += 1
        return str(msgspec.json.decode(octets)["blob"])

    async def _read(self, target: str, *, keep: bool) -> bytes:
        try:
            answer, octets = await self._call(self._request("GET", target))
        except (UnavailableError, DeadlineError):
            found = self._known.find(self._who, target) if keep else None
            if found is None:
                raise
            when, octets = found
            self._note(when)
            return octets
        behind = as_of(answer)
        if behind is not None:
            self._note(behind)
            self.silent = "store"
        elif keep:
            self._known.keep(self._who, target, octets)
            self.kept.append(target)
        return octets

    async def _call(self, request: Request) -> tuple[Answer, bytes]:
        try:
            answer, octets = await self._wire.call(request)
        except (UnavailableError, DeadlineError) as error:
            self._tell(error, "API")
            raise
        self._check(answer, octets)
        return answer, octets

    def _note(self, when: float) -> None:
        self.as_of = when if self.as_of is None else min(when, self.as_of)

    def _tell(self, error: SeraiError, silent: Literal["", "API", "store"]) -> None:
        """Say with an error what only this visit knows of it."""
        if silent:
            self.silent = silent
            error.fields["silent"] = silent
        if self._done:
            error.fields["done"] = self._done

    def _request(
        self, method: str, target: str, more: Mapping[str, str] | None = None, body: bytes | AsyncIterator[bytes] = b""
    ) -> Request:
        if len(target) > MAX_TARGET:
            raise InvalidError("A name is too long.", path="name")
        given = {name.encode("ascii"): value.encode("latin-1") for name, value in (more or {}).items()}
        usual = [(name, value) for name, value in self._fields if name not in given]
        return Request(method, target, (*usual, *given.items()), body)

    def _check(self, answer: Answer, octets: bytes) -> None:
        self.cookies += [value.decode("latin-1") for name, value in answer.fields if name == b"set-cookie"]
        if answer.status >= BAD:
            error = error_of(answer.status, octets)
            if isinstance(error, UnavailableError | DeadlineError):
                self._tell(error, "" if as_of(answer) is None else "store")
            raise error


def as_of(answer: Answer) -> float | None:
    """Return how old an answer of the API is (seconds since the epoch), None where it is of now."""
    text = next((value for name, value in answer.fields if name == AS_OF), b"")
    return float(text) if text else None
