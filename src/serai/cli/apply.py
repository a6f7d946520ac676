"""``serai apply`` and ``serai export``: an installation, or a tenant of it, from text and as text."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from serai.cli import texts
from serai.cli.terminal import Terminal, printed
from serai.errors import InvalidError
from serai.services import checkout
from serai.services.paths import PLATFORM
from serai.services.terminal import DryRunOption, JsonOption

app = typer.Typer()

_SIGNS = {"create": ("+", "32"), "change": ("~", "33"), "delete": ("-", "31")}  # and their colours
_LONGEST = 200  # characters of a value in a diff

Tenant = Annotated[str | None, typer.Option("--tenant", help="Only this tenant; - is the platform itself.")]


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE|DIR|URL", help="TOML files, or a git URL[#REF].")],
    prune: Annotated[bool, typer.Option("--prune", help="Delete what the text does not name.")] = False,
    confirm: Annotated[list[str] | None, typer.Option(help="A tenant of which something is deleted.")] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make so what the text says, each tenant in one transaction; print what changes."""
    terminal: Terminal = ctx.obj
    with checkout.checkout(file) if checkout.is_url(file) else nullcontext(Path(file)) as place:
        wanted = texts.read(place)
    users = sorted(wanted.get(PLATFORM, {}).get("user", {}))
    plans = []
    for tenant in sorted(wanted):
        items = [
            {"kind": kind, "name": name, "spec": spec}
            for kind, names in wanted[tenant].items()
            for name, spec in names.items()
        ]
        body = {"items": items, "prune": prune}
        plan = _ask(terminal, tenant, {**body, "dry_run": True, "users": users})
        plans.append((tenant, body, plan["steps"]))
    told = [{"tenant": tenant, **step} for tenant, _, steps in plans for step in steps]
    if as_json:
        terminal.result(told, as_json=True)
    elif told:
        # Not by way of the terminal, which would take the colours for an attempt to steer it.
        sys.stdout.write("".join(f"{_shown(step)}\n" for step in told))
    if not told:
        terminal.note("It is all so already.")
    if dry_run:
        return
    _check(plans, confirm or [])
    for tenant, body, steps in plans:
        if steps:
            expect = {f"{step['kind']}/{step['name']}": step["version"] for step in steps}
            _ask(terminal, tenant, {**body, "expect": expect, "confirm": tenant if tenant in (confirm or []) else ""})
            terminal.note(f"{len(steps)} changes of {'the platform' if tenant == PLATFORM else tenant} are made.")


@app.command()
def export(
    ctx: typer.Context,
    tenant: Tenant = None,
    as_json: JsonOption = False,
) -> None:
    """Print what people want of the whole installation, or of one tenant, as text for `serai apply`."""
    terminal: Terminal = ctx.obj
    names = (
        [tenant] if tenant else [PLATFORM, *(one["name"] for one in terminal.api.pages("/v1/tenant", {"limit": 1000}))]
    )
    found = [(name, terminal.api.call("GET", "/v1/export", query={"tenant": name})["items"]) for name in names]
    text = texts.render(found).rstrip("\n")
    terminal.result([{"tenant": name, **item} for name, items in found for item in items], text, as_json=as_json)


def _ask(terminal: Terminal, tenant: str, body: dict[str, Any]) -> Any:
    return terminal.api.call("POST", "/v1/apply", body, query={"tenant": tenant})


def _check(plans: list[tuple[str, Any, list[dict[str, Any]]]], confirmed: list[str]) -> None:
    """Refuse to delete anything of a tenant that was not named, before anything is written."""
    for tenant, _, steps in plans:
        count = sum(step["do"] == "delete" for step in steps)
        if count and tenant not in confirmed:
            raise InvalidError(f"It deletes {count} descriptors of {tenant}: say --confirm {tenant}.", path="confirm")


def _shown(step: dict[str, Any]) -> str:
    """Return a step as people read it: one line for what, one for each field that differs."""
    sign, colour = _SIGNS[step["do"]]
    lines = [_coloured(f"{sign} {step['tenant']}.{step['kind']}.{step['name']}", colour)]
    if step["do"] != "delete":
        for name, (old, new) in step["fields"].items():
            lines += [f"    {one}" for one in _field(name, old, new, create=step["do"] == "create")]
    return "\n".join(lines)


def _field(name: str, old: Any, new: Any, *, create: bool) -> list[str]:
    if isinstance(new, dict) and (old is None or isinstance(old, dict)):
        was = old or {}
        keys = [key for key in {**was, **new} if was.get(key) != new.get(key)]
        return [line for key in keys for line in _field(f"{name}.{key}", was.get(key), new.get(key), create=create)]
    if create:
        return [f"{printed(name)}: {_text(new)}"] if new not in (None, "", [], {}) else []
    return [f"{printed(name)}: {_text(old)} -> {_text(new)}"]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str) and value.startswith("sealed:"):
        return "«sealed»"
    text = json.dumps(value, ensure_ascii=False)
    return printed(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _coloured(text: str, colour: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return printed(text) if plain else f"\x1b[{colour}m{printed(text)}\x1b[0m"
