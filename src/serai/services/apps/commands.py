"""``serai deploy``, ``serai app`` and ``serai release``: words become requests to the API, answers become text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from serai.errors import BY_CODE, InvalidError, SeraiError
from serai.services.terminal import DryRunOption, JsonOption, TenantOption, Terminal

deploying = typer.Typer()
apps = typer.Typer(name="app", help="Programs: show, scale, configure, delete.", no_args_is_help=True)
envs = typer.Typer(name="env", help="An app's environment variables.", no_args_is_help=True)
domains = typer.Typer(name="domain", help="Host names of your own that lead to an app.", no_args_is_help=True)
releases = typer.Typer(name="release", help="An app's versions: list, promote, roll back.", no_args_is_help=True)
apps.add_typer(envs)
apps.add_typer(domains)

COMMANDS = [deploying, apps, releases]

PROD = "prod"

To = Annotated[str, typer.Option("--to", help="The environment that shows it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Return when it is done, or at once.")]


def complete_app(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return names of apps that begin so; silent where the platform does not answer."""
    terminal: Terminal | None = ctx.find_root().obj
    if terminal is None:
        return []
    try:
        tenant = terminal.tenant(ctx.params.get("tenant"))
        items = terminal.api.call("GET", f"/v1/apps/{_part(tenant)}", query={"limit": 1000})["items"]
    except SeraiError:
        return []
    return [item["name"] for item in items if item["name"].startswith(incomplete)]


AppName = Annotated[str, typer.Argument(metavar="APP", help="The app's name.", autocompletion=complete_app)]


