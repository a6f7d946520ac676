"""What the API offers for an app's deploy token: set it, see for which host it is, forget it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.params import JSONBody
from msgspec import Meta

from serai.errors import NotFoundError
from serai.services.apps import tokens
from serai.services.apps.descriptors import App
from serai.services.apps.git.token import MAX_TOKEN, USERNAME, GitToken
from serai.services.apps.routes.common import PATH, Aim, AppName, Body, Caller, Ctx, Keys


class TokenBody(Body, frozen=True, kw_only=True):
    """A token that a git server takes as the password of ``username``, for one host."""

    host: Annotated[str, Meta(max_length=300)]
    username: Annotated[str, Meta(max_length=100)] = USERNAME
    token: Annotated[str, Meta(max_length=MAX_TOKEN)]

    def __repr__(self) -> str:
        """Tell the host only."""
        return f"TokenBody({self.host})"


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token as people see it: where it is shown, and as whose."""

    host: str
    username: str


@get(f"{PATH}/git", action="app.env", summary="Show the deploy token's host", operation_id="showGitToken")
async def show(ctx: Ctx, target: Aim, app: AppName) -> TokenView:
    """Return for which host an app has a deploy token; nobody is shown the token."""
    await ctx.store.get(App, target.tenant, app)
    found, _ = await tokens.stored(ctx.store, target.tenant, app)
    if found is None:
        raise NotFoundError(f"{app} has no deploy token.")
    return TokenView(host=found.host, username=found.username)


@put(f"{PATH}/git", action="app.env", status_code=200, summary="Set the deploy token", operation_id="setGitToken")
async def give(
    ctx: Ctx, keys: Keys, principal: Caller, target: Aim, app: AppName, data: JSONBody[TokenBody]
) -> TokenView:
    """Give an app the token that it is fetched with from one host; the one before is forgotten."""
    wanted = GitToken(host=data.host.lower(), username=data.username, token=data.token)
    await tokens.put(ctx.store, keys, principal.who, target.tenant, app, wanted)
    return TokenView(host=wanted.host, username=wanted.username)


@delete(f"{PATH}/git", action="app.env", status_code=204, summary="Forget the token", operation_id="deleteGitToken")
async def forget(ctx: Ctx, principal: Caller, target: Aim, app: AppName) -> None:
    """Take an app's deploy token away."""
    await ctx.store.get(App, target.tenant, app)
    await tokens.remove(ctx.store, principal.who, target.tenant, app)


ROUTES = [show, give, forget]
