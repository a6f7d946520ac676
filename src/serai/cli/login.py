"""``serai login``, ``logout``, ``accept``: from a person to a profile, and from a link to an account."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from serai.api.client import Client
from serai.api.remote import USUAL_PORT, Server
from serai.cli import profiles
from serai.cli.profiles import Profile, check_name
from serai.cli.terminal import Terminal
from serai.errors import AlreadyExistsError, DeniedError, InvalidError, SeraiError
from serai.services.asking import ask, ask_new_password
from serai.services.terminal import DryRunOption

app = typer.Typer()

DAY = 86400  # seconds


@app.command()
def login(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the platform is: https://api.BASE.")],
    name: Annotated[str, typer.Option("--login", help="Who you are there; default: asked for.")] = "",
    profile: Annotated[str, typer.Option("--as", help="The profile's name; default: the host's.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it lasts.")] = 90,
    dry_run: DryRunOption = False,
) -> None:
    """Sign in to a platform elsewhere: login, password and code are asked for, or lines of standard input."""
    terminal: Terminal = ctx.obj
    known = profiles.load()
    asked = Server(url)
    title = check_name(profile or _name_of(asked))
    old = known.profiles.get(title)
    if old is not None and old.url != asked.url:
        raise InvalidError(f"The profile {title} is of {old.url}: say --as NAME.", path="as")
    authority = terminal.place.authority or (old.authority if old else "")
    server = Server(url, authority=authority)
    if dry_run:
        terminal.note(f"Would sign in to {server} and keep a token as the profile {title}.")
        return
    who = name or ask("Login", hidden=False)
    made = _token(server, who, f"serai login on {platform.node()}"[:200], time.time() + days * DAY)
    if old is not None:
        _end(Server(url, authority=authority), old.token)
    known.profiles[title] = Profile(url=server.url, token=made, login=who, authority=authority)
    known.current = title
    profiles.save(known)
    terminal.note(f"Signed in to {server} as {who}, for {days} days. `serai profile use -` comes back to this machine.")


@app.command()
def logout(
    ctx: typer.Context,
    profile: Annotated[str, typer.Argument(help="The profile; default: the one in use.")] = "",
    dry_run: DryRunOption = False,
) -> None:
    """Sign out: end a profile's token there, and forget it here."""
    terminal: Terminal = ctx.obj
    known = profiles.load()
    name = profile or terminal.place.profile or known.current
    if not name:
        raise InvalidError("You are signed in nowhere.", path="profile")
    gone = known.get(name)
    if dry_run:
        terminal.note(f"Would sign out of {gone.url} and forget the profile {name}.")
        return
    ended = _end(Server(gone.url, authority=gone.authority), gone.token)
    del known.profiles[name]
    known.current = "" if known.current == name else known.current
    profiles.save(known)
    terminal.note(f"Signed out of {gone.url}." if ended else f"Forgotten. {gone.url} can't be asked to end its token.")


@app.command()
def accept(ctx: typer.Context, dry_run: DryRunOption = False) -> None:
    """Take up an invitation, or set a new password, by a link: it is asked for, or a line of standard input."""
    terminal: Terminal = ctx.obj
    link = ask("Link")
    address, _, secret = link.partition("#")
    what = address.rstrip("/").rpartition("/")[2]
    if what not in {"join", "reset"} or not secret:
        raise InvalidError("That is no link of an invitation or of a new password.", path="link")
    server = terminal.place.server or Server(address.rstrip("/").rpartition("/")[0], authority=terminal.place.authority)
    client = Client(server)
    if dry_run:
        terminal.note(f"Would {'join' if what == 'join' else 'set a new password at'} {server}.")
        return
    if what == "reset":
        who = client.call("POST", "/v1/reset", {"secret": secret, "password": ask_new_password()})["login"]
        terminal.note(f"{who} has a new password.")
    else:
        terminal.note(f"You are a member now, {_join(client, server, secret)}.")
    terminal.note(f"`serai login {server}` signs in.")


def _join(client: Client, server: Server, secret: str) -> str:
    login, password = ask("Login", hidden=False), ask_new_password()
    body = {"secret": secret, "login": login, "password": password}
    try:
        return str(client.call("POST", "/v1/join", body)["login"])
    except AlreadyExistsError:
        with _session(client, server, login, password) as shown:  # somebody who is a user already
            return str(client.call("POST", "/v1/join", {"secret": secret}, headers=shown)["login"])


def _token(server: Server, login: str, title: str, expires: float) -> str:
    client = Client(server)
    with _session(client, server, login, ask("Password")) as shown:
        made = client.call("POST", "/v1/me/tokens", {"title": title, "expires": expires}, headers=shown)
    return str(made["token"])


@contextmanager
def _session(client: Client, server: Server, login: str, password: str) -> Iterator[Mapping[str, str]]:
    """Sign in as a browser does, give what later requests show, and sign out again."""
    # Whoever says where a page is from is believed to be a browser, and this is none of another site's pages.
    origin = {"origin": server.url}
    body: dict[str, Any] = {"login": login, "password": password}
    try:
        _, told = client.exchange("POST", "/v1/sessions", body, origin)
    except DeniedError as error:
        if error.fields.get("need") != "code":
            raise
        _, told = client.exchange("POST", "/v1/sessions", {**body, "code": ask("Code")}, origin)
    cookies = "; ".join(line.partition(";")[0] for line in told.get_all("set-cookie", []))
    shown = {**origin, "cookie": cookies}
    try:
        yield shown
    finally:
        client.call("DELETE", "/v1/sessions/current", headers=shown)


def _end(server: Server, token: str) -> bool:
    try:
        Client(server, token=token).call("DELETE", "/v1/me/token")
    except SeraiError:
        return False
    return True


def _name_of(server: Server) -> str:
    host = server.host.removeprefix("api.").removeprefix("console.").replace(":", "-")
    return host if server.port == USUAL_PORT else f"{host}-{server.port}"
