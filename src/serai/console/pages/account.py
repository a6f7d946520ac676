"""One's own account: password, authenticator app, recovery codes, passkeys, sessions. Secrets are shown once."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.api.factors import Enrolment, PasskeyList, RecoveryCodes
from serai.api.sessions import SessionList
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Secret
from serai.console.nav import Nav
from serai.console.visit import Visit
from serai.errors import ConflictError

NAV = (Nav(title="Your account", path="/account", order=95),)


class NewPassword(msgspec.Struct, frozen=True, kw_only=True):
    """The password that is, the one to be, and that one once more."""

    old: Secret = ""
    new: Secret
    again: Secret


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The password, which proves that it is still its owner who sits there."""

    password: Secret


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A code of the authenticator app, or a recovery code."""

    code: Annotated[str, Meta(max_length=300, extra={"secret": True})]


@get("/account")
async def account(visit: Visitor) -> Response[str]:
    """Show what proves who the visitor is, and where they are signed in."""
    return await _account(visit)


async def _account(visit: Visit, **forms: Form[Any]) -> Response[str]:
    sessions, passkeys = await asyncio.gather(
        visit.calls.read(SessionList, "/v1/sessions", keep=True),
        visit.calls.read(PasskeyList, "/v1/me/passkeys", keep=True),
    )
    empty = {"password": Form.of(NewPassword), "proof": Form.of(Proof), "code": Form.of(Code), "plain": Form.of(Empty)}
    return visit.page(
        "account.html",
        title="Your account",
        sessions=sessions.items,
        passkeys=passkeys.items,
        factors=visit.factors,
        forms={**empty, **forms},
    )


@post("/account/password")
async def set_password(visit: Visitor, form: Filled[NewPassword]) -> Response[str]:
    """Change the password; all other sessions end."""
    if form.ok and form.data.new != form.data.again:
        form.errors["again"], form.status = "This is not the same as the one above.", 400
    if await form.send(lambda one: visit.calls.call("PUT", "/v1/me/password", {"old": one.old, "new": one.new})):
        return visit.go("/account", "Your password is changed, and you are signed out everywhere else.")
    return await _account(visit, password=form)


@post("/account/totp")
async def begin_totp(visit: Visitor, form: Filled[Proof]) -> Response[str]:
    """Show the secret for an authenticator app, this once."""
    if await form.send(lambda one: visit.calls.call("POST", "/v1/me/totp", one)):
        enrolment = msgspec.convert(form.result, Enrolment)
        return visit.page("account-totp.html", title="An authenticator app", enrolment=enrolment, form=Form.of(Code))
    return await _account(visit, proof=form)


@post("/account/totp/confirm")
async def confirm_totp(visit: Visitor, form: Filled[Code]) -> Response[str]:
    """Use it from now on, and show the recovery codes, this once."""
    if await form.send(lambda one: visit.calls.call("POST", "/v1/me/totp/confirm", one)):
        return _codes(visit, form.result)
    return visit.page("account-totp.html", title="An authenticator app", enrolment=None)


@post("/account/totp/remove")
async def end_totp(visit: Visitor, form: Filled[Code]) -> Response[str]:
    """Stop to use it."""
    if await form.send(lambda one: visit.calls.call("POST", "/v1/me/totp/remove", one)):
        return visit.go("/account", "The authenticator app is asked for no more.")
    return await _account(visit, code=form)


@post("/account/recovery")
async def renew_recovery(visit: Visitor, form: Filled[Proof]) -> Response[str]:
    """Show new recovery codes, this once."""
    if await form.send(lambda one: visit.calls.call("POST", "/v1/me/recovery", one)):
        return _codes(visit, form.result)
    return await _account(visit, proof=form)


def _codes(visit: Visit, told: Any) -> Response[str]:
    visit.form = None
    codes = msgspec.convert(told, RecoveryCodes).codes
    return visit.page("account-codes.html", title="Recovery codes", codes=codes)


@post("/account/passkeys/{key:str}/remove")
async def remove_passkey(visit: Visitor, form: Filled[Empty], key: FromPath[str]) -> Response[str]:
    """Forget a passkey."""
    if await form.send(lambda _data: visit.calls.call("DELETE", f"/v1/me/passkeys/{segment(key)}")):
        return visit.go("/account", "The passkey opens nothing any more.")
    return await _account(visit, plain=form)


@post("/account/sessions/{name:str}/end")
async def end_session(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """End one of one's sessions."""
    if any(one.current for one in await _named(visit, name)):
        raise ConflictError("That is this session: sign out to end it.")
    if await form.send(lambda _data: visit.calls.call("DELETE", f"/v1/sessions/{segment(name)}")):
        return visit.go("/account", "That session has ended.")
    return await _account(visit, plain=form)


@post("/account/sessions/end-others")
async def end_others(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """End all of one's sessions but this one."""

    async def send(_data: Empty) -> int:
        found = [one for one in (await visit.calls.read(SessionList, "/v1/sessions")).items if not one.current]
        paths = [f"/v1/sessions/{segment(one.name)}" for one in found]
        await asyncio.gather(*(visit.calls.call("DELETE", path) for path in paths))
        return len(paths)

    if await form.send(send):
        ended = form.result
        return visit.go("/account", f"{ended} other {'session has' if ended == 1 else 'sessions have'} ended.")
    return await _account(visit, plain=form)


async def _named(visit: Visit, name: str) -> list[Any]:
    return [one for one in (await visit.calls.read(SessionList, "/v1/sessions")).items if one.name == name]


ROUTES: list[ControllerRouterHandler] = [
    account, set_password, begin_totp, confirm_totp, end_totp, renew_recovery, remove_passkey, end_others, end_session,
]  # fmt: skip
