"""The machine itself: up, down, status, plan, reload, upgrade."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from serai.cli import host_status
from serai.cli.terminal import Terminal
from serai.errors import SeraiError
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer()

SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE over serai.toml, such as host.base=example.test.")
]


@app.command()
def up(
    ctx: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", help="Return when the host serves.")] = False,
    sets: SetOption = None,
    with_demo: Annotated[bool, typer.Option("--demo", help="Make a tenant to try things with.")] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Start this host; in the foreground unless --detach."""
    from serai.cli import demo, machine  # noqa: PLC0415 - the kernel: only what changes the host pays for it

    terminal: Terminal = ctx.obj
    if dry_run:
        _plan(terminal, sets or [], as_json=False)
        return

    def ready(told: dict[str, Any]) -> None:
        terminal.note(f"Serai {told['version']} serves at {told['home']}.")
        if with_demo:
            demo.prepare(terminal)

    machine.up(terminal.home, detach=detach, sets=sets or [], on_ready=ready)


@app.command()
def down(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Let this host finish what it accepted, and end it."""
    from serai.cli import machine  # noqa: PLC0415 - the kernel: only what changes the host pays for it

    terminal: Terminal = ctx.obj
    if dry_run:
        terminal.note(f"Would end the host at {terminal.home}.")
        return
    machine.down(terminal.home)
    terminal.note("The host has ended.")


@app.command()
def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show modules, workers, memory: all green, or the reason. Exits with 9 where it is not."""
    terminal: Terminal = ctx.obj
    told = _status(terminal)
    if as_json:
        terminal.result(told, as_json=True)
    else:
        terminal.table(host_status.rows(told), host_status.COLUMNS)
        terminal.result(told, host_status.verdict(told))
    if not told["ok"]:
        raise typer.Exit(9)


@app.command()
def plan(ctx: typer.Context, sets: SetOption = None, as_json: JsonOption = False) -> None:
    """Show the machine that serai.toml describes: group, modules, user, sockets, processes."""
    _plan(ctx.obj, sets or [], as_json=as_json)


@app.command()
def reload(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Apply serai.toml without dropping a connection; a mistake leaves everything as it was."""
    from serai.cli import machine  # noqa: PLC0415 - the kernel: only what changes the host pays for it

    terminal: Terminal = ctx.obj
    if dry_run:
        _plan(terminal, [], as_json=False)
        return
    changed = machine.reload(terminal.home).get("changed") or []
    terminal.note(f"Renewed: {', '.join(changed)}." if changed else "Nothing has changed.")


@app.command()
def upgrade(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Run the code that is installed now, supervisor included, without dropping a connection."""
    from serai.cli import machine  # noqa: PLC0415 - the kernel: only what changes the host pays for it

    terminal: Terminal = ctx.obj
    if dry_run:
        terminal.note("Would replace supervisor and workers by the installed version.")
        return
    terminal.note(f"Serai {machine.upgrade(terminal.home).get('version', '')} runs.")


def _status(terminal: Terminal) -> dict[str, Any]:
    """Ask the API, and the supervisor itself where the API is not well: then its state is what matters most."""
    try:
        told: dict[str, Any] = terminal.api.call("GET", "/v1/status")
    except SeraiError:
        if terminal.place.server is not None:
            raise
        from serai.cli import machine  # noqa: PLC0415 - only here

        return machine.status(terminal.home)
    return told


def _plan(terminal: Terminal, sets: list[str], *, as_json: bool) -> None:
    from serai.cli import machine  # noqa: PLC0415 - the kernel: only what changes the host pays for it

    planned = machine.planned(terminal.home, sets)
    rows = [msgspec.to_builtins(row) for row in planned]
    for row in rows:
        row["sockets"] = list(row["sockets"])
    terminal.table(rows, ("group", "module", "user", "processes", "sockets"), as_json=as_json)
    if machine.differs(terminal.home, planned):
        terminal.note("The host that runs is another: serai.toml or --set differ. `serai reload` applies serai.toml.")
