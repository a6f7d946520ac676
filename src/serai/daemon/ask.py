"""Ask a host's supervisor at run/control.sock: one JSON line for a question and one for the answer.

Light on imports, for a command line asks before it knows what else it needs.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec

from serai.errors import BY_CODE, DeadlineError, DeniedError, InternalError, SeraiError, UnavailableError

MAX_LINE = 64 << 20  # octets of an answer


def answer(result: Any) -> bytes:
    """Encode an answer: a result, or an error."""
    if isinstance(result, SeraiError):
        error = {"code": result.code, "public": result.public, "fields": result.fields}
        return msgspec.json.encode({"error": error}, enc_hook=str) + b"\n"
    return msgspec.json.encode({"result": result}, enc_hook=str) + b"\n"


def ask(path: Path, verb: str, *, deadline: float = 10.0, **arguments: Any) -> Any:
    """Ask the supervisor behind a control socket, blocking.

    Raises its error by code, `UnavailableError` where nobody answers, `DeadlineError` after ``deadline`` seconds.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(deadline)
            sock.connect(str(path))
            sock.sendall(msgspec.json.encode({"do": verb, **arguments}) + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline(MAX_LINE)
    except TimeoutError:
        raise DeadlineError(f"The host did not answer within {deadline} seconds.") from None
    except PermissionError:
        raise DeniedError(f"You may not control the host at {path.parent.parent}.") from None
    except ConnectionRefusedError:  # the socket of a supervisor that could not take it away
        text = "was killed: `serai up` starts it again, and takes over what still runs of it"
        raise UnavailableError(f"The Serai host at {path.parent.parent} {text}.") from None
    except OSError:
        raise UnavailableError(f"No Serai host runs at {path.parent.parent}: `serai up` starts one.") from None
    return result_of(line, path)


def result_of(line: bytes, path: Path) -> Any:
    """Return what an answer of the supervisor at ``path`` holds, or raise the error that it is."""
    try:
        reply = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        raise UnavailableError(f"The host at {path.parent.parent} ended before it answered.") from None
    error = reply.get("error")
    if error is not None:
        raise BY_CODE.get(error["code"], InternalError)(error["public"], **error["fields"])
    return reply.get("result")
