"""Be the supervisor of a home: the process that `serai.cli.machine` starts, the warm parent of all workers."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from serai.daemon import config, launch, linux, plan, record
from serai.daemon.ask import answer
from serai.daemon.home import Home, prepare
from serai.daemon.registry import Registry
from serai.daemon.room import has_none, is_full, no_room
from serai.daemon.supervisor import Supervisor
from serai.errors import InternalError, SeraiError, UnavailableError


def main(registry: Registry, arguments: Sequence[str] | None = None) -> int:
    """Run the modules of ``registry`` until the host ends, or with ``--check`` try whether it could start."""
    parser = argparse.ArgumentParser(prog="serai.cli.machine")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--set", dest="sets", action="append", default=[])
    parser.add_argument("--ready-fd", type=int, default=-1)
    parser.add_argument("--terminal", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            return _check(Home(options.home.absolute()), options.sets, registry)
        return _supervise(options, registry)
    except SeraiError as error:
        refusal = no_room(options.home) if error.code == "internal" and has_none(options.home) else error
    except OSError as error:
        refusal = no_room(options.home) if is_full(error) else UnavailableError(f"The host can't start: {error}.")
    _say(options.ready_fd, answer(refusal))
    sys.stderr.write(f"serai: {refusal.public}\n")
    return 1


def _check(home: Home, sets: Sequence[str], registry: Registry) -> int:
    launch.warm_up()
    plan.build(config.load(home.config, sets, registry.ids()), registry, home.path)
    if home.record.exists() and record.read(home.record) is None:
        raise InternalError("This code does not understand the running supervisor's record.")
    return 0


def _supervise(options: argparse.Namespace, registry: Registry) -> int:
    linux.share_heap()
    launch.warm_up()
    home = prepare(options.home)
    supervisor = Supervisor(home, registry, options.sets, terminal=options.terminal)

    def ready(told: dict[str, Any]) -> None:
        _say(options.ready_fd, answer(told))

    asyncio.run(supervisor.run(ready))
    return 0


def _say(fd: int, line: bytes) -> None:
    if fd >= 0:
        with suppress(OSError):
            os.write(fd, line)
            os.close(fd)
