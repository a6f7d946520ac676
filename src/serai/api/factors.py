"""What users prove themselves with: passwords, one-time passwords and recovery codes, passkeys."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Caller, Ctx, People
from serai.api.desk import Desk
from serai.api.sessions import Short, current
from serai.errors import DeniedError, InvalidError, NotFoundError
from serai.identity import Principal, bearer, sessions, totp
from serai.identity.passwords import check_password
from serai.identity.people import Secrets, User
from serai.identity.signin import spend

CODES = 10  # recovery codes
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is read for something else
_LENGTH = 12  # characters: 59 bits

AnyRequest = Request[Any, Any, Any]


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password in the place of the old one."""

    old: Short = ""
    new: Short


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code of an authenticator app, or a recovery code."""

    code: Short


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password again: what follows could lock its owner out."""

    password: Short


class KeyMade(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A browser's answer to an offer of a passkey."""

    ticket: Short
    answer: dict[str, Any]
    title: Annotated[str, Meta(max_length=60)] = ""


class PasskeyLine(msgspec.Struct, frozen=True):
    """A passkey as its user sees it; ``added`` in seconds since the epoch."""

    id: str
    title: str
    added: float


class PasskeyList(msgspec.Struct, frozen=True):
    """The passkeys of a user."""

    items: list[PasskeyLine]


class Enrolment(msgspec.Struct, frozen=True):
    """A new TOTP secret; it counts from the moment that a code proves it."""

    secret: str
    uri: str


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Codes that open once each; they are not shown again."""

    codes: list[str]


@put("/v1/me/password", action="me.write", status_code=204, summary="Change one's password", operation_id="setPassword")
async def set_password(
    request: AnyRequest, ctx: Ctx, desk: People, principal: Caller, data: JSONBody[NewPassword]
) -> None:
    """Change one's password; all other sessions end."""
    user, held, version = await _mine(desk, principal)
    if held.password:
        await _prove(request, desk, principal, held, data.old)
    elif not principal.strong:
        raise DeniedError("Show a passkey to set a password.")
    check_password(data.new, principal.user, user.email.partition("@")[0])
    newer = msgspec.structs.replace(held, password=await desk.passwords.hash(data.new))
    ends = sessions.end_all(desk.directory, principal.user, but=current(request))
    await ctx.store.change(principal.who, "new password", (desk.vault.put(principal.user, newer, version), *ends))


@post("/v1/me/totp", action="me.write", summary="Begin to use an authenticator app", operation_id="beginTotp")
async def begin_totp(
    request: AnyRequest, ctx: Ctx, desk: People, principal: Caller, data: JSONBody[Proof]
) -> Enrolment:
    """Return a secret for an authenticator app; `confirm` it with a code."""
    _, held, version = await _mine(desk, principal)
    await _prove(request, desk, principal, held, data.password)
    secret = totp.new_secret()
    newer = msgspec.structs.replace(held, pending=secret)
    await desk.vault.write(principal.who, "begin with one-time passwords", principal.user, newer, version)
    return Enrolment(secret, totp.uri(secret, principal.user, f"Serai {ctx.base}"))


@post("/v1/me/totp/confirm", action="me.write", summary="Confirm an authenticator app", operation_id="confirmTotp")
async def confirm_totp(ctx: Ctx, desk: People, principal: Caller, data: JSONBody[Code]) -> RecoveryCodes:
    """Use the secret from now on, and return recovery codes for the day on which the phone is lost."""
    _, held, version = await _mine(desk, principal)
    step = totp.accepted(held.pending, data.code, ctx.clock.now(), 0) if held.pending else None
    if step is None:
        raise InvalidError("That code is not of the new secret.", path="code")
    codes, digests = _recovery()
    newer = msgspec.structs.replace(held, totp=held.pending, pending="", step=step, recovery=digests)
    await desk.vault.write(principal.who, "use one-time passwords", principal.user, newer, version)
    return RecoveryCodes(codes)


@post("/v1/me/recovery", action="me.write", summary="Make new recovery codes", operation_id="renewRecovery")
async def renew_recovery(request: AnyRequest, desk: People, principal: Caller, data: JSONBody[Proof]) -> RecoveryCodes:
    """Return new recovery codes; the old ones open nothing any more."""
    _, held, version = await _mine(desk, principal)
    await _prove(request, desk, principal, held, data.password)
    codes, digests = _recovery()
    newer = msgspec.structs.replace(held, recovery=digests)
    await desk.vault.write(principal.who, "new recovery codes", principal.user, newer, version)
    return RecoveryCodes(codes)


@post(
    "/v1/me/totp/remove", action="me.write", status_code=204, summary="Stop one-time passwords", operation_id="endTotp"
)
async def end_totp(request: AnyRequest, ctx: Ctx, desk: People, principal: Caller, data: JSONBody[Code]) -> None:
    """Stop to use the authenticator app; a last code of it, or a recovery code, proves whose wish it is."""
    _, held, version = await _mine(desk, principal)
    with desk.signin.proof(principal.user, current(request)):
        spent = spend(held, data.code, ctx.clock.now()) if held.totp else None
        if spent is None:
            raise DeniedError("That code is wrong.")
    newer = msgspec.structs.replace(spent, totp="", recovery=())
    await desk.vault.write(principal.who, "no more one-time passwords", principal.user, newer, version)


@get("/v1/me/passkeys", action="me.read", summary="List one's passkeys", operation_id="listPasskeys")
async def find_passkeys(desk: People, principal: Caller) -> PasskeyList:
    """Return the passkeys of who asks, in the order in which they were added."""
    held = (await desk.vault.read(principal.user))[0] if principal.user else Secrets()
    return PasskeyList([PasskeyLine(one.id, one.title, one.added) for one in held.passkeys])


@post("/v1/me/passkeys", action="me.write", summary="Begin to add a passkey", operation_id="offerPasskey")
async def offer_passkey(
    request: AnyRequest, ctx: Ctx, desk: People, principal: Caller, data: JSONBody[Proof]
) -> dict[str, Any]:
    """Return what a browser needs to make a passkey; it takes the password, or a session that a passkey began."""
    user, held, _ = await _mine(desk, principal)
    if held.password:
        await _prove(request, desk, principal, held, data.password)
    elif not principal.strong:
        raise DeniedError("Show a passkey to add another.")
    return desk.passkeys.offer(principal.user, user.title, held, ctx.clock.now())


@post("/v1/me/passkeys/answer", action="me.write", status_code=204, summary="Add a passkey", operation_id="addPasskey")
async def add_passkey(ctx: Ctx, desk: People, principal: Caller, data: JSONBody[KeyMade]) -> None:
    """Keep the passkey that a browser made."""
    _, held, version = await _mine(desk, principal)
    newer = desk.passkeys.added(principal.user, held, data.ticket, data.answer, data.title, ctx.clock.now())
    await desk.vault.write(principal.who, "add a passkey", principal.user, newer, version)


@delete(
    "/v1/me/passkeys/{key:str}",
    action="me.write",
    status_code=204,
    summary="Remove a passkey",
    operation_id="removePasskey",
)
async def remove_passkey(desk: People, principal: Caller, key: FromPath[str]) -> None:
    """Forget a passkey, by its ID."""
    _, held, version = await _mine(desk, principal)
    left = tuple(one for one in held.passkeys if one.id != key)
    if len(left) == len(held.passkeys):
        raise NotFoundError("There is no such passkey.")
    if not left and not held.password:
        raise DeniedError("It is the last way in: set a password first.")
    newer = msgspec.structs.replace(held, passkeys=left)
    await desk.vault.write(principal.who, "remove a passkey", principal.user, newer, version)


async def _mine(desk: Desk, principal: Principal) -> tuple[User, Secrets, int]:
    user = desk.directory.user(principal.user)
    if user is None:
        raise DeniedError("Only users have passwords and keys.")
    return user, *await desk.vault.read(principal.user)


async def _prove(request: AnyRequest, desk: Desk, principal: Principal, held: Secrets, password: str) -> None:
    with desk.signin.proof(principal.user, current(request)):
        if not await desk.passwords.matches(held.password, password):
            raise DeniedError("That password is wrong.")


def _recovery() -> tuple[list[str], tuple[str, ...]]:
    plain = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(CODES)]
    return [f"{one[:4]}-{one[4:8]}-{one[8:]}" for one in plain], tuple(bearer.digest(one) for one in plain)


ROUTES: list[ControllerRouterHandler] = [
    set_password, begin_totp, confirm_totp, renew_recovery, end_totp, find_passkeys, offer_passkey, add_passkey,
    remove_passkey,
]  # fmt: skip
