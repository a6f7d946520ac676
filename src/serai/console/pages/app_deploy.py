"""Deploy a folder (dropped, where scripts run), an archive or a repository, of an app that there is or of a new one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form
from serai.console.nav import Crumb, Nav, way
from serai.console.places import at_app
from serai.console.visit import Visit
from serai.errors import InvalidError
from serai.services.apps.descriptors import PROD

NAV = (Nav(title="Deploy", path="/tenants/{tenant}/apps/{app}/deploy", order=20, action="app.deploy"),)

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of files: ``app`` is made where there is none, ``live`` in ``environment`` when it works."""

    app: Name
    title: Annotated[str, Meta(max_length=500)] = ""
    environment: Name = PROD
    live: bool = True


class Uploaded(Files, frozen=True, kw_only=True):
    """Files that are there already, as a blob."""

    blob: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Repository(Files, frozen=True, kw_only=True):
    """A commit of a repository; fields are named as the API names them."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)] = msgspec.field(name="git.url")
    ref: Annotated[str, Meta(max_length=200)] = msgspec.field(name="git.ref", default="")
    folder: Annotated[str, Meta(max_length=500)] = msgspec.field(name="git.folder", default="")


@get(["/tenants/{tenant:str}/deploy", "/tenants/{tenant:str}/apps/{app:str}/deploy"])
async def show(visit: Visitor) -> Response[str]:
    """Show how to deploy."""
    kind = Repository if visit.request.query_params.get("from") == "git" else Files
    return await _show(visit, Form.of(kind, app=visit.app))


async def _show(visit: Visit, form: Form[Any]) -> Response[str]:
    if visit.app:
        await visit.calls.get(f"/v1/app/{segment(visit.tenant)}/{segment(visit.app)}", keep=True)
    visit.form = form
    crumbs = way(visit.tenant, visit.app, "Deploy") if visit.app else (*way(visit.tenant, "-")[:2], Crumb("Deploy"))
    return visit.page(
        "app-deploy.html" if visit.app else "deploy.html",
        title=visit.app or "Deploy a new app",
        crumbs=crumbs,
        git=form.kind is Repository,
        here=f"{at_app(visit)}/deploy" if visit.app else f"{visit.home}/deploy",
    )


_BOTH = "/tenants/{tenant:str}"


@post([f"{_BOTH}/deploy", f"{_BOTH}/apps/{{app:str}}/deploy"], streamed=True, request_max_body_size=None)
async def archive(visit: Visitor, form: Filled[Files]) -> Response[str]:
    """Deploy an archive, which is stored as it comes."""
    incoming = visit.incoming
    if not incoming.name:
        form.errors["file"] = "Choose an archive: a .tar or a .tar.gz."
        form.status = 400

    async def send(data: Files) -> Any:
        _check(visit, data)
        blob = await visit.calls.upload(visit.tenant, incoming.octets())
        return await _deploy(visit, data, {"blob": blob})

    try:
        done = await form.send(send)
    finally:
        await incoming.leave()
    return await _told(visit, form, done=done)


@post([f"{_BOTH}/deploy/upload", f"{_BOTH}/apps/{{app:str}}/deploy/upload"])
async def upload(visit: Visitor, form: Filled[Uploaded]) -> Response[str]:
    """Deploy files that a script has uploaded."""
    done = await form.send(lambda data: _deploy(visit, data, {"blob": data.blob}))
    return await _told(visit, form, done=done)


@post([f"{_BOTH}/deploy/git", f"{_BOTH}/apps/{{app:str}}/deploy/git"])
async def git(visit: Visitor, form: Filled[Repository]) -> Response[str]:
    """Deploy a repository."""

    async def send(data: Repository) -> Any:
        source = {"url": data.url.strip(), "ref": data.ref.strip(), "folder": data.folder.strip()}
        return await _deploy(visit, data, {"git": source})

    return await _told(visit, form, done=await form.send(send))


def _check(visit: Visit, data: Files) -> None:
    if visit.app and data.app != visit.app:
        raise InvalidError("This page is about another app.", path="app")


async def _deploy(visit: Visit, data: Files, source: dict[str, Any]) -> Any:
    _check(visit, data)
    body = {**source, "environment": data.environment if data.live else None, "title": data.title}
    path = f"/v1/apps/{segment(visit.tenant)}/{segment(data.app)}/deploy"
    return await visit.calls.call("POST", path, body)


async def _told(visit: Visit, form: Form[Any], *, done: bool) -> Response[str]:
    if not done:
        return await _show(visit, form)
    number = form.result["release"]
    return visit.go(f"{visit.home}/apps/{segment(form.data.app)}/releases/{number}", f"Release {number} is on its way.")


ROUTES: list[ControllerRouterHandler] = [show, archive, upload, git]
