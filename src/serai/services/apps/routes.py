"""What the API offers for apps beyond their descriptors. Each route only names its action and calls `actions`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation
from litestar.response import Stream
from msgspec import Meta

from serai.daemon.module import Context
from serai.identity import Principal, Target
from serai.services.apps import actions, logs, variables, views
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import PROD, App, Domain, Release
from serai.services.apps.rollout import Rollout
from serai.services.apps.views import Apps, AppView, DomainView, ReleaseView

#: A quiet app's stream begins after this; an agent that is away has been noticed by then.
FIRST_SECONDS = 6.0

PATH = "/v1/apps/{tenant:str}/{app:str}"

Ctx = NamedDependency[SkipValidation[Context]]
Caller = NamedDependency[SkipValidation[Principal]]
Aim = NamedDependency[SkipValidation[Target]]
AppName = FromPath[str]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bodies below have in common: unknown fields are errors."""


class DeployBody(_Body, frozen=True, kw_only=True):
    """A folder that was uploaded as a blob; ``environment`` null only builds it."""

    blob: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    environment: str | None = PROD
    title: Annotated[str, Meta(max_length=500)] = ""


class ScaleBody(_Body, frozen=True, kw_only=True):
    """How many instances of a process there are to be."""

    count: Annotated[int, Meta(ge=0, le=100)]
    process: str = "web"


class EnvBody(_Body, frozen=True, kw_only=True):
    """Variables to set; null takes one away."""

    values: Annotated[dict[str, str | None], Meta(max_length=256)]


class DomainBody(_Body, frozen=True, kw_only=True):
    """The environment that a host name shows."""

    environment: str = PROD


class PromoteBody(_Body, frozen=True, kw_only=True):
    """A release, and where it is to be live."""

    release: Annotated[int, Meta(ge=1, le=999_999_999)]
    environment: str = PROD


class RollbackBody(_Body, frozen=True, kw_only=True):
    """Where to go back."""

    environment: str = PROD


class Started(msgspec.Struct, frozen=True):
    """What goes on as tasks, in the order in which they run."""

    tasks: tuple[str, ...] = ()


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A release on its way: its tasks in order, and where it will answer."""

    release: int
    tasks: tuple[str, ...]
    url: str
    release_url: str


class Releases(msgspec.Struct, frozen=True):
    """An app's releases, newest first."""

    items: list[ReleaseView]


def _site(ctx: Context) -> Site:
    return Site(ctx.host, ctx.base)


def _deployed(ctx: Context, tenant: str, app: str, rollout: Rollout, environment: str | None) -> Deployed:
    release_url = views.release_url(_site(ctx), tenant, app, rollout.release)
    url = release_url if environment is None else views.url(_site(ctx), tenant, app, environment)
    return Deployed(release=rollout.release, tasks=rollout.tasks, url=url, release_url=release_url)


@get("/v1/apps/{tenant:str}", action="app.read", summary="List apps", operation_id="listApps")
async def find(ctx: Ctx, target: Aim, after: FromQuery[str] = "", limit: Limit = 100) -> Apps:
    """List a tenant's apps with what is live."""
    return await views.apps(ctx.store, _site(ctx), target.tenant, after, limit)


@get(PATH, action="app.read", summary="Show an app", operation_id="showApp")
async def show(ctx: Ctx, target: Aim, app: AppName) -> AppView:
    """Return an app with its instances, domains and URLs; variables by name only."""
    return await views.app(ctx.store, _site(ctx), target.tenant, app)


@put(PATH, action="app.deploy", status_code=201, summary="Create an app", operation_id="createApp")
async def create(ctx: Ctx, principal: Caller, target: Aim, app: AppName) -> AppView:
    """Make an app without a release."""
    await actions.create_app(ctx.store, _site(ctx), principal.who, target.tenant, app)
    return await views.app(ctx.store, _site(ctx), target.tenant, app)


@delete(PATH, action="app.delete", status_code=202, summary="Delete an app", operation_id="deleteApp")
async def remove(
    ctx: Ctx,
    principal: Caller,
    target: Aim,
    app: AppName,
    confirm: FromQuery[str] = "",
    with_data: Annotated[bool, QueryParameter(name="data")] = False,
) -> Started:
    """Delete an app; ``confirm`` repeats its name, ``data`` says that its data folder dies too."""
    site = _site(ctx)
    return Started(
        await actions.delete_app(ctx.store, site, principal.who, target.tenant, app, confirm=confirm, data=with_data)
    )


@post(f"{PATH}/deploy", action="app.deploy", status_code=202, summary="Deploy an upload", operation_id="deployApp")
async def deploy(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[DeployBody]) -> Deployed:
    """Make a release of an uploaded folder, and the app where there is none."""
    upload = actions.Upload(app=app, blob=data.blob, environment=data.environment, title=data.title)
    rollout = await actions.deploy(ctx.store, _site(ctx), principal.who, target.tenant, upload)
    return _deployed(ctx, target.tenant, app, rollout, data.environment)


@post(f"{PATH}/scale", action="app.scale", status_code=200, summary="Scale an app", operation_id="scaleApp")
async def scale(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[ScaleBody]) -> AppView:
    """Say how many instances of a process the live releases have."""
    site = _site(ctx)
    await actions.scale(ctx.store, site, principal.who, target.tenant, app, data.process, data.count)
    return await views.app(ctx.store, site, target.tenant, app)


