"""Native errors to codes; whether a transaction was surely not applied is said by whoever knows how far it was.

SQLSTATE: PostgreSQL's manual, appendix A.
"""

from __future__ import annotations

import psycopg

from serai.errors import DeadlineError, ExhaustedError, InternalError, InvalidError, SeraiError, UnavailableError
from serai.store.cluster.address import Address

#: Nothing was applied, and the same may go well at once: serialization, deadlock, lock time-out, too many
#: connections, starting up, shutting down, killed by an operator or because it was idle too long.
_PASSING = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03", "57P05", "25P03", "25P02"}
_FULL = {"53100": "the disk of the database is full", "53200": "the database has no memory left"}
_REFUSED = {
    "25006": "may not be written",
    "28000": "refused us",
    "28P01": "refused our password",
    "3D000": "does not exist",
    "3F000": "has no schema of ours",
    "42501": "may not be used as we do",
    "58030": "can't be read or written",
    "XX001": "is damaged",
    "XX002": "is damaged",
}
_TOO_LARGE = {"54000", "22001"}
#: Newer code removed what this one uses: the next connection finds out and says so.
_UNKNOWN_NAME = {"42703", "42P01", "42883"}


class SilentError(Exception):
    """The server took longer than it may for an answer; the connection is of no more use."""


def translate(error: Exception, address: Address) -> SeraiError:
    """Return the coded error for a native one, of something that was surely not applied."""
    if isinstance(error, SilentError | psycopg.errors.ConnectionTimeout):
        return DeadlineError(f"the database {address} does not answer")
    state = getattr(error, "sqlstate", None) or ""
    if state in _FULL:
        return ExhaustedError(_FULL[state])
    if state == "57014":
        return DeadlineError(f"the database {address} took too long", temporary=True)
    if state in _REFUSED:
        return UnavailableError(f"the database {address} {_REFUSED[state]}", temporary=False)
    if state in _TOO_LARGE:
        return InvalidError("a value is too large for the store", path="")
    if state in _PASSING or state.startswith("08"):
        return UnavailableError(f"the database {address} is busy or restarts ({state})", temporary=True)
    if isinstance(error, psycopg.OperationalError) and not state:
        return UnavailableError(f"the database {address} is away", temporary=not _is_refusal(error))
    return InternalError(f"the database refused a statement ({state or type(error).__name__})", sqlstate=state)


def unknown(address: Address) -> UnavailableError:
    """Return the error of a commit of which nobody can tell how it ended."""
    return UnavailableError(
        f"the database {address} went away in a commit: whether it was done is unknown",
        temporary=False,
        outcome="unknown",
    )


def is_fatal(error: Exception) -> bool:
    """Tell whether a connection that raised this has to be made anew, even where it still works."""
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, SilentError) or state in _UNKNOWN_NAME or state in {"25006", "0A000"}


def _is_refusal(error: psycopg.OperationalError) -> bool:
    """Tell a wrong password or name, which libpq tells by its text alone, from a server that is away."""
    text = str(error)
    return any(
        sign in text
        for sign in ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password", "not permitted")
    )
