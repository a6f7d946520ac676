"""``serai runtime``: the interpreters of this host. The operator's, on the machine itself: no part of the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from serai.services.terminal import DryRunOption, JsonOption, Terminal

runtimes = typer.Typer(name="runtime", help="This host's interpreters, which apps choose from.", no_args_is_help=True)


@runtimes.command("list")
def list_runtimes(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the interpreters that programs can ask for, and where they are."""
    from serai.services.apps.recipes.runtimes import discover  # noqa: PLC0415 - only here

    terminal: Terminal = ctx.obj
    rows: list[dict[str, Any]] = [
        {
            "language": one.language,
            "version": ".".join(map(str, one.version)),
            "at": str(one.mount.source) if one.mount else one.executable,
        }
        for one in discover(terminal.home)
    ]
    rows.sort(key=lambda row: (row["language"], [int(part) for part in row["version"].split(".")]))
    terminal.table(rows, ("language", "version", "at"), as_json=as_json, empty="There is none.")


@runtimes.command("add")
def add_runtime(
    ctx: typer.Context,
    language: Annotated[str, typer.Argument(metavar="LANGUAGE", help="python or node.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Such as 3.12; the newest of it is taken.")],
    source: Annotated[
        str,
        typer.Option("--from", help="A folder with bin/ in it, or a mirror's URL (of uv's builds, of npm's registry)."),
    ] = "",
    dry_run: DryRunOption = False,
) -> None:
    """Add an interpreter for programs that ask for it; all others keep theirs."""
    from serai.services.apps.interpreters import Wish, add, check  # noqa: PLC0415 - only here

    terminal: Terminal = ctx.obj
    wish = Wish(language=language, version=version, source=source)
    check(wish)
    if dry_run:
        terminal.note(f"Would add {language} {version} to {terminal.home / 'runtimes'}.")
        return
    added = add(terminal.home, wish)
    terminal.note(f"{language} {'.'.join(map(str, added.version))} is there for the next builds.")