@get(f"{PATH}/env", action="app.env", summary="List variables", operation_id="listVariables")
async def list_variables(ctx: Ctx, target: Aim, app: AppName) -> dict[str, str]:
    """Return an app's variables with their values."""
    await ctx.store.get(App, target.tenant, app)
    return dict(await variables.read(ctx.store, target.tenant, app))


@patch(f"{PATH}/env", action="app.env", status_code=202, summary="Set variables", operation_id="setVariables")
async def set_env(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[EnvBody]) -> Started:
    """Set or take away variables; running instances are renewed one after the other."""
    return Started(await actions.set_env(ctx.store, principal.who, target.tenant, app, data.values))


@post(f"{PATH}/restart", action="app.deploy", status_code=202, summary="Restart an app", operation_id="restartApp")
async def restart(ctx: Ctx, principal: Caller, target: Aim, app: AppName) -> Started:
    """Renew the running instances one after the other."""
    return Started(await actions.restart(ctx.store, principal.who, target.tenant, app))


@get(f"{PATH}/domains", action="app.read", summary="List domains", operation_id="listDomains")
async def domains(ctx: Ctx, target: Aim, app: AppName) -> list[DomainView]:
    """Return the host names of the tenant's own that lead to the app."""
    await ctx.store.get(App, target.tenant, app)
    return [
        DomainView(host=record.name, environment=record.spec.environment)
        for record in await ctx.store.find(Domain, target.tenant)
        if record.spec.app == app
    ]


@put(f"{PATH}/domains/{{host:str}}", action="app.domain", summary="Add a domain", operation_id="addDomain")
async def add_domain(
    ctx: Ctx, principal: Caller, target: Aim, app: AppName, host: FromPath[str], data: JSONBody[DomainBody]
) -> DomainView:
    """Let a host name lead to the app."""
    await actions.add_domain(ctx.store, _site(ctx), principal.who, target.tenant, host, app, data.environment)
    return DomainView(host=host, environment=data.environment)


@delete(
    f"{PATH}/domains/{{host:str}}", action="app.domain", status_code=204, summary="Remove a domain",
    operation_id="removeDomain",
)  # fmt: skip
async def remove_domain(ctx: Ctx, principal: Caller, target: Aim, app: AppName, host: FromPath[str]) -> None:
    """Let a host name lead nowhere."""
    await views.check_domain(ctx.store, target.tenant, app, host)
    await actions.remove_domain(ctx.store, _site(ctx), principal.who, target.tenant, host)


@get(f"{PATH}/releases", action="app.read", summary="List releases", operation_id="listReleases")
async def releases(ctx: Ctx, target: Aim, app: AppName) -> Releases:
    """Return an app's releases, newest first."""
    return Releases(await views.releases(ctx.store, _site(ctx), target.tenant, app))


@get(f"{PATH}/releases/{{number:int}}", action="app.read", summary="Show a release", operation_id="showRelease")
async def release(ctx: Ctx, target: Aim, app: AppName, number: FromPath[int]) -> ReleaseView:
    """Return a release; a failed one with the end of its log."""
    record = await ctx.store.get(Release, target.tenant, f"{app}.{number}")
    parent = await ctx.store.get(App, target.tenant, app)
    return views.release(_site(ctx), target.tenant, parent.spec, record.spec)


@post(f"{PATH}/promote", action="app.promote", status_code=202, summary="Promote a release", operation_id="promote")
async def promote(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[PromoteBody]) -> Deployed:
    """Make a release live in an environment."""
    rollout = await actions.promote(ctx.store, principal.who, target.tenant, app, data.release, data.environment)
    return _deployed(ctx, target.tenant, app, rollout, data.environment)


@post(f"{PATH}/rollback", action="app.rollback", status_code=202, summary="Roll back", operation_id="rollback")
async def rollback(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[RollbackBody]) -> Deployed:
    """Make the release live that an environment showed before."""
    result = await actions.rollback(ctx.store, principal.who, target.tenant, app, data.environment)
    return _deployed(ctx, target.tenant, app, result, data.environment)


@get(f"{PATH}/logs", action="app.logs", summary="Read logs", operation_id="readLogs")
async def read_logs(
    ctx: Ctx, target: Aim, app: AppName, name: FromQuery[str] = "", lines: Limit = 100, follow: FromQuery[bool] = False
) -> Stream:
    """Return the last lines that an app's instances wrote, and with ``follow`` those to come, as JSON lines.

    ``name`` narrows them to instances whose names begin so, "build.3" is the log of a build.
    """
    await ctx.store.get(App, target.tenant, app)
    pieces = logs.stream(ctx.bus, target.tenant, app, name=name, lines=lines, follow=follow)
    return Stream(await _begun(_lines(pieces)), media_type="application/jsonl")


async def _lines(pieces: AsyncIterator[logs.Piece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        for line in piece.lines:
            yield msgspec.json.encode({"instance": piece.name, "text": line}) + b"\n"


async def _begun(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the same lines once it is known whether there will be any: a refusal is an answer, not a cut stream."""

    async def begin() -> bytes:
        return await anext(lines, b"")

    first = asyncio.create_task(begin())
    await asyncio.wait({first}, timeout=FIRST_SECONDS)
    if first.done():
        first.result()

    async def rest() -> AsyncIterator[bytes]:
        yield await first
        async for line in lines:
            yield line

    return rest()


ROUTES = [
    find, show, create, remove, deploy, scale, list_variables, set_env, restart, domains, add_domain, remove_domain,
    releases, release, promote, rollback, read_logs,
]  # fmt: skip
