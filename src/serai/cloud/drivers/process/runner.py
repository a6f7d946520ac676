"""Run a command that is a value, and wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence

from serai.errors import DeadlineError, InternalError

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


async def run(argv: Sequence[str], *, text: str = "", deadline: float = 10.0, check: bool = True) -> tuple[int, str]:
    """Run ``argv`` with ``text`` as its input; return its exit status and what it said.

    Raises `InternalError` where it fails and ``check`` is set, `DeadlineError` after ``deadline`` seconds.
    """
    # A file, not a pipe: a command that ends without reading its input must not fail the writer.
    source = os.memfd_create("input") if text else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if text:
            os.pwrite(source, text.encode(), 0)
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=ENVIRONMENT,
        )
    except OSError as error:
        raise InternalError("A command could not be run.", argv=list(argv), error=str(error)) from error
    finally:
        os.close(source)
    try:
        async with asyncio.timeout(deadline):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise DeadlineError("A command took too long.", argv=list(argv)) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    said = output.decode(errors="replace")[-2000:]
    if check and process.returncode:
        raise InternalError("A command failed.", argv=list(argv), status=process.returncode, output=said)
    return process.returncode or 0, said
