"""What is done with a release: put live, deployed again, deleted, had back."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import descriptor
from serai.api.shapes import Descriptor
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Short
from serai.console.pages.app_releases import ONE, gone_one, show_one
from serai.console.places import above, at_app
from serai.errors import InvalidError


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """Where a release is to be live."""

    environment: Annotated[str, Meta(min_length=1, max_length=64)]


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """The release's name, repeated."""

    repeat: Short


@post(f"{ONE}/promote")
async def promote(visit: Visitor, form: Filled[Live], number: FromPath[int]) -> Response[str]:
    """Make a release live."""

    async def send(data: Live) -> Any:
        body = {"release": number, "environment": data.environment}
        return await visit.calls.call("POST", f"{above(visit)}/promote", body)

    if await form.send(send):
        return visit.go(
            f"{at_app(visit)}/releases/{number}",
            f"Release {number} goes live in {form.data.environment} once it works.",
        )
    return await show_one(visit, number)


@post(f"{ONE}/again")
async def again(visit: Visitor, form: Filled[Live], number: FromPath[int]) -> Response[str]:
    """Make a new release of the same files or, of a repository, of what is the newest there now."""

    async def send(data: Live) -> Any:
        path = descriptor("release", visit.tenant, f"{visit.app}.{number}")
        spec = (await visit.calls.read(Descriptor, path)).spec
        git = spec["git"] and {key: spec["git"][key] for key in ("url", "ref", "folder")}
        source = {"git": git} if git else {"blob": spec["blob"]}
        body = {**source, "environment": data.environment, "title": spec["title"]}
        return await visit.calls.call("POST", f"{above(visit)}/deploy", body)

    if await form.send(send):
        fresh = form.result["release"]
        return visit.go(f"{at_app(visit)}/releases/{fresh}", f"Release {fresh} is on its way.")
    return await show_one(visit, number)


@post(f"{ONE}/delete")
async def delete(visit: Visitor, form: Filled[Delete], number: FromPath[int]) -> Response[str]:
    """Delete a release whose name was repeated."""

    async def send(data: Delete) -> Any:
        if data.repeat != f"{visit.app}.{number}":
            raise InvalidError("That is not its name: nothing was deleted.", path="repeat")
        return await visit.calls.call("DELETE", f"{above(visit)}/releases/{number}")

    if await form.send(send):
        return visit.go(f"{at_app(visit)}/releases/{number}", f"Release {number} is deleted.")
    return await show_one(visit, number)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], number: FromPath[int]) -> Response[str]:
    """Have a deleted release back."""
    path = f"{above(visit)}/releases/{number}/undelete"
    if await form.send(lambda _: visit.calls.call("POST", path)):
        return visit.go(f"{at_app(visit)}/releases/{number}", f"Release {number} comes back.")
    return await gone_one(visit, number)


ROUTES: list[ControllerRouterHandler] = [promote, again, delete, undelete]
