"""Users: who asks, and how operators make accounts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Caller, Ctx, People
from serai.api.sessions import Short
from serai.errors import AlreadyExistsError, InvalidError, UnavailableError
from serai.identity.passwords import check_password
from serai.identity.people import Secrets, User
from serai.store import Put


class Me(msgspec.Struct, frozen=True):
    """Who is asking, as the platform sees it; ``factors`` are what a user proves themselves with."""

    who: str
    grants: list[dict[str, Any]]
    user: str = ""
    factors: list[str] = []


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to be, with a password that they change."""

    login: Short
    email: Short
    title: Annotated[str, Meta(max_length=100)] = ""
    password: Short = ""


@get("/v1/me", action="me.read", summary="Show who is asking", operation_id="me")
async def me(desk: People, principal: Caller) -> Me:
    """Return the principal that the platform takes the caller for."""
    try:
        held = (await desk.vault.read(principal.user))[0] if principal.user else Secrets()
    except UnavailableError:
        held = Secrets()  # who they are is known without the store; what they sign in with is not
    grants = [{key: value for key, value in msgspec.to_builtins(one).items() if value} for one in principal.grants]
    return Me(principal.id, grants, principal.user, held.factors())


@post("/v1/users", action="user.write", status_code=201, summary="Make a user", operation_id="createUser")
async def create(ctx: Ctx, desk: People, principal: Caller, data: JSONBody[NewUser]) -> User:
    """Make a user without an invitation; they belong nowhere yet."""
    if not User.NAME.fullmatch(data.login):
        raise InvalidError("A login begins with a letter and has at most 32 of a-z, 0-9, . and -.", path="login")
    user = User(email=data.email, title=data.title)
    user.check()
    if desk.directory.user(data.login) is not None or (data.email and any(desk.directory.by_email(data.email))):
        raise AlreadyExistsError("There is a user with that login or address.", path="login")
    operations = [Put("", data.login, user, 0)]
    if data.password:
        check_password(data.password, data.login, data.email.partition("@")[0])
        hashed = await desk.passwords.hash(data.password)
        _, version = await desk.vault.read(data.login)  # of a user of that name who was deleted: nothing of it stays
        operations.append(desk.vault.put(data.login, Secrets(password=hashed), version))
    await ctx.store.change(principal.who, f"make user {data.login}", tuple(operations))
    return user


ROUTES: list[ControllerRouterHandler] = [me, create]
