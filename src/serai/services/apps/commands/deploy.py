"""``serai deploy``, and what deployments and promotions have in common: wait, and explain a failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serai.errors import BY_CODE, InvalidError, SeraiError
from serai.services.apps.commands.target import PROD, Target, To, Wait
from serai.services.checkout import is_url
from serai.services.terminal import DryRunOption, JsonOption, TenantOption, Terminal

if TYPE_CHECKING:
    from serai.services.apps.pack import Entry

deploying = typer.Typer()


@deploying.command()
def deploy(
    ctx: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="PATH|URL", help="The program's folder, or a git URL[#BRANCH, TAG or COMMIT].")
    ],
    *,
    app: Annotated[str, typer.Option("--app", help="The app's name; default: the folder's.")] = "",
    tenant: TenantOption = None,
    to: To = PROD,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Make it live when it works.")] = True,
    folder: Annotated[str, typer.Option("--folder", help="Of a repository, this folder alone.")] = "",
    title: Annotated[str, typer.Option(help="What is new, for the history.")] = "",
    wait: Wait = True,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a folder or a repository on the platform, and print the URL at which it answers.

    A repository is fetched by the platform; where it is private, with the token of `serai app git set`.
    """
    terminal: Terminal = ctx.obj
    if is_url(path):
        name = app or default_name(named(path))
        url, _, ref = path.partition("#")
        target = Target(ctx, name, tenant)
        what: dict[str, Any] = {"git": {"url": url, "ref": ref, "folder": folder}}
        would = f"fetch {folder or 'all'} of {url} ({ref or 'its default branch'}) and deploy it as {name}"
    else:
        if folder:
            raise InvalidError("--folder is for repositories: name the folder itself.", path="folder")
        entries = _entries(Path(path))
        name = app or default_name(named(path))
        if dry_run:
            _list(terminal, entries, name)
            return
        target, would = Target(ctx, name, tenant), f"deploy {name}"
        what = {"blob": _upload(target, Path(path), entries)}
    body = {**what, "environment": to if live else None, "title": title}
    told = target.change(would, "POST", "deploy", body=body, dry_run=dry_run)
    if dry_run:
        return
    if wait:
        follow(target, told, "Deploying")
    result = {**told, "url": terminal.url(told["url"]), "release_url": terminal.url(told["release_url"])}
    terminal.result(result, result["url"], as_json=as_json)


def _entries(folder: Path) -> list[Entry]:
    from serai.services.apps.pack import survey  # noqa: PLC0415 - only here

    return survey(folder)


def _list(terminal: Terminal, entries: list[Entry], name: str) -> None:
    size = sum(entry.size for entry in entries)
    terminal.note(f"Would upload {len(entries)} entries, {size} octets, and deploy them as {name}:")
    for entry in entries:
        terminal.result(None, entry.path)


def _upload(target: Target, folder: Path, entries: list[Entry]) -> str:
    from serai.services.apps.pack import stream  # noqa: PLC0415 - only here

    size = sum(entry.size for entry in entries)

    def upload(move: Callable[[float, str], None]) -> str:
        return target.terminal.api.upload(target.tenant, _counted(stream(folder, entries), size + 1, move))

    blob: str = target.terminal.progress(f"Uploading {target.app}", upload)
    return blob


def follow(target: Target, told: dict[str, Any], doing: str) -> None:
    """Wait until a release is where it is to be; where it fails, say why and show the end of its log."""
    terminal, failure = target.terminal, None
    try:
        terminal.follow(told["tasks"], f"{doing} {target.app} (release {told['release']})")
    except SeraiError as error:
        failure = error
    release = target.read("releases", told["release"])
    for note in release["notes"]:
        terminal.note(note)
    if failure is None and release["state"] != "failed":
        return
    if release["tail"]:
        terminal.note(release["tail"].rstrip())
    reason = release["reason"] or (failure.public if failure else "")
    kind = type(failure) if failure else BY_CODE["conflict"]
    raise kind(f"Release {told['release']} of {target.app} failed: {reason}")


def named(path: str) -> Path:
    """Return what an app is named after: the folder itself, or the last part of a repository's URL."""
    if not is_url(path):
        return Path(path)
    return Path("/", re.split("[/:]", path.partition("#")[0].rstrip("/"))[-1].removesuffix(".git"))


def default_name(folder: Path) -> str:
    """Return an app's name for a folder: its own name, as far as that can be one."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    name = re.sub(r"\A[0-9-]+", "", name)[:40].rstrip("-")
    if not name:
        raise InvalidError("The folder's name makes no app's name: say --app NAME.", path="app")
    return name


def _counted(chunks: Iterator[bytes], total: int, move: Callable[[float, str], None]) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        yield chunk
        sent += len(chunk)
        move(min(sent / total, 1.0), f"{sent >> 10} KiB")
