"""What `serai up --demo` adds: a tenant, and three commands to try."""

from __future__ import annotations

import time

from serai.cli.terminal import Terminal
from serai.errors import AlreadyExistsError, UnavailableError

TENANT = "demo"
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
    url = terminal.url(f"https://{TENANT}.localhost/hello/")
    flag = "" if _is_default(terminal) else f" --home {terminal.home}"
    ca = "" if url.startswith("http:") else f" --cacert {terminal.home / 'data/tls/ca.pem'}"
    terminal.note(
        f"Now try:\n\n"
        f"    serai deploy examples/flask --app hello{flag}\n"
        f"    curl{ca} {url}\n"
        f"    serai status{flag}\n\n"
        f"`serai trust{flag}` lets browsers and curl know this host's certificates by themselves."
    )


def _is_default(terminal: Terminal) -> bool:
    from serai.daemon.home import default_path  # noqa: PLC0415 - only here

    return terminal.home.absolute() == default_path().absolute()
