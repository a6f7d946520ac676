"""What an app's programs are told: its variables, secrets among them, and who changed them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import descriptor
from serai.api.shapes import Descriptor, History, Line
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form, Short
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, at_app
from serai.console.visit import Visit
from serai.errors import DeadlineError, InvalidError, NotFoundError, UnavailableError
from serai.services.apps.variables import MAX_VALUE

PAGE = "/tenants/{tenant:str}/apps/{app:str}/variables"
NAV = (Nav(title="Variables", path="/tenants/{tenant}/apps/{app}/variables", order=40, action="app.env"),)
CONFLICT = 409
REVISIONS = 12  # of the newest that are looked through for who changed what
_LINE = re.compile(r"\s*(?:export\s+)?([^=\s]+)\s*=(.*)", re.DOTALL)

Version = Annotated[int, Meta(ge=0)]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A variable; its value is not shown again unless ``shown`` says so. ``version`` is what the visitor looked at."""

    name: Annotated[str, Meta(max_length=128)]
    value: Annotated[str, Meta(max_length=MAX_VALUE, extra={"secret": True})] = ""
    shown: bool = False
    version: Version = 0


class Many(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of NAME=VALUE, as a ``.env`` file has them."""

    lines: Annotated[str, Meta(max_length=200_000, extra={"secret": True})]
    shown: bool = False
    version: Version = 0


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """The variable to take away, and its name repeated."""

    name: Annotated[str, Meta(max_length=128)]
    repeat: Short
    version: Version = 0


@get(PAGE)
async def show(visit: Visitor) -> Response[str]:
    """Show an app's variables."""
    return await unless_gone(visit, _page(visit))


@post(PAGE)
async def put(visit: Visitor, form: Filled[Setting]) -> Response[str]:
    """Set a variable."""
    return await _send(visit, form, lambda data: {data.name: data.value})


@post(f"{PAGE}/many")
async def put_many(visit: Visitor, form: Filled[Many]) -> Response[str]:
    """Set several at once."""
    return await _send(visit, form, lambda data: read_lines(data.lines))


@post(f"{PAGE}/remove")
async def remove(visit: Visitor, form: Filled[Removal]) -> Response[str]:
    """Take a variable away whose name was repeated."""

    def wanted(data: Removal) -> dict[str, str | None]:
        if data.repeat != data.name:
            raise InvalidError("That is not the variable's name: nothing was removed.")
        return {data.name: None}

    return await _send(visit, form, wanted)


async def _send(visit: Visit, form: Form[Any], wanted: Any) -> Response[str]:
    async def send(data: Any) -> list[str]:
        values = wanted(data)
        body = {"values": values, "plain": getattr(data, "shown", False), "expect": data.version}
        await visit.calls.call("PATCH", f"{above(visit)}/env", body)
        return sorted(values)

    if await form.send(send):
        names = ", ".join(form.result)[:200]
        verb = "is removed" if form.kind is Removal else "is set" if len(form.result) == 1 else "are set"
        return visit.go(_here(visit), f"{names} {verb}. Running instances are renewed one after the other.")
    for at in [name for name in form.errors if name not in {"name", "value", "lines", "version", "shown"}]:
        form.error = form.error or form.errors.pop(at)
    return await _page(visit, form)


async def _page(visit: Visit, form: Form[Any] | None = None) -> Response[str]:
    calls, path = visit.calls, descriptor("variables", visit.tenant, visit.app)
    values, told = await asyncio.gather(
        calls.read(dict[str, str | None], f"{above(visit)}/env", keep=True), _past(visit, f"{path}/history")
    )
    past = told or ()
    version = past[0].version if past and not past[0].deleted else 0
    if told is None:
        version = await _version_of(visit, path)
    theirs = None
    if form is not None and form.status == CONFLICT:
        theirs = since(past, _version(form))
    edited = visit.request.query_params.get("edit", "") if form is None else ""
    one = form if form is not None and form.kind is Setting else _edit(values, edited)
    return visit.page(
        "app-variables.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Variables"),
        at=_here(visit),
        values=values,
        lines=[line for line in past if line.version],
        last=changed(past),
        untold=told is None,
        version=version,
        theirs=theirs,
        one=one,
        many=form if form is not None and form.kind is Many else Form.of(Many),
        editing=edited if edited in values else "",
        before=values.get(edited) or "",
        fault=form if form is not None else Form(Setting),
        http_status=form.status if form is not None else 200,
    )


def _edit(values: Mapping[str, str | None], name: str) -> Form[Setting]:
    return Form.of(Setting, name=name, shown=values[name] is not None) if name in values else Form.of(Setting)


def _version(form: Form[Any]) -> int:
    text = form.value("version")
    return int(text) if text.isdecimal() else 0


async def _past(visit: Visit, path: str) -> Sequence[Line] | None:
    """Return the newest revisions, the latest first; none where nothing was ever set, None while nobody can tell."""
    try:
        return (await visit.calls.read(History, path, {"limit": REVISIONS}, keep=True)).items
    except NotFoundError:
        return ()
    except (UnavailableError, DeadlineError):
        return None


async def _version_of(visit: Visit, path: str) -> int:
    try:
        return (await visit.calls.read(Descriptor, path, keep=True)).version
    except NotFoundError:
        return 0


def _texts(line: Line) -> Mapping[str, str]:
    """Return the sealed texts of a revision: what differs there was changed."""
    found: Mapping[str, str] = (line.spec or {}).get("values", {})
    return found


def changed(past: Sequence[Line]) -> dict[str, Line]:
    """Return for each variable the revision that gave it its value, as far as these tell (the newest is first)."""
    found: dict[str, Line] = {}
    for new, old in pairwise(past):
        before = _texts(old)
        for name, text in _texts(new).items():
            if name not in found and before.get(name) != text:
                found[name] = new
    if past and past[-1].version == 1:
        for name in _texts(past[-1]):
            found.setdefault(name, past[-1])
    return found


def since(past: Sequence[Line], version: int) -> list[Line]:
    """Return the revisions that were written after a version."""
    return [line for line in past if line.version > version]


def read_lines(text: str) -> dict[str, str]:
    """Return the variables of lines of NAME=VALUE; quotes around a value go, and so do comments and empty lines."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise InvalidError(f"Line {number} is not NAME=VALUE.", path="lines")
        value = parts[2].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        if parts[1] in found:
            raise InvalidError(f"Line {number} sets {parts[1][:64]} once more.", path="lines")
        found[parts[1]] = value
    if not found:
        raise InvalidError("There is no NAME=VALUE among these lines.", path="lines")
    return found


def _here(visit: Visit) -> str:
    return f"{at_app(visit)}/variables"


ROUTES: list[ControllerRouterHandler] = [show, put, put_many, remove]
