"""Let this machine's programs trust the certificates of a home's own authority, and end that."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import typer

from serai.cli.terminal import Terminal
from serai.errors import DeniedError, NotFoundError, UnavailableError, UnsupportedError
from serai.services.terminal import DryRunOption

app = typer.Typer()

STORE = Path("/usr/local/share/ca-certificates")
UPDATE = "update-ca-certificates"
UPDATE_SECONDS = 120


@app.command()
def trust(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Let this machine trust this host's certificates (as root; Debian, Ubuntu and their like)."""
    terminal: Terminal = ctx.obj
    authority = terminal.home / "data/tls/ca.pem"
    if not authority.is_file():
        raise NotFoundError(f"There is no {authority} yet: it is made when the host first starts.")
    _change(terminal, dry_run=dry_run, copy=authority)


@app.command()
def untrust(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Let this machine trust this host's certificates no longer."""
    _change(ctx.obj, dry_run=dry_run, copy=None)


def installed_name(home: Path) -> str:
    """Return the file name of a home's authority in the system's store; homes side by side differ."""
    text = "".join(c if c.isascii() and c.isalnum() else "-" for c in str(home.absolute())).strip("-")
    return f"serai-{text[-80:]}.crt"


def _change(terminal: Terminal, *, dry_run: bool, copy: Path | None) -> None:
    target = STORE / installed_name(terminal.home)
    if dry_run:
        terminal.note(f"Would {'copy ' + str(copy) + ' to' if copy else 'remove'} {target} and run {UPDATE}.")
        return
    program = shutil.which(UPDATE)
    if program is None:
        raise UnsupportedError(f"There is no {UPDATE} here; add {copy or target} to the system's store by its own way.")
    try:
        if copy is not None:
            shutil.copyfile(copy, target)
            target.chmod(0o644)
        else:
            target.unlink(missing_ok=True)
    except PermissionError as error:
        raise DeniedError("Only root may change whom this machine trusts: try again with sudo.") from error
    done = subprocess.run([program], capture_output=True, text=True, timeout=UPDATE_SECONDS, check=False)
    if done.returncode:
        raise UnavailableError(f"{UPDATE} failed: {done.stderr.strip()[-300:]}")
    terminal.note("Trusted. Browsers with a store of their own (Firefox) ask once." if copy else "No longer trusted.")
