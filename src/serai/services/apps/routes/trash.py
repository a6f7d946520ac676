"""What the API offers for deleted apps, releases and tenants: bring one back, or end it. Listing is descriptors'."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from serai.services.apps import returning
from serai.services.apps import trash as keeping
from serai.services.apps.routes.common import PATH, Aim, AppName, Body, Caller, Ctx, Started, site_of
from serai.services.apps.trash import Returned


class UndeleteBody(Body, frozen=True, kw_only=True):
    """Which of several that were deleted; "" is the newest."""

    trash: Annotated[str, Meta(max_length=64)] = ""


@post(f"{PATH}/undelete", action="app.delete", status_code=202, summary="Undelete an app", operation_id="undeleteApp")
async def undelete(ctx: Ctx, principal: Caller, target: Aim, app: AppName, data: JSONBody[UndeleteBody]) -> Returned:
    """Bring a deleted app back as it was."""
    return await keeping.undelete(ctx.store, site_of(ctx), principal.who, target.tenant, app, data.trash)


@delete(
    f"{PATH}/trash/{{trash:str}}", action="app.delete", status_code=202, summary="Purge a deleted app",
    operation_id="purgeApp",
)  # fmt: skip
async def purge(
    ctx: Ctx, principal: Caller, target: Aim, app: AppName, trash: FromPath[str], confirm: FromQuery[str] = ""
) -> Started:
    """End what is kept of a deleted app at once; ``confirm`` repeats the app's name."""
    return Started(
        await keeping.purge(ctx.store, site_of(ctx), principal.who, target.tenant, app, trash, confirm=confirm)
    )


@post(
    f"{PATH}/releases/{{number:int}}/undelete", action="app.delete", status_code=202, summary="Undelete a release",
    operation_id="undeleteRelease",
)  # fmt: skip
async def undelete_release(ctx: Ctx, principal: Caller, target: Aim, app: AppName, number: FromPath[int]) -> Returned:
    """Bring a deleted release back: it answers at its own URL again."""
    return await keeping.undelete_release(ctx.store, site_of(ctx), principal.who, target.tenant, app, number)


@post(
    "/v1/tenants/{tenant:str}/undelete", action="tenant.write", status_code=202, summary="Undelete a tenant",
    operation_id="undeleteTenant",
)  # fmt: skip
async def undelete_tenant(ctx: Ctx, principal: Caller, target: Aim, data: JSONBody[UndeleteBody]) -> Returned:
    """Bring a deleted tenant back with its members, roles and apps; tokens and invitations do not come."""
    return await returning.undelete(ctx.store, site_of(ctx), principal.who, target.tenant, data.trash)


@delete(
    "/v1/tenants/{tenant:str}/trash/{trash:str}", action="tenant.delete", status_code=202,
    summary="Purge a deleted tenant", operation_id="purgeTenant",
)  # fmt: skip
async def purge_tenant(
    ctx: Ctx, principal: Caller, target: Aim, trash: FromPath[str], confirm: FromQuery[str] = ""
) -> Started:
    """End what is kept of a deleted tenant at once; ``confirm`` repeats its name."""
    return Started(await returning.purge(ctx.store, site_of(ctx), principal.who, target.tenant, trash, confirm=confirm))


ROUTES = [undelete, purge, undelete_release, undelete_tenant, purge_tenant]
