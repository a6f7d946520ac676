"""``serai top``: how apps do, now and in the last hour."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from serai.services.terminal import JsonOption, Terminal

commands = typer.Typer()
ALL = "-"  # instead of a tenant
_BARS = " ▁▂▃▄▅▆▇█"
_POINTS = 20


@commands.command()
def top(
    ctx: typer.Context,
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", help="Whose; «-» is everybody's; default: the only tenant's.", show_default=False),
    ] = None,
    order: Annotated[
        str, typer.Option("--by", help="requests, errors, latency, cpu, memory, data or name.")
    ] = "requests",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many apps.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show how apps do: requests and errors a second, latency (99 of 100), what they use, the last hour."""
    terminal: Terminal = ctx.obj
    query: dict[str, str | int | bool | None] = {"order": order, "limit": limit, "points": _POINTS}
    whose = "" if tenant == ALL else terminal.tenant(tenant)
    looks = terminal.api.call("GET", "/v1/glance", query=query | ({"tenant": whose} if whose else {}))
    items = looks["items"]
    rows = items if as_json else [_row(look) for look in items]
    columns = ("app", "requests/s", "errors/s", "p99", "cpu", "memory", "data", "last hour")
    terminal.table(rows, columns, as_json=as_json, empty="No app runs, and none was visited.")


def _row(look: dict[str, Any]) -> dict[str, str]:
    return {
        "app": f"{look['tenant']}/{look['app']}",
        "requests/s": f"{look['requests']:g}",
        "errors/s": f"{look['errors']:g}",
        "p99": "" if look["latency"] is None else f"{look['latency'] * 1000:.3g} ms",
        "cpu": "" if look["cpu"] is None else f"{look['cpu']:.2f}",
        "memory": _octets(look["memory"]),
        "data": _octets(look["data"]),
        "last hour": bars(look["curve"]),
    }


def bars(values: list[float]) -> str:
    """Draw values as characters of different heights."""
    most = max(values, default=0.0) or 1.0
    return "".join(_BARS[round(value / most * (len(_BARS) - 1))] for value in values)


def _octets(value: int | None) -> str:
    return "" if value is None else f"{value / (1 << 20):.0f} MiB"


COMMANDS = [commands]