@deploying.command()
def deploy(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The program's folder.")],
    *,
    app: Annotated[str, typer.Option("--app", help="The app's name; default: the folder's.")] = "",
    tenant: TenantOption = None,
    to: To = PROD,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Make it live when it works.")] = True,
    title: Annotated[str, typer.Option(help="What is new, for the history.")] = "",
    wait: Wait = True,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a folder on the platform, and print the URL at which it answers."""
    from serai.services.apps.pack import stream, survey  # noqa: PLC0415 - only here

    terminal: Terminal = ctx.obj
    folder = Path(path)
    entries = survey(folder)
    name = app or default_name(folder)
    if dry_run:
        size = sum(entry.size for entry in entries)
        terminal.note(f"Would upload {len(entries)} entries, {size} octets, and deploy them as {name}:")
        for entry in entries:
            terminal.result(None, entry.path)
        return
    owner = terminal.tenant(tenant)
    total = sum(entry.size for entry in entries) + 1

    def upload(move: Callable[[float, str], None]) -> str:
        return terminal.api.upload(owner, _counted(stream(folder, entries), total, move))

    blob = terminal.progress(f"Uploading {name}", upload)
    body = {"blob": blob, "environment": to if live else None, "title": title}
    told = terminal.api.call("POST", f"{_app(owner, name)}/deploy", body)
    if wait:
        _follow(terminal, owner, name, told, "Deploying")
    result = {**told, "url": terminal.url(told["url"]), "release_url": terminal.url(told["release_url"])}
    terminal.result(result, result["url"], as_json=as_json)


@apps.command("list")
def list_apps(ctx: typer.Context, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List a tenant's apps."""
    terminal: Terminal = ctx.obj
    items = terminal.api.call("GET", f"/v1/apps/{_part(terminal.tenant(tenant))}", query={"limit": 1000})["items"]
    rows = items if as_json else [{**item, "url": _main_url(terminal, item)} for item in items]
    terminal.table(rows, ("name", "live", "scale", "url"), as_json=as_json, empty="There is no app yet.")


@apps.command("show")
def show_app(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show an app: what is live, where it answers, how its instances do."""
    terminal: Terminal = ctx.obj
    told = terminal.api.call("GET", _app(terminal.tenant(tenant), app))
    told["urls"] = {key: terminal.url(value) for key, value in told["urls"].items()}
    if as_json:
        terminal.result(told, as_json=True)
        return
    lines = [f"{told['name']} of {told['tenant']} on {told['host']}"]
    lines += [f"{name}: release {told['live'][name]} at {url}" for name, url in told["urls"].items()]
    lines += [f"domain: {one['host']} ({one['environment']})" for one in told["domains"]]
    lines += [f"variables: {', '.join(told['variables'])}"] if told["variables"] else []
    terminal.result(told, "\n".join(lines))
    terminal.table(told["instances"], ("name", "wanted", "state", "restarts", "reason"), empty="No instance runs.")


@apps.command("logs")
def read_logs(
    ctx: typer.Context,
    app: AppName,
    tenant: TenantOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written next.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=1000, help="How many to begin with.")] = 100,
    name: Annotated[str, typer.Option(help="Only instances whose names begin so; build.3 is a build's log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Print what an app's instances wrote."""
    terminal: Terminal = ctx.obj
    query: dict[str, str | int | bool | None] = {"follow": follow, "lines": lines, "name": name}
    for line in terminal.api.stream(f"{_app(terminal.tenant(tenant), app)}/logs", query):
        terminal.result(line, None if as_json else f"{line['instance']}  {line['text']}")


@apps.command()
def scale(
    ctx: typer.Context,
    app: AppName,
    count: Annotated[int, typer.Argument(min=0, max=100, help="How many instances.")],
    process: Annotated[str, typer.Option(help="Of which process.")] = "web",
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Say how many instances of a process run."""
    terminal: Terminal = ctx.obj
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would run {count} of {process} of {app}.")
        return
    terminal.api.call("POST", f"{_app(owner, app)}/scale", {"count": count, "process": process})
    terminal.note(f"{app}: {count} of {process}.")


@apps.command()
def restart(
    ctx: typer.Context, app: AppName, tenant: TenantOption = None, wait: Wait = True, dry_run: DryRunOption = False
) -> None:
    """Renew the instances one after the other, without a request lost."""
    terminal: Terminal = ctx.obj
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would restart {app}.")
        return
    told = terminal.api.call("POST", f"{_app(owner, app)}/restart")
    if wait:
        terminal.follow(told["tasks"], f"Restarting {app}")


@apps.command("delete")
def delete_app(
    ctx: typer.Context,
    app: AppName,
    confirm: Annotated[str, typer.Option(help="The app's name once more.")] = "",
    data: Annotated[bool, typer.Option("--data", help="Delete its data folder, too.")] = False,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Delete an app with its releases and domains; its data folder stays unless --data."""
    terminal: Terminal = ctx.obj
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would delete {app} of {owner}{' and its data' if data else ''}.")
        return
    if confirm != app:
        raise InvalidError(f"Say --confirm {app} to delete it.", path="confirm")
    told = terminal.api.call("DELETE", _app(owner, app), query={"confirm": confirm, "data": data})
    terminal.follow(told["tasks"], f"Deleting {app}")
    terminal.note(f"{app} is deleted{' with its data' if data else ''}.")


@envs.command("list")
def list_env(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Print an app's variables."""
    terminal: Terminal = ctx.obj
    told = terminal.api.call("GET", f"{_app(terminal.tenant(tenant), app)}/env")
    terminal.result(told, "\n".join(f"{key}={value}" for key, value in sorted(told.items())), as_json=as_json)


@envs.command("set")
def set_env(
    ctx: typer.Context,
    app: AppName,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="KEY=- reads the value from stdin.")],
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Set variables; running instances are renewed without a request lost."""
    values: dict[str, str | None] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidError("A variable is set by KEY=VALUE.", path=key[:64])
        values[key] = typer.get_text_stream("stdin").read() if value == "-" else value
    _set_env(ctx.obj, app, values, tenant, wait=wait, dry_run=dry_run)


@envs.command("unset")
def unset_env(
    ctx: typer.Context,
    app: AppName,
    keys: Annotated[list[str], typer.Argument(metavar="KEY…")],
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Take variables away."""
    _set_env(ctx.obj, app, dict.fromkeys(keys), tenant, wait=wait, dry_run=dry_run)


@domains.command("list")
def list_domains(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the host names that lead to an app."""
    terminal: Terminal = ctx.obj
    rows = terminal.api.call("GET", f"{_app(terminal.tenant(tenant), app)}/domains")
    terminal.table(rows, ("host", "environment"), as_json=as_json)


@domains.command("add")
def add_domain(
    ctx: typer.Context, app: AppName, host: str, to: To = PROD, tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:  # fmt: skip
    """Let a host name lead to an app."""
    terminal: Terminal = ctx.obj
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would lead {host} to {app}.")
        return
    terminal.api.call("PUT", f"{_app(owner, app)}/domains/{_part(host)}", {"environment": to})
    terminal.note(f"{host} leads to {app}.")


@domains.command("remove")
def remove_domain(
    ctx: typer.Context, app: AppName, host: str, tenant: TenantOption = None, dry_run: DryRunOption = False
) -> None:
    """Let a host name lead nowhere."""
    terminal: Terminal = ctx.obj
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would lead {host} nowhere.")
        return
    terminal.api.call("DELETE", f"{_app(owner, app)}/domains/{_part(host)}")
    terminal.note(f"{host} leads nowhere.")


@releases.command("list")
def list_releases(ctx: typer.Context, app: AppName, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List an app's releases, newest first."""
    terminal: Terminal = ctx.obj
    rows = terminal.api.call("GET", f"{_app(terminal.tenant(tenant), app)}/releases")["items"]
    terminal.table(rows, ("number", "state", "live", "runtime", "title", "reason"), as_json=as_json)


@releases.command("show")
def show_release(
    ctx: typer.Context, app: AppName, number: int, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show a release; a failed one with the end of its log."""
    terminal: Terminal = ctx.obj
    told = terminal.api.call("GET", f"{_app(terminal.tenant(tenant), app)}/releases/{number}")
    lines = [f"{key}: {value}" for key, value in told.items() if key != "tail" and value not in ("", [], None)]
    terminal.result(told, "\n".join([*lines, told["tail"]]).rstrip(), as_json=as_json)


@releases.command()
def promote(
    ctx: typer.Context,
    app: AppName,
    number: Annotated[int, typer.Argument(min=1, help="Which release.")],
    to: To = PROD,
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Make a release live in an environment."""
    _go_live(ctx.obj, app, tenant, "promote", {"release": number, "environment": to}, wait=wait, dry_run=dry_run)


@releases.command()
def rollback(
    ctx: typer.Context,
    app: AppName,
    to: To = PROD,
    tenant: TenantOption = None,
    wait: Wait = True,
    dry_run: DryRunOption = False,
) -> None:
    """Make the release live that was live before."""
    _go_live(ctx.obj, app, tenant, "rollback", {"environment": to}, wait=wait, dry_run=dry_run)


def default_name(folder: Path) -> str:
    """Return an app's name for a folder: its own name, as far as that can be one."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    name = re.sub(r"\A[0-9-]+", "", name)[:40].rstrip("-")
    if not name:
        raise InvalidError("The folder's name makes no app's name: say --app NAME.", path="app")
    return name


def _go_live(
    terminal: Terminal, app: str, tenant: str | None, verb: str, body: dict[str, Any], *, wait: bool, dry_run: bool
) -> None:
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would {verb} {app} ({body['environment']}).")
        return
    told = terminal.api.call("POST", f"{_app(owner, app)}/{verb}", body)
    if wait:
        _follow(terminal, owner, app, told, "Switching")
    terminal.result(told, terminal.url(told["url"]))


def _follow(terminal: Terminal, tenant: str, app: str, told: dict[str, Any], doing: str) -> None:
    """Wait until a release is where it is to be; where it fails, say why and show the end of its log."""
    failure: SeraiError | None = None
    try:
        terminal.follow(told["tasks"], f"{doing} {app} (release {told['release']})")
    except SeraiError as error:
        failure = error
    release = terminal.api.call("GET", f"{_app(tenant, app)}/releases/{told['release']}")
    for note in release["notes"]:
        terminal.note(note)
    if failure is None and release["state"] != "failed":
        return
    if release["tail"]:
        terminal.note(release["tail"].rstrip())
    reason = release["reason"] or (failure.public if failure else "")
    kind = type(failure) if failure else BY_CODE["conflict"]
    raise kind(f"Release {told['release']} of {app} failed: {reason}")


def _set_env(
    terminal: Terminal, app: str, values: dict[str, str | None], tenant: str | None, *, wait: bool, dry_run: bool
) -> None:
    owner = terminal.tenant(tenant)
    if dry_run:
        terminal.note(f"Would change {', '.join(sorted(values))} of {app}.")
        return
    told = terminal.api.call("PATCH", f"{_app(owner, app)}/env", {"values": values})
    if wait and told["tasks"]:
        terminal.follow(told["tasks"], f"Renewing {app}")


def _counted(chunks: Iterator[bytes], total: int, move: Callable[[float, str], None]) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        move(min(sent / total, 1.0), f"{sent >> 10} KiB")


def _main_url(terminal: Terminal, app: dict[str, Any]) -> str:
    url = app["urls"].get(PROD)
    return terminal.url(url) if url else ""


def _app(tenant: str, app: str) -> str:
    return f"/v1/apps/{_part(tenant)}/{_part(app)}"


def _part(text: str) -> str:
    return quote(text, safe="")
