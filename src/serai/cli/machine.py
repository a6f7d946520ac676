"""Start, look at and change a host: what `serai up`, `down`, `status`, `plan`, `reload`, `upgrade` do.

Also the entry point of the supervisor itself (``python -P -m serai.cli.machine --home DIR``). Light on imports: a
command line waits for another process, which has to import all that runs a host, see `serai.cli.supervise`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from serai import api, console
from serai.daemon import modules
from serai.daemon.ask import ask
from serai.daemon.entry import command
from serai.daemon.home import Home, prepare
from serai.daemon.lean import later, without
from serai.daemon.registry import Registry
from serai.errors import BY_CODE, AlreadyExistsError, InternalError, SeraiError, UnavailableError
from serai.services.registry import services

if TYPE_CHECKING:
    from serai.daemon import plan

START_SECONDS = 60.0
#: Seconds for a reload or an upgrade: they wait for new workers, not for old ones to drain.
CHANGE_SECONDS = 120.0
#: Seconds for an orderly end, over the drain deadline.
END_SECONDS = 3700.0

Ready = Callable[[dict[str, Any]], None]


def up(home: Path, *, detach: bool = False, sets: Sequence[str] = (), on_ready: Ready | None = None) -> dict[str, Any]:
    """Start a host, and return ``{"pid", "home", "version"}`` once all its modules serve.

    In the foreground (``detach`` False) this process becomes the supervisor and the call never returns;
    ``on_ready`` then runs in a short-lived process beside it. Raises what forbade the start.
    """
    place = prepare(home)
    if _runs(place):
        raise AlreadyExistsError(f"A Serai host runs already at {place.path}.")
    if not detach:
        _become(place, sets, on_ready)
    told = _start(place, sets)
    if on_ready is not None:
        on_ready(told)
    return told


def down(home: Path) -> dict[str, Any]:
    """Let a host finish what it accepted and end it."""
    told: dict[str, Any] = ask(Home(home.absolute()).control, "down", deadline=END_SECONDS)
    return told


def status(home: Path) -> dict[str, Any]:
    """Return the host's `serai.daemon.status.HostStatus` as plain data."""
    told: dict[str, Any] = ask(Home(home.absolute()).control, "status")
    return told


def planned(home: Path, sets: Sequence[str] = ()) -> list[plan.Row]:
    """Return the machine as serai.toml describes it, without a running host."""
    from serai.daemon import config, plan  # noqa: PLC0415 - they load every module that is planned

    registry = installed()
    place = Home(home.absolute())
    planned = plan.build(config.load(place.config, sets, registry.ids()), registry, place.path)
    return plan.rows(planned, root=os.geteuid() == 0)


def differs(home: Path, rows: Sequence[plan.Row]) -> bool:
    """Tell whether a host runs at this home that is another than these rows; no answer counts as no."""
    from serai.daemon.plan import Row  # noqa: PLC0415 - as above

    try:
        running = ask(Home(home.absolute()).control, "plan", deadline=2.0)
    except SeraiError:
        return False
    return msgspec.convert(running, list[Row]) != list(rows)


def reload(home: Path) -> dict[str, Any]:
    """Apply serai.toml: ``{"changed": [group…]}``, or raise what refused, with everything as it was."""
    told: dict[str, Any] = ask(Home(home.absolute()).control, "reload", deadline=CHANGE_SECONDS)
    return told


def upgrade(home: Path) -> dict[str, Any]:
    """Run the code that is installed now, supervisor included: ``{"version"}``, or raise what refused."""
    told: dict[str, Any] = ask(Home(home.absolute()).control, "upgrade", deadline=CHANGE_SECONDS)
    return told


def metrics(home: Path) -> str:
    """Return the metrics of all workers, summed, in Prometheus' text format."""
    return str(ask(Home(home.absolute()).control, "metrics"))


def settings() -> str:
    """Return a serai.toml that explains every setting of the host and of all installed modules."""
    from serai.daemon.reference import documented  # noqa: PLC0415 - rarely asked for

    registry = installed()
    return documented({}, {module_id: registry.get(module_id).Config for module_id in registry.ids()})


def installed() -> Registry:
    """Return the modules of this installation: the platform's own, the services', third parties'."""
    return Registry({each.name: each for each in (modules.SERVICE, api.SERVICE, console.SERVICE, *services().values())})


def _runs(home: Home) -> bool:
    try:
        ask(home.control, "ping", deadline=2.0)
    except UnavailableError:
        return False
    return True


def _start(home: Home, sets: Sequence[str]) -> dict[str, Any]:
    """Start a detached supervisor and wait for its one line: what it is, or why it is not."""
    reader, writer = os.pipe()
    (home.path / "logs").mkdir(exist_ok=True)
    with (home.path / "logs/boot.log").open("wb") as boot, os.fdopen(reader, "rb") as answers:
        subprocess.Popen(
            [*_scope(lasting=True), *command(home, sets, "--ready-fd", str(writer))],
            stdin=subprocess.DEVNULL,
            stdout=boot,
            stderr=boot,
            pass_fds=(writer,),
            start_new_session=True,
            cwd="/",
        )
        os.close(writer)
        line = answers.readline()
    return _told(line, home)


def _scope(*, lasting: bool) -> tuple[str, ...]:
    """Return the words before a supervisor's command by which systemd gives a plain user control groups."""
    if os.geteuid() == 0:
        return ()
    from serai.cloud.drivers.process.cgroups_open import own_group  # noqa: PLC0415 - not for root
    from serai.cloud.drivers.process.cgroups_systemd import scope  # noqa: PLC0415

    return scope(own_group(), lasting=lasting)


def _told(line: bytes, home: Home) -> dict[str, Any]:
    if not line:
        raise InternalError(f"The host did not start; {home.path / 'logs/boot.log'} may say why.")
    answer = msgspec.json.decode(line, type=dict[str, Any])
    error = answer.get("error")
    if error is not None:
        raise BY_CODE.get(error["code"], InternalError)(error["public"], **error["fields"])
    result: dict[str, Any] = answer["result"]
    return result


def _become(home: Home, sets: Sequence[str], on_ready: Ready | None) -> NoReturn:
    more = ["--terminal"]
    if on_ready is not None:
        reader, writer = os.pipe()
        if os.fork() == 0:
            _announce(reader, writer, home, on_ready)
        os.close(reader)
        os.set_inheritable(writer, True)
        more += ["--ready-fd", str(writer)]
    argv = [*_scope(lasting=False), *command(home, sets, *more)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(argv[0], argv)  # noqa: S606 - a fixed vector, no shell


def _announce(reader: int, writer: int, home: Home, on_ready: Ready) -> NoReturn:
    """Run ``on_ready`` beside the supervisor; it says itself what went wrong where it did not start."""
    os.close(writer)
    status = 0
    try:
        with os.fdopen(reader, "rb") as answers:
            line = answers.readline()
        with suppress(SeraiError):
            on_ready(_told(line, home))
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - nothing may unwind into the caller's frames
        status = 1
        sys.excepthook(*sys.exc_info())
    os._exit(status)


if __name__ == "__main__":
    later("prometheus_client")  # all of it, that is, with a web server: its core is enough
    # structlog would take both: for tracebacks that nobody sees, and threads that nobody has.
    with without("rich", "greenlet"):
        from serai.cli import supervise

    sys.exit(supervise.main(installed()))
