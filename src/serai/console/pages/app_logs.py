"""What an app's instances and builds wrote: searched, narrowed, and followed where scripts run."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters, segment
from serai.console.depend import Visitor
from serai.console.ink import plain
from serai.console.nav import Nav, way
from serai.console.places import above, at_app
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.services.apps.views import AppView

PAGE = "/tenants/{tenant:str}/apps/{app:str}/logs"
NAV = (Nav(title="Logs", path="/tenants/{tenant}/apps/{app}/logs", order=30, action="app.logs"),)
LINES = (200, 500, 1000)
BUILD_LINES = 1000
#: How far back, in seconds, as the choice has it.
SINCE: Mapping[str, str] = {
    "": "all that is kept", "300": "5 minutes", "3600": "an hour", "86400": "a day", "604800": "a week",
}  # fmt: skip
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


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to show: of instances whose names begin so, with a text in them, how far back, how many."""

    name: str
    find: str
    since: str
    lines: int

    @property
    def narrowed(self) -> bool:
        """Tell whether there may be more than these."""
        return bool(self.name or self.find or self.since)

    @property
    def query(self) -> dict[str, str | int]:
        """Return the same as the API has it."""
        given = {"name": self.name, "find": self.find, "since": self.since and f"-{self.since}"}
        return {"lines": self.lines, **{key: value for key, value in given.items() if value}}


def wanted_of(visit: Visit) -> Wanted:
    """Return what a visitor asks for; what makes no sense is as if it were not there."""
    given = visit.request.query_params
    most = next((one for one in LINES if str(one) == given.get("lines")), LINES[0])
    since = given.get("since", "")
    return Wanted(
        name=given.get("name", "").strip(),
        find=given.get("find", ""),
        since=since if since in SINCE else "",
        lines=most,
    )


@get(PAGE)
async def logs(visit: Visitor) -> Response[str]:
    """Show the newest lines, of all or of some."""
    app = await visit.calls.read(AppView, above(visit), keep=True)
    wanted = wanted_of(visit)
    fault = ""
    try:
        found = await read(visit, wanted.query)
    except SeraiError as error:
        found, fault = [], error.public
    return visit.page(
        "app-logs.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Logs"),
        lines=found,
        fault=fault,
        names=_names(visit, app, wanted.name),
        wanted=wanted,
        choices=LINES,
        sinces=SINCE,
        source=f"{above(visit)}/logs?{urlencode({**wanted.query, 'follow': 'true'})}",
        file=f"{at_app(visit)}/logs/file?{urlencode({**_given(visit), 'lines': LINES[-1]})}",
    )


def _given(visit: Visit) -> dict[str, str]:
    return {key: value for key, value in visit.request.query_params.items() if key in Wanted.__struct_fields__}


@get(f"{PAGE}/file")
async def file(visit: Visitor) -> Response[str]:
    """Give the same lines as a file of text."""
    found = await read(visit, wanted_of(visit).query)
    text = "".join(f"{line.when or '-'} {line.instance} {plain(line.text)}\n" for line in found)
    fields = {"content-disposition": f'attachment; filename="{segment(visit.app)}.log"'}
    return Response(text, media_type="text/plain", headers=fields)


def _names(visit: Visit, app: AppView, given: str) -> list[tuple[str, str]]:
    """Return what can be chosen: releases and instances that run, and what was asked for."""
    running = sorted({one.release for one in app.instances} | set(app.live.values()), reverse=True)
    releases = [(f"{visit.app}.{number}.", f"release {number}") for number in running]
    builds = [(f"build.{number}", f"build of release {number}") for number in running]
    found = [("", "everything"), *releases, *((one.name, one.name) for one in app.instances), *builds]
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


ROUTES: list[ControllerRouterHandler] = [logs, file]
