"""What `serai up --demo` adds: a tenant, and three commands to try."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from pathlib import Path

import serai
from serai.cli.terminal import Terminal
from serai.errors import AlreadyExistsError, UnavailableError

TENANT = "demo"
EXAMPLE = "examples/flask"
PATIENCE = 10.0  # seconds that the API may take to answer after the host said it serves


def prepare(terminal: Terminal) -> None:
    """Make the tenant where it is missing, and say what to do next."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            terminal.api.call("POST", "/v1/tenants", {"name": TENANT, "title": "A tenant to try things with"})
        except AlreadyExistsError:
            pass
        except UnavailableError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
            continue
        break
    terminal.note(hint(terminal))


def hint(terminal: Terminal) -> str:
    """Return commands that work as they stand in any terminal of this user, whatever its folder and PATH."""
    url = terminal.url(f"https://{TENANT}.localhost/hello/")
    home = shlex.quote(str(terminal.home.absolute()))
    flag = "" if _is_default(terminal) else f" --home {home}"
    ca = "" if url.startswith("http:") else f" --cacert {home}/data/tls/ca.pem"
    command = _command()
    return (
        f"Now try, in another terminal:\n\n"
        f"    {command} deploy {_example()} --app hello --tenant {TENANT}{flag}\n"
        f"    curl{ca} {url}\n"
        f"    {command} status{flag}\n\n"
        f"`{_trust(home, flag)}` lets browsers and curl know this host's certificates by themselves.\n"
        f"The console is at {terminal.url('https://console.localhost/')}: "
        f"`{command} user add YOU --email YOU@example.com --operator{flag}` prints the link that lets you in."
    )


def _trust(home: str, flag: str) -> str:
    """Return what lets this machine trust the host: root may, whose PATH and home are others."""
    if os.geteuid() == 0:
        return f"{_command()} trust{flag}"
    return f"sudo {shlex.quote(str(Path(sys.argv[0]).absolute()))} trust --home {home}"


def _command() -> str:
    """Return what runs this same `serai`: its name where PATH leads to it, else its whole path."""
    own = Path(sys.argv[0]).absolute()
    found = shutil.which("serai")
    if not own.is_file() or (found is not None and Path(found).samefile(own)):
        return "serai"
    return shlex.quote(str(own))


def _example() -> str:
    """Return where the example lies in the source tree that this runs from, a placeholder where there is none."""
    for top in (Path.cwd(), Path(serai.__file__).parents[2]):
        if (top / EXAMPLE).is_dir():
            return shlex.quote(str(top / EXAMPLE))
    return "FOLDER"


def _is_default(terminal: Terminal) -> bool:
    from serai.daemon.home import default_path  # noqa: PLC0415 - only here

    # Another terminal need not have the variable.
    return "SERAI_HOME" not in os.environ and terminal.home.absolute() == default_path().absolute()
