"""Every form of the console, sent after its session has ended: nothing that was typed is lost, and nothing done unseen.

The routes say themselves which forms there are, and the pages which fields: a form that is added is looked at here
without being named.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from browsing import Browser, Found, forms, multipart, token_of
from places import NAMES, filled, handlers, patterns

from serai.console.depend import form_of
from serai.console.forms import TOKEN, Form, Pairs
from serai.console.received import Received
from serai.console.shape import all_kinds
from serai.identity.testing import PASSPHRASE

#: The names of what forms are about; that there is nothing of some of them is no matter to a form on its way.
VALUES = {**NAMES, "tenant": "demo", "task": "1", "shell": "1", "key": "1", "where": "demo"}
WAY_IN = "/sign-in"  # it asks who somebody is: there is no sending it after that
FILES = "multipart/form-data"
FILE = ("shop.tar.gz", b"an archive" * 100_000)
HOSTILE = '"><b>&amp;\nsecond line'


class Case(msgspec.Struct):
    """A form: where it goes, and what is typed into it; secrets are not to be shown."""

    path: str
    typed: Pairs
    secrets: Pairs
    streamed: bool

    async def send(self, browser: Browser, path: str, pairs: Pairs) -> httpx.Response:
        if not self.streamed:
            return await browser.post(path, pairs)
        body, media_type = multipart(pairs, FILE)
        return await browser.post(path, body, content_type=media_type)


def cases() -> Iterator[Case]:
    """Yield the form of every route, those about a kind of descriptor once for each, with text in every field."""
    found = handlers("POST")
    places = filled(found, VALUES)
    for pattern in sorted(found.keys() - {WAY_IN}):
        handler = found[pattern]
        streamed = bool(handler.opt.get("streamed"))
        if "form" not in handler.opt:
            yield case(places[pattern], form_of(handler), streamed=streamed)
            continue
        for kind in all_kinds():
            request = SimpleNamespace(path_params={"kind": kind.KIND})
            path = filled([pattern], {**VALUES, "kind": kind.KIND})[pattern]
            yield case(path, handler.opt["form"](request), streamed=streamed)


def case(path: str, kind: type[msgspec.Struct] | None, *, streamed: bool) -> Case:
    assert kind is not None, path
    form, pairs = Form(kind), []
    for number, field in enumerate(msgspec.structs.fields(kind)):
        # What does not fit is told by whoever takes the form; on its way it is text.
        pairs.append((field.encode_name, f"typed {number} into {field.encode_name} {HOSTILE}"))
        if isinstance(msgspec.inspect.type_info(field.type), (msgspec.inspect.VarTupleType, msgspec.inspect.ListType)):
            pairs.append((field.encode_name, f"typed {number} once more {HOSTILE}"))
    secret = tuple(pair for pair in pairs if form.is_secret(pair[0]))
    return Case(path, tuple(pair for pair in pairs if pair not in secret), secret, streamed)


class Seen:
    """What came through: the forms that handlers got, and what the API was asked to change."""

    def __init__(self, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forms: list[tuple[str, Pairs]] = []
        self.changes: list[str] = []
        taken, served = Received.form, house.api.app.asgi_handler

        def note(received: Received, login: str, key: bytes) -> Form[Any]:
            form = taken(received, login, key)
            self.forms.append((received.action, (*form.typed(), *form.typed(secret=True))))
            return form

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] not in {"GET", "HEAD"}:
                self.changes.append(f"{scope['method']} {scope['path']}")
            await served(scope, receive, send)

        monkeypatch.setattr(Received, "form", note)
        house.api.app.asgi_handler = serve

    def forget(self) -> None:
        self.forms.clear()
        self.changes.clear()


async def test_whatever_form_a_session_ends_under_nothing_typed_is_lost(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await shop.visitor("ada", ("", "operator"), ("demo", "owner"))
    seen, faults, sent = Seen(shop, monkeypatch), [], 0
    for one in cases():
        await browser.sign_in()
        token = token_of(await browser.get("/account"))
        await shop.api.call("DELETE", "/v1/users/ada/sessions")
        seen.forget()
        found = [fault async for fault in lost(browser, one, token, seen)]
        faults += [f"{one.path}: {fault}" for fault in found]
        sent += len(one.secrets)
    assert faults == []
    assert sent, "there are secrets among what is typed"


async def lost(browser: Browser, one: Case, token: str, seen: Seen) -> Any:
    """Send a form whose session has ended, sign in, send it again; yield what is lost, or done before it was shown."""
    everything = sorted((*one.typed, *one.secrets))
    page = await one.send(browser, one.path, ((TOKEN, token), *one.typed, *one.secrets))
    if [sorted(pairs) for _, pairs in seen.forms] == [everything]:
        return  # of those that need no session: it was sent
    if page.status_code != 401 or seen.forms or seen.changes:
        yield f"sent without a session: {page.status_code}, {seen.changes}"
        return
    again = await browser.submit(page, {"login": "ada", "password": PASSPHRASE}, action=WAY_IN)
    if [path for path, _ in seen.forms] != [WAY_IN] or seen.changes != ["POST /v1/sessions"]:
        yield f"sent before it was shown: {seen.forms[1:]}, {seen.changes}"
    for answer in (page, again):
        text = html.unescape(answer.text)
        for name, value in one.secrets:
            if value in text or value.partition(" into")[0] in text:
                yield f"{name} is shown"
    for name, value in one.typed:
        if f"<dd>{value}</dd>" not in html.unescape(again.text):
            yield f"{name} is not shown"
    form = next((form for form in forms(again.text) if form.action == one.path), None)
    if form is None or (form.enctype == FILES) != one.streamed or ("file" in form.names) != one.streamed:
        yield "there is no form to send it by"
        return
    seen.forget()
    answer = await one.send(browser, form.action, tuple(form.pairs))
    if answer.status_code >= 500 or seen.forms != [(one.path, (*one.typed, *one.secrets))]:
        yield f"{answer.status_code}, and this came: {seen.forms}"


async def test_what_pages_ask_for_is_what_their_forms_take(shop: Any) -> None:
    browser = await shop.visitor("ada", ("", "operator"), ("demo", "owner"))
    routes = handlers("POST")
    faults, looked_at = [], set()
    for path in filled(patterns(), VALUES).values():
        for form in forms((await browser.get(path)).text):
            if form.method != "post":
                continue
            pattern = route_of(form, routes)
            looked_at.add(pattern)
            faults += [f"{path}: {form.action} {fault}" for fault in strange(form, routes.get(pattern))]
    assert faults == []
    assert looked_at >= {"/tenants/{tenant:str}/deploy", "/tenants/{tenant:str}/apps/{app:str}/variables", "/theme"}


def route_of(form: Found, routes: dict[str, Any]) -> str:
    """Return the pattern of the route that a form goes to; of several, that with the fewest parameters."""
    path = form.action.partition("?")[0]
    fit = [one for one in routes if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", one), path)]
    return min(fit, key=lambda one: (one.count("{"), one), default="")


def strange(form: Found, handler: Any) -> Iterator[str]:
    if handler is None:
        yield "leads to no route"
        return
    streamed = bool(handler.opt.get("streamed"))
    kind = form_of(handler)
    if "form" in handler.opt:
        kind = handler.opt["form"](SimpleNamespace(path_params={"kind": form.action.split("/")[2]}))
    assert kind is not None
    known = {field.encode_name for field in msgspec.structs.fields(kind)} | {TOKEN} | ({"file"} if streamed else set())
    yield from (f"has {name}, which nobody reads" for name in form.names if name not in known)
    if (form.enctype == FILES) != streamed:
        yield "is not sent as it is read"
