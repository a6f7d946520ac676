"""What an app's instances and builds wrote: searched, narrowed, and followed where scripts run."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from litestar import Response, get
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters, segment
from serai.console.depend import Visitor
from serai.console.nav import Nav, way
from serai.console.places import above
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.services.apps.views import AppView

NAV = (Nav(title="Logs", path="/tenants/{tenant}/apps/{app}/logs", order=30, action="app.logs"),)
LINES = (200, 500, 1000)
BUILD_LINES = 1000
#: How far back, in seconds, as the choice has it.
SINCE: Mapping[str, str] = {"": "any time", "300": "5 minutes", "3600": "an hour", "86400": "a day", "604800": "a week"}
_ERRORS = frozenset({"stderr"})
_PARTS = 4  # of a line: TIME STREAM F|P TEXT


class Line(msgspec.Struct, frozen=True):
    """A line of a log: when it was written (as text), by which instance, to which stream."""

    instance: str
    text: str
    when: str = ""
    stream: str = ""

    @property
    def bad(self) -> bool:
        """Tell whether it was written as an error."""
        return self.stream in _ERRORS


@get("/tenants/{tenant:str}/apps/{app:str}/logs")
async def logs(
    visit: Visitor, name: FromQuery[str] = "", find: FromQuery[str] = "", since: FromQuery[str] = "",
    lines: FromQuery[str] = "",
) -> Response[str]:  # fmt: skip
    """Show the newest lines, of all or of some."""
    app = await visit.calls.read(AppView, above(visit), keep=True)
    most = next((one for one in LINES if str(one) == lines), LINES[0])
    back = since if since in SINCE else ""
    wanted: dict[str, str] = {"name": name.strip(), "find": find, "since": f"-{back}" if back else ""}
    query: Parameters = {"lines": most, **{key: value for key, value in wanted.items() if value}}
    fault = ""
    try:
        found = await read(visit, query)
    except SeraiError as error:
        found, fault = [], error.public
    follow = {**query, "follow": "true"}
    return visit.page(
        "app-logs.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Logs"),
        lines=found,
        fault=fault,
        names=_names(visit, app, wanted["name"]),
        wanted={**wanted, "since": back, "lines": most},
        narrowed=any(wanted.values()),
        choices=LINES,
        sinces=SINCE,
        source=f"{above(visit)}/logs?{urlencode(follow)}",
    )


def _names(visit: Visit, app: AppView, given: str) -> list[tuple[str, str]]:
    """Return what can be chosen: releases and instances that run, and what was asked for."""
    running = sorted({one.release for one in app.instances} | set(app.live.values()), reverse=True)
    releases = [(f"{visit.app}.{number}.", f"release {number}") for number in running]
    builds = [(f"build.{number}", f"build of release {number}") for number in running]
    found = [("", "all"), *releases, *((one.name, one.name) for one in app.instances), *builds]
    return found if given in {value for value, _ in found} else [*found, (given, given)]


async def task_log(visit: Visit, task: str) -> list[Line]:
    """Return what a task told so far, nothing while nobody can tell: a build's output, as it comes."""
    try:
        octets = await _octets(visit, f"/v1/tasks/{segment(task)}/log")
    except SeraiError:
        return []
    found = [msgspec.json.decode(line) for line in octets.splitlines()[-BUILD_LINES:] if line.strip()]
    return [Line("", str(one["text"])) for one in found]


async def build_log(visit: Visit, number: int) -> list[Line]:
    """Return what a release's build wrote, nothing for who may not see it and while nobody can tell."""
    if not visit.may("app.logs", visit.tenant, visit.app):
        return []
    try:
        found = await read(visit, {"name": f"build.{number}", "lines": BUILD_LINES})
    except SeraiError:
        return []
    return [line for line in found if line.instance.removesuffix(":before") == f"build.{number}"]


async def read(visit: Visit, query: Parameters) -> list[Line]:
    """Return lines of the app's logs, oldest first."""
    octets = await _octets(visit, f"{above(visit)}/logs", query)
    return [parsed(msgspec.json.decode(line, type=Line)) for line in octets.splitlines() if line.strip()]


async def _octets(visit: Visit, path: str, query: Parameters | None = None) -> bytes:
    async with visit.calls.stream(path, query, accept="application/jsonl") as pieces:
        return b"".join([piece async for piece in pieces])


def parsed(line: Line) -> Line:
    """Return a line taken apart, where it has the form of a driver's: ``TIME STREAM F|P TEXT``."""
    parts = line.text.split(" ", _PARTS - 1)
    if len(parts) != _PARTS or parts[1] not in {"stdout", "stderr"}:
        return line
    return Line(line.instance, parts[3], parts[0], parts[1])


ROUTES: list[ControllerRouterHandler] = [logs]
