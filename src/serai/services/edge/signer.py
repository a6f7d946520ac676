"""Has certificates made by a process that lives as long as there is something to look at.

So the authority's key, and the library that signs, which is larger than all else that a control worker has, are in
nobody's memory while no certificate is due; and a thousand of them to be looked at keep nobody waiting.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterable
from pathlib import Path

import msgspec

from serai.errors import BY_CODE, DeadlineError, InternalError, UnavailableError
from serai.services.edge.signing import Order, Outcome

ENTRY = "serai.services.edge.signing"
SECONDS = 300.0  # for one order: thousands of names are read, and some signed
TELLING = 500  # characters of what a process that failed said last


async def sign(folder: Path, title: str, now: float, names: Iterable[str]) -> Outcome:
    """See to it that each of ``names`` has a fresh leaf in ``folder``; ``now`` in seconds since the epoch.

    `ExhaustedError` where the disk is full, `UnavailableError` where no process can be had, `DeadlineError` after
    `SECONDS`, `InternalError` for all else.
    """
    order = msgspec.msgpack.encode(Order(str(folder), title, now, tuple(names)))
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", ENTRY, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
    except OSError as error:
        raise UnavailableError(f"No process for the certificates: {error.strerror}.") from error
    try:
        async with asyncio.timeout(SECONDS):
            told, said = await child.communicate(order)
    except TimeoutError:
        raise DeadlineError(f"No certificates were made within {SECONDS:g} seconds.") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise InternalError(f"The process that makes certificates failed: {last[:TELLING] or child.returncode}.")
    outcome = msgspec.msgpack.decode(told, type=Outcome)
    if outcome.code:
        raise BY_CODE[outcome.code](outcome.public)
    return outcome
