"""One visitor's request: who they are, what they sent, what the API says for them, and the page that they get."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie

from serai.api.answers import segment
from serai.api.entrance import SESSION, cookie_of, refuse_foreign, seen
from serai.api.people import Me
from serai.console import away, carried
from serai.console.calls import Calls
from serai.console.carried import Carried
from serai.console.forms import Form
from serai.console.known import Known
from serai.console.nav import Crumb, Nav, marked, offered
from serai.console.received import Received, Wanted, receive
from serai.console.render import Templates
from serai.console.streamed import Incoming
from serai.console.tokens import FLASH, THEME, form_token, is_form_token, open_flash, seal_flash
from serai.console.wire import Wire
from serai.errors import ConflictError, DeniedError, InternalError, SeraiError
from serai.identity import Principal, Target, allowed
from serai.identity.principals import Grant
from serai.services.paths import PLATFORM

AnyRequest = Request[Any, Any, Any]
THEMES = ("auto", "light", "dark")
FLASH_SECONDS = 60
MOST_HOMES = 50  # tenants that are offered at once; the list of all has the others
#: A path on this site: nothing that a browser would take for another host, nor for another header field.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}\Z")


class House(msgspec.Struct, frozen=True):
    """What all visits share."""

    wire: Wire
    known: Known
    templates: Templates
    nav: tuple[Nav, ...]
    now: Callable[[], float]


class Visit:
    """A request and its answer.

    ``tenant`` is the one that the path names, "" for none and for the platform; ``app`` the app, "" for none; ``part``
    the part of a page that is asked for alone, "" for all of it; ``calls`` asks the API; ``received`` is the form that
    came, whether it was taken or not.
    """

    def __init__(self, request: AnyRequest, house: House) -> None:
        shown = seen(request.scope)
        self._house = house
        self._shown = shown
        self.request = request
        self.session = cookie_of(shown, SESSION)
        self.request_id = str(request.scope["state"].get("request_id", ""))
        self.calls = Calls(house.wire, house.known, shown.fields, self.session, self.request_id)
        self.principal: Principal | None = None
        self.factors: list[str] = []
        self.form: Form[Any] | None = None
        self.received: Received | None = None
        self.part = request.query_params.get("part", "") if shown.field(b"hx-request") else ""
        tenant = str(request.path_params.get("tenant", ""))
        self.tenant = "" if tenant == PLATFORM else tenant
        self.app = str(request.path_params.get("app", ""))
        self._below = ""  # the page of the navigation that this one belongs to, where its address does not say
        theme = cookie_of(shown, THEME)
        self.theme = theme if theme in THEMES else "auto"
        self._flash = open_flash(self.session, cookie_of(shown, FLASH))
        self._cookies: list[Cookie] = []
        self._token = ("", "")
        self._adopted = ""
        self._key = carried.key_of(cookie_of(shown, carried.COOKIE))

    # Before a handler runs:

    async def open(self, *, everybody: bool = False, form: Wanted | None = None, token: bool = True) -> None:
        """Learn who asks, and take the form that was sent.

        ``everybody`` may come, known or not. Whoever is known sends the ``token`` of their session with a form; that
        no other site's page sent it is asked of everybody.
        """
        if form is not None:
            refuse_foreign(self._shown)
            self.received = await receive(self.request, self._shown, form, self.here)
        try:
            await self._recognise(everybody=everybody)
            if self.received is not None:
                if token and self.principal is not None and not is_form_token(self.received.token, self.session):
                    raise ConflictError("That form is from another session.", need="form")
                self.form = self.received.form(self.login, self._key)
        except SeraiError:
            if self.received is not None:
                await self.received.leave()
            raise

    async def _recognise(self, *, everybody: bool) -> None:
        try:
            if not self.session:
                raise DeniedError("Sign in first.", need="sign-in")
            me = await self.calls.read(Me, "/v1/me", keep=True)
        except SeraiError:
            if everybody:
                return
            raise
        grants = tuple(msgspec.convert(one, Grant) for one in me.grants)
        self.principal = Principal(kind="user", name=me.user, user=me.user, grants=grants)
        self.factors = me.factors

    # What handlers and templates ask:

    @property
    def login(self) -> str:
        """Return who asks, "" for nobody."""
        return self.principal.user if self.principal is not None else self._adopted

    @property
    def incoming(self) -> Incoming:
        """Return the file that comes after a form's fields."""
        if self.received is None or self.received.incoming is None:
            raise InternalError("That form has no file.")
        return self.received.incoming

    def carry(self) -> Carried | None:
        """Return the form that came, to go along until it can be taken; None where there is none."""
        if self.received is None:
            return None
        made = self.received.carry(self._key)
        if made.all(carried.SEALED):
            self.set_cookie(carried.COOKIE, carried.as_cookie(self._key), carried.SECONDS, hidden=True)
        return made

    def offer(self, found: Carried | None) -> Carried | None:
        """Return a form that went along as whoever asks now may send it."""
        return carried.offered(found, self.login, self._key) if found is not None else None

    @property
    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._house.now()

    @property
    def here(self) -> str:
        """Return the path and query of this request, without the part."""
        query = [(name, value) for name, value in self.request.query_params.multi_items() if name != "part"]
        path = self.request.scope["path"]
        return f"{path}?{urlencode(query)}" if query else str(path)

    @property
    def where(self) -> str | None:
        """Return the tenant of a list as the API's queries have it: "-" for the platform, None for a list of all."""
        named = self._below or "tenant" in self.request.path_params
        return (self.tenant or PLATFORM) if named else None

    @property
    def home(self) -> str:
        """Return the path that pages of this tenant are below, "" where a page is about all."""
        return "" if self.where is None else f"/tenants/{segment(self.where)}"

    @property
    def again(self) -> str:
        """Return the address that tells how old this page would be now; "" where it was the answer to a form."""
        return self.with_query(part=away.AGAIN) if self.request.method == "GET" else ""

    def with_query(self, **changes: str) -> str:
        """Return the path and query of this request with some parameters changed; "" takes one away."""
        query = dict(self.request.query_params.items()) | {"part": ""} | changes
        given = {name: value for name, value in query.items() if value}
        path = str(self.request.scope["path"])
        return f"{path}?{urlencode(given)}" if given else path

    @property
    def token(self) -> str:
        """Return the token that the forms of this page carry."""
        if not self._token[1] or self._token[0] != self.session:
            self._token = (self.session, form_token(self.session, self.login))
        return self._token[1]

    def belong(self, tenant: str, path: str) -> None:
        """Let a page whose address names no tenant be one of a tenant's, below a page of its."""
        self.tenant, self._below = tenant, path

    def may(self, action: str, tenant: str = "", app: str = "") -> bool:
        """Tell whether the API would let them, so that pages offer what works; the API decides for itself."""
        return self.principal is not None and allowed(self.principal, action, Target(tenant=tenant, app=app))[0]

    def may_anywhere(self, action: str) -> bool:
        """Tell whether they may in any tenant at all."""
        return self.principal is not None and any(grant.allows(action) for grant in self.principal.grants)

    def tenants(self) -> list[str]:
        """Return the tenants that somebody was granted something in, in order; operators have the platform's grant."""
        return sorted({grant.tenant for grant in self.principal.grants if grant.tenant}) if self.principal else []

    def homes(self) -> list[tuple[str, str]]:
        """Return (tenant, path of the first page about it that they may see) of their tenants, for choosing one."""
        found = []
        for tenant in self.tenants()[:MOST_HOMES]:
            lines = offered(self._house.nav, self, tenant)
            first = next((path for line, path in lines if line.about == "tenant"), None)
            if first is not None:
                found.append((tenant, first))
        return found

    def nav(self) -> list[tuple[str, str, bool]]:
        """Return (title, path, whether this page is below it) of the lines of the navigation."""
        lines = offered(self._house.nav, self, self.tenant) if self.principal is not None else []
        here = self._below or self.request.scope["path"]
        return marked([(line.title, path) for line, path in lines if line.about != "app"], here)

    def tabs(self) -> list[tuple[str, str, bool]]:
        """Return the same of the pages of the app that this one is about."""
        lines = offered(self._house.nav, self, self.tenant, self.app)
        return marked([(line.title, path) for line, path in lines if line.about == "app"], self.request.scope["path"])

    # Answers:

    def page(
        self,
        template: str,
        *,
        title: str,
        crumbs: Iterable[Crumb] = (),
        http_status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response[str]:
        """Return a page, or the part of it that was asked for. A form that did not fit gives it its status."""
        form = self.form
        if http_status is None:
            http_status = form.status if form is not None and not form.ok else 200
        values = {"form": form, **values, "visit": self, "title": title, "crumbs": tuple(crumbs)}
        values["flash"] = "" if self.part else self._flash
        template = away.TEMPLATE if self.part == away.AGAIN else template
        text = self._house.templates.render(template, values, self.part)
        if values["flash"]:
            self._forget_flash()
        if http_status == 200:
            away.remember(self)
        headers = {**(headers or {}), **away.fields(self)}
        return self._respond(Response(text, status_code=http_status, media_type="text/html", headers=headers))

    def go(self, path: str, flash: str = "") -> Response[str]:
        """Lead to another page with 303 (RFC 9110 section 15.4.4), so that the back button repeats nothing."""
        if flash:
            self.set_cookie(FLASH, seal_flash(self.session, flash), FLASH_SECONDS, hidden=True)
        return self._respond(Response("", status_code=303, media_type="text/plain", headers={"location": local(path)}))

    def set_cookie(self, name: str, value: str, seconds: int, *, hidden: bool = False) -> None:
        """Give the browser a cookie of this host alone."""
        self._cookies.append(
            Cookie(name, path="/", value=value, max_age=seconds, secure=True, httponly=hidden, samesite="lax")
        )

    def adopt(self, login: str) -> None:
        """Go on as whoever has just signed in, or as nobody: their browser gets the cookie with this answer."""
        self.principal, self._adopted = None, login
        for line in self.calls.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            if name.strip() == SESSION:
                self.session = value.strip().strip('"')

    def _forget_flash(self) -> None:
        self.set_cookie(FLASH, "", 0, hidden=True)

    def _respond(self, response: Response[str]) -> Response[str]:
        lines = [cookie.to_header(header="") for cookie in self._cookies]
        self.request.scope["state"]["cookies"] = [*self.calls.cookies, *lines]
        return response


def local(path: str, otherwise: str = "/") -> str:
    """Return a path where it is one of this site, or else another: nobody is led elsewhere by what they clicked on."""
    return path if _LOCAL.match(path) else otherwise
