"""What the API offers for deleted apps: bring one back, or end it. Listing them is their descriptors'."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

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
    return Started(await keeping.purge(ctx.store, principal.who, target.tenant, app, trash, confirm=confirm))


ROUTES = [undelete, purge]
