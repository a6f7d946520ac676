"""One connection for requests that follow each other closely, such as what somebody types."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from typing import Any

from serai.errors import UnavailableError

Parameters = Mapping[str, str | int | bool | None]
Post = Callable[[http.client.HTTPConnection, str, bytes, Parameters | None], Any]


class Kept:
    """Post octets on one connection, and on a new one where that was closed: some may so arrive twice."""

    def __init__(self, open_one: Callable[[], http.client.HTTPConnection], post: Post) -> None:
        self._open_one = open_one
        self._post = post
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, data: bytes, query: Parameters | None = None) -> Any:
        """Send some and return the JSON of the answer; errors are those of the client."""
        if self._connection is not None:
            try:
                return self._post(self._connection, path, data, query)
            except UnavailableError:  # it was closed since the last time, or the platform says so
                self.close()
        self._connection = self._open_one()
        try:
            return self._post(self._connection, path, data, query)
        except UnavailableError:
            self.close()
            raise

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
