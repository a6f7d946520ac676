"""``serai app shell``: a shell, or one command, inside a running instance."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Any

import typer

from serai.errors import ConflictError, DeadlineError, SeraiError, UnavailableError
from serai.services.apps.commands.target import AppName, Target
from serai.services.terminal import DryRunOption, TenantOption

#: How a shell ended that did not end by itself.
ENDS: dict[str, SeraiError] = {
    "idle": DeadlineError("The shell was ended: nobody said anything for long."),
    "expired": DeadlineError("The shell was ended: it was open as long as one may be."),
    "detached": DeadlineError("The shell was ended: nobody could be reached here for a while."),
    "ended": ConflictError("Somebody ended the shell."),
    "stopped": UnavailableError("The shell has ended, as its instance has."),
    "lost": UnavailableError("The shell is gone, and nobody saw how it ended."),
}
TERM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")  # as the API takes it
SIGNALLED = 128  # what a shell adds to a signal's number


def shell(
    ctx: typer.Context,
    app: AppName,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND…]", help="What to run there; default: a shell.")
    ] = None,
    instance: Annotated[str, typer.Option(help="In which instance; default: one of the newest live release.")] = "",
    process: Annotated[str, typer.Option(help="In an instance of which process.")] = "web",
    terminal: Annotated[
        bool | None,
        typer.Option("--terminal/--no-terminal", "-t/-T", help="With a terminal; default: if this is one."),
    ] = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Open a shell in a running instance, or run a command there, and end as that ends.

    It may do what the instance may, sees what it sees and ends with it. What is piped in is read there, what is
    written there comes out here.
    """
    from serai.services.apps.commands.conversation import Conversation, window  # noqa: PLC0415 - only here

    target = Target(ctx, app, tenant)
    here = sys.stdin.isatty() and sys.stdout.isatty()
    wish: dict[str, Any] = {"command": command or [], "instance": instance, "process": process}
    if here if terminal is None else terminal:
        wish |= {"terminal": window(), "term": _term()}
    doing = f"run {command[0]}" if command else "open a shell"
    told = target.change(f"{doing} in {instance or app}", "POST", "shells", body=wish, dry_run=dry_run)
    if told is None:
        return

    talk = Conversation(target, told["id"], raw="terminal" in wish and sys.stdin.isatty())
    raise typer.Exit(_status(talk.run()))


def _status(told: dict[str, Any]) -> int:
    failure = ENDS.get(told["reason"])
    if failure is not None:
        raise failure
    code = int(told["code"])
    return code if code >= 0 else SIGNALLED - code


def _term() -> str:
    given = os.environ.get("TERM", "")
    return given if TERM.match(given) else "xterm-256color"
