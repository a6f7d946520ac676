"""Whose mistake it was: ours (local) or theirs (remote, with a hint for the reply)."""

from __future__ import annotations


class ProtocolError(Exception):
    """HTTP was broken by somebody."""


class LocalProtocolError(ProtocolError):
    """We were about to send what HTTP forbids: a bug."""


class RemoteProtocolError(ProtocolError):
    """The other side sent what can't be understood, or more than we take.

    ``status`` is what a server should answer (RFC 9110 §15.5, §15.6); the connection must be closed afterwards, since
    nobody can know where the next message begins.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
