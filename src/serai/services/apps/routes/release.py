"""What the API offers for releases: deploy, list, show, promote, roll back, delete."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from serai.daemon.module import Context
from serai.services.apps import actions, removal, views
from serai.services.apps.descriptors import PROD, App, Release
from serai.services.apps.git.outside import Outside, look_up
from serai.services.apps.git.source import MAX_FOLDER, MAX_REF, MAX_URL, Source
from serai.services.apps.rollout import Rollout
from serai.services.apps.routes.common import PATH, Aim, AppName, Body, Caller, Ctx, Limit, Started, site_of
from serai.services.apps.views import ReleaseView

Before = Annotated[int | None, QueryParameter(ge=0, le=1_000_000_000)]


class GitBody(Body, frozen=True, kw_only=True):
    """A commit of a repository: ``ref`` is a branch, a tag or a whole commit ID; ``folder`` a part of its files."""

    url: Annotated[str, Meta(max_length=MAX_URL)]
    ref: Annotated[str, Meta(max_length=MAX_REF)] = ""
    folder: Annotated[str, Meta(max_length=MAX_FOLDER)] = ""


class DeployBody(Body, frozen=True, kw_only=True):
    """A folder that was uploaded as a blob, or a repository to fetch it from; ``environment`` null only builds it."""

    blob: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{64})?\Z")] = ""
    git: GitBody | None = None
    environment: str | None = PROD
    title: Annotated[str, Meta(max_length=500)] = ""


class PromoteBody(Body, frozen=True, kw_only=True):
    """A release, and where it is to be live."""

    release: Annotated[int, Meta(ge=1, le=999_999_999)]
    environment: str = PROD


class RollbackBody(Body, frozen=True, kw_only=True):
    """Where to go back."""

    environment: str = PROD


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A release on its way: its tasks in order, and where it will answer."""

    release: int
    tasks: tuple[str, ...]
    url: str
    release_url: str


class Releases(msgspec.Struct, frozen=True):
    """An app's releases, newest first; ``next`` goes into ``before`` of the next page, 0 on the last."""

    items: list[ReleaseView]
    next: int = 0


def _deployed(ctx: Context, tenant: str, app: str, rollout: Rollout, environment: str | None) -> Deployed:
    release_url = views.release_url(site_of(ctx), tenant, app, rollout.release)
    url = release_url if environment is None else views.url(site_of(ctx), tenant, app, environment)
    return Deployed(release=rollout.release, tasks=rollout.tasks, url=url, release_url=release_url)


@post(f"{PATH}/deploy", action="app.deploy", status_code=202, summary="Deploy", operation_id="deployApp")
async def deploy(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[DeployBody]) -> Deployed:
    """Make a release of an uploaded folder or of a repository, and the app where there is none."""
    source = None
    if data.git is not None:
        source = Source(url=data.git.url, ref=data.git.ref, folder=data.git.folder)
        await look_up(source, Outside(networks=ctx.private_networks))
    upload = actions.Upload(app=app, blob=data.blob, git=source, environment=data.environment, title=data.title)
    rollout = await actions.deploy(ctx.store, site_of(ctx), principal.who, target.tenant, upload)
    return _deployed(ctx, target.tenant, app, rollout, data.environment)


@get(f"{PATH}/releases", action="app.read", summary="List releases", operation_id="listReleases")
async def list_releases(ctx: Ctx, target: Aim, app: AppName, before: Before = None, limit: Limit = 1000) -> Releases:
    """Return an app's releases, newest first; those ``before`` a number."""
    found, more = await views.releases(ctx.store, site_of(ctx), target.tenant, app, before, limit)
    return Releases(found, found[-1].number if more else 0)


@get(f"{PATH}/releases/{{number:int}}", action="app.read", summary="Show a release", operation_id="showRelease")
async def release(ctx: Ctx, target: Aim, app: AppName, number: FromPath[int]) -> ReleaseView:
    """Return a release; a failed one with the end of its log."""
    record = await ctx.store.get(Release, target.tenant, f"{app}.{number}")
    parent = await ctx.store.get(App, target.tenant, app)
    return views.release(site_of(ctx), target.tenant, parent.spec, record.spec)


@delete(
    f"{PATH}/releases/{{number:int}}", action="app.delete", status_code=202, summary="Delete a release",
    operation_id="deleteRelease",
)  # fmt: skip
async def delete_release(ctx: Ctx, principal: Caller, target: Aim, app: AppName, number: FromPath[int]) -> Started:
    """Delete a release that no environment shows; it is kept for 7 days, and the app's data for good."""
    site = site_of(ctx)
    return Started(await removal.delete_release(ctx.store, site, principal.who, target.tenant, app, number))


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


ROUTES = [deploy, list_releases, release, delete_release, promote, rollback]
