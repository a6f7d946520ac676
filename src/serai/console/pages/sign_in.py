"""Signing in, out, and what somebody does without an account: joining, and setting a new password by a link."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from serai.api.entrance import SESSION
from serai.console.carried import Carried
from serai.console.depend import Filled, Visitor
from serai.console.forms import MAX_BODY, Empty, Form, Secret, Short
from serai.console.tokens import THEME
from serai.console.visit import THEMES, Visit, local
from serai.errors import DeadlineError, DeniedError, InvalidError, UnavailableError

YEAR = 366 * 86400  # seconds

_LEFT = (
    "You are signed out of this browser. The session itself has not ended, since the platform does not answer: "
    "end it under Your account once it does."
)
_AWAY = {503, 504}
_SHUT = "Nobody can sign in until the platform answers again. Sites are served all the same."
_WELCOME = "Welcome. What you were invited to is yours now."


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a person signs in with, where they want to go, and a form that their last session's end kept from going."""

    login: Short
    password: Secret
    code: Secret = ""
    next: str = "/"
    action: str = ""
    kept: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A form that was kept while somebody signed in by a passkey, which a script does."""

    action: str
    kept: str
    next: str = "/"


class Taking(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation, and who takes it up; login and password are for who has no account."""

    secret: Secret
    login: Short = ""
    title: Short = ""
    password: Secret = ""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The secret of a link, and the password to be."""

    secret: Secret
    password: Secret


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    """How pages look, and where the choice was made."""

    theme: Short
    next: str = "/"


@get("/sign-in", everybody=True)
async def show_sign_in(visit: Visitor) -> Response[str]:
    """Ask who somebody is."""
    if visit.login:
        return visit.go("/")
    return _sign_in(visit, visit.request.query_params.get("next", "/"), None)


@post("/sign-in", everybody=True, token=False, most=MAX_BODY)
async def sign_in(visit: Visitor, form: Filled[Entry]) -> Response[str]:
    """Begin a session; a form that was kept is shown, to be sent now."""
    carried = _unpack(form.value("action"), form.value("kept")) if form.value("action") else None
    try:
        done = await form.send(lambda entry: _begin(visit, entry))
    except (UnavailableError, DeadlineError) as fault:
        form.refuse(fault)
        return _sign_in(visit, form.value("next"), carried, error=_SHUT, form=form, http_status=form.status)
    if not done:
        error = _SHUT if form.status in _AWAY else form.error or "; ".join(form.errors.values())
        return _sign_in(visit, form.value("next"), carried, error=error, form=form, http_status=form.status)
    visit.adopt(str(form.result["login"]))
    if carried is not None:
        return _again(visit, carried)
    return visit.go(local(form.data.next))


@post("/resume", token=False, most=MAX_BODY)
async def resume(visit: Visitor, form: Filled[Kept]) -> Response[str]:
    """Show a form that was kept, to be sent now."""
    kept = form.data
    return _again(visit, _unpack(kept.action, kept.kept))


@post("/sign-out", everybody=True)
async def sign_out(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """End the session."""
    if form.ok and visit.login:
        try:
            await visit.calls.call("DELETE", "/v1/sessions/current")
        except (UnavailableError, DeadlineError):
            visit.set_cookie(SESSION, "", 0, hidden=True)
            visit.session = ""
            return visit.go("/sign-in", _LEFT)
        visit.adopt("")
    return visit.go("/sign-in", "You are signed out.")


@post("/theme", everybody=True)
async def choose_theme(visit: Visitor, form: Filled[Theme]) -> Response[str]:
    """Keep how pages look in this browser."""
    if form.data.theme not in THEMES:
        raise InvalidError("There is no such appearance.", path="theme")
    visit.set_cookie(THEME, form.data.theme, YEAR)
    return visit.go(local(form.data.next))


@get("/join", everybody=True)
async def show_join(visit: Visitor) -> Response[str]:
    """Show the form of an invitation; its secret is behind the # of the address, which no server sees."""
    return visit.page("join.html", title="Join", form=Form.of(Taking))


@post("/join", everybody=True)
async def join(visit: Visitor, form: Filled[Taking]) -> Response[str]:
    """Take an invitation up; whoever was signed in as they opened the form is asked to be so again."""
    if visit.received is not None and visit.received.opened_by and not visit.login:
        raise DeniedError("Sign in first.", need="sign-in")
    if await form.send(lambda taking: visit.calls.call("POST", "/v1/join", taking)):
        return visit.go(
            "/" if visit.login else "/sign-in",
            _WELCOME if visit.login else f"{_WELCOME} Sign in with your new password.",
        )
    return visit.page("join.html", title="Join")


@get("/reset", everybody=True)
async def show_reset(visit: Visitor) -> Response[str]:
    """Show the form of a link that sets a password."""
    return visit.page("reset.html", title="A new password", form=Form.of(Setting))


@post("/reset", everybody=True)
async def reset(visit: Visitor, form: Filled[Setting]) -> Response[str]:
    """Set a password."""
    if await form.send(lambda setting: visit.calls.call("POST", "/v1/reset", setting)):
        return visit.go("/sign-in", "Your new password is set: sign in with it.")
    return visit.page("reset.html", title="A new password")


def _sign_in(visit: Visit, target: str, carried: Carried | None, **more: Any) -> Response[str]:
    values = {"error": "", "form": None, **more}
    return visit.page("sign-in.html", title="Sign in", next=local(target), carried=carried, **values)


def _again(visit: Visit, carried: Carried) -> Response[str]:
    visit.form = None
    return visit.page("again.html", title="Send it now?", carried=visit.offer(carried))


async def _begin(visit: Visit, entry: Entry) -> Any:
    body = {"login": entry.login, "password": entry.password, "code": entry.code}
    return await visit.calls.call("POST", "/v1/sessions", body)


def _unpack(action: str, kept: str) -> Carried:
    """Return a form as the page of signing in carried it; what it says is the visitor's own, and is shown to them."""
    try:
        pairs = msgspec.json.decode(kept or "[]", type=tuple[tuple[str, str], ...])
    except msgspec.DecodeError:
        raise InvalidError("What was kept of the form can't be read.", path="kept") from None
    return Carried(local(action), pairs)


ROUTES: list[ControllerRouterHandler] = [
    show_sign_in,
    sign_in,
    resume,
    sign_out,
    choose_theme,
    show_join,
    join,
    show_reset,
    reset,
]
