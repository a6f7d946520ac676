"""Users: who can sign in."""

from __future__ import annotations

from typing import Annotated

import typer

from serai.api.client import descriptor, segment
from serai.cli.common import Login
from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.asking import ask_new_password
from serai.services.paths import PLATFORM
from serai.services.terminal import DryRunOption, JsonOption, change

app = typer.Typer(name="user", help="People who can sign in.", no_args_is_help=True)


@app.command("list")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List users."""
    terminal: Terminal = ctx.obj
    items = terminal.api.pages("/v1/user", {"limit": 1000})
    rows = [{"login": item["name"], **item["spec"]} for item in items]
    terminal.table(rows, ("login", "email", "title", "disabled"), as_json=as_json)


@app.command()
def show(ctx: typer.Context, login: Login, as_json: JsonOption = False) -> None:
    """Show a user: memberships, second factors, how many tokens and sessions."""
    terminal: Terminal = ctx.obj
    told = terminal.api.call("GET", f"/v1/users/{segment(login)}")
    lines = [f"{key}: {value}" for key, value in told.items() if not isinstance(value, list)]
    lines += [f"factor: {one}" for one in told["factors"]]
    lines += [f"{one['role']} of {one['tenant'] or 'the platform'} {one['app']}".strip() for one in told["members"]]
    terminal.result(told, "\n".join(lines), as_json=as_json)


@app.command()
def add(
    ctx: typer.Context,
    login: Login,
    email: Annotated[str, typer.Option(help="Their address.")],
    title: Annotated[str, typer.Option(help="As they want to be called.")] = "",
    operator: Annotated[bool, typer.Option("--operator", help="They may everything.")] = False,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password instead of printing a link.")
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make a user and print a link by which they set their password, once, within a day."""
    terminal: Terminal = ctx.obj
    body = {"login": login, "email": email, "title": title}
    if password and not dry_run:
        body["password"] = ask_new_password()
    made = change(terminal, f"make the user {login}", "POST", "/v1/users", body, dry_run=dry_run)
    if made is None:
        return
    if operator:
        terminal.api.put("member", PLATFORM, login, {"role": "operator"})
    terminal.note(f"The user {login} is there.")
    if not password:
        _print_link(terminal, login, factors=False, as_json=False)


@app.command()
def disable(ctx: typer.Context, login: Login, dry_run: DryRunOption = False) -> None:
    """Lock a user out: sessions end, tokens stop to count."""
    _set(ctx.obj, login, disabled=True, dry_run=dry_run)


@app.command()
def enable(ctx: typer.Context, login: Login, dry_run: DryRunOption = False) -> None:
    """Let a user in again."""
    _set(ctx.obj, login, disabled=False, dry_run=dry_run)


@app.command()
def delete(
    ctx: typer.Context,
    login: Login,
    confirm: Annotated[str, typer.Option(help="The login once more.")] = "",
    dry_run: DryRunOption = False,
) -> None:
    """Delete a user with memberships, tokens, sessions and whatever they prove themselves with."""
    terminal: Terminal = ctx.obj
    if confirm != login and not dry_run:
        raise InvalidError(f"Say --confirm {login} to delete it.", path="confirm")
    path = descriptor("user", PLATFORM, login)
    query = {"confirm": confirm}
    if change(terminal, f"delete the user {login}", "DELETE", path, query=query, dry_run=dry_run) is not None:
        terminal.note(f"The user {login} is gone.")


@app.command()
def reset(
    ctx: typer.Context,
    login: Login,
    factors: Annotated[
        bool, typer.Option("--factors", help="Take authenticator app, recovery codes and passkeys away, too.")
    ] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """End a user's password and sessions, and print a link by which they set a new one, once, within a day."""
    terminal: Terminal = ctx.obj
    if dry_run:
        terminal.note(f"Would end the password and the sessions of {login}.")
        return
    _print_link(terminal, login, factors=factors, as_json=as_json)


def _print_link(terminal: Terminal, login: str, *, factors: bool, as_json: bool) -> None:
    told = terminal.api.call("POST", f"/v1/users/{segment(login)}/reset", {"factors": factors})
    told["link"] = terminal.url(told["link"])
    terminal.note(f"Give this link to {login} alone; `serai accept` takes it, too. It is not shown again.")
    terminal.result(told, told["link"], as_json=as_json)


def _set(terminal: Terminal, login: str, *, disabled: bool, dry_run: bool) -> None:
    verb = "disable" if disabled else "enable"
    path = descriptor("user", PLATFORM, login)
    if change(terminal, f"{verb} {login}", "PATCH", path, {"disabled": disabled}, dry_run=dry_run) is not None:
        terminal.note(f"The user {login} is {verb}d.")
