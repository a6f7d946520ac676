"""What is done to an app as a whole: scaled, put live, taken back, restarted, stopped, started, deleted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.pages.app import APP, page, read_release
from serai.console.places import above, at_app
from serai.console.visit import Visit
from serai.errors import InvalidError
from serai.services.apps.views import AppView

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances of a kind of process there are to be."""

    process: Name
    count: Annotated[int, Meta(ge=0, le=100)]


class Promote(msgspec.Struct, frozen=True, kw_only=True):
    """A release, and where it is to be live."""

    release: Annotated[int, Meta(ge=1, le=999_999_999)]
    environment: Name


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """The environment that is to show what it showed before."""

    environment: Name


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """The name of the app, repeated, and whether its data dies, too."""

    repeat: Short
    data: bool = False


@post(f"{APP}/scale")
async def scale(visit: Visitor, form: Filled[Scale]) -> Response[str]:
    """Say how many instances of a process run."""
    return await _done(visit, form, "scale", lambda data: f"{data.count} of {data.process} from now on.")


@post(f"{APP}/promote")
async def promote(visit: Visitor, form: Filled[Promote]) -> Response[str]:
    """Make a release live."""
    return await _done(
        visit, form, "promote", lambda data: f"Release {data.release} goes live in {data.environment} once it works."
    )


@post(f"{APP}/rollback")
async def rollback(visit: Visitor, form: Filled[Back]) -> Response[str]:
    """Go back to the release that was live before."""
    return await _done(
        visit, form, "rollback", lambda data: f"{data.environment} goes back to release {form.result['release']}."
    )


@post(f"{APP}/restart")
async def restart(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Renew the instances one after the other."""
    return await _done(visit, form, "restart", lambda _: "The instances are renewed one after the other.")


@post(f"{APP}/stop")
async def stop(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Let none of its processes run."""
    return await _scaled(visit, form, "is stopped: its visitors are told to come again.", start=False)


@post(f"{APP}/start")
async def start(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Let as many of its processes run as its live releases say."""
    return await _scaled(visit, form, "starts.", start=True)


async def _scaled(visit: Visit, form: Form[Empty], said: str, *, start: bool) -> Response[str]:
    async def send(_data: Empty) -> None:
        view = await visit.calls.read(AppView, above(visit))
        live = [await read_release(visit, number) for number in sorted(set(view.live.values()))]
        for name, process in {name: one for spec in live if spec for name, one in spec["processes"].items()}.items():
            count = max(1, process["count"]) if start else 0
            await visit.calls.call("POST", f"{above(visit)}/scale", {"process": name, "count": count})

    if await form.send(send):
        return visit.go(at_app(visit), f"{visit.app} {said}")
    return await page(visit)


async def _done(
    visit: Visit, form: Form[Any], verb: Literal["scale", "promote", "rollback", "restart"], said: Any
) -> Response[str]:
    body = None if verb == "restart" else form.data if form.ok else None
    if await form.send(lambda _: visit.calls.call("POST", f"{above(visit)}/{verb}", body)):
        return visit.go(at_app(visit), said(form.data))
    return await page(visit)


@post(f"{APP}/delete")
async def delete(visit: Visitor, form: Filled[Delete]) -> Response[str]:
    """Delete an app whose name was repeated; it can be had back for a week."""

    async def send(data: Delete) -> None:
        if data.repeat != visit.app:
            raise InvalidError("That is not its name: nothing was deleted.", path="repeat")
        await visit.calls.call("DELETE", above(visit), query={"confirm": data.repeat, "data": data.data})

    if await form.send(send):
        return visit.go(at_app(visit), f"{visit.app} is deleted.")
    return await page(visit)


ROUTES: list[ControllerRouterHandler] = [scale, promote, rollback, restart, stop, start, delete]
