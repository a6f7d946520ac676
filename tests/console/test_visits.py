"""What every page does: who may come, what is sent with it, and that nothing typed is lost."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import msgspec
import pytest
from browsing import HOST, forms, token_of
from consoling import consoling
from litestar import Response, get, post

from serai.console import nav
from serai.console.app import build
from serai.console.depend import Filled, Visitor
from serai.console.forms import MAX_FORM, Secret, Short
from serai.console.nav import Nav
from serai.console.visit import local
from serai.console.wire import Wire
from serai.errors import ConflictError, InternalError
from serai.identity.testing import PASSPHRASE

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"
taken: list[Note] = []


class Note(msgspec.Struct, frozen=True, kw_only=True):
    title: Short
    text: str = ""
    pin: Secret = ""
    key: Annotated[str, msgspec.Meta(extra={"secret": True})] = ""


@get("/notes/{tenant:str}/{name:str}")
async def show(visit: Visitor, name: str) -> Response[str]:
    return visit.page("error.html", title=name, detail=visit.tenant, advice="", code=0, carried=None)


@post("/notes")
async def write(visit: Visitor, form: Filled[Note]) -> Response[str]:
    if await form.send(lambda note: keep(visit, note)):
        return visit.go("/", f"{form.data.title} is kept.")
    return visit.page("reset.html", title="Note")


async def keep(visit: Any, note: Note) -> None:
    await visit.calls.get("/v1/me")
    if note.title == "taken":
        raise ConflictError("Somebody wrote one of that name.", path="title")
    taken.append(note)


NOTES = SimpleNamespace(ROUTES=[show, write], NAV=(Nav(title="Notes", path="/notes/{tenant}/x", order=5),))


@pytest.fixture
async def notes(tmp_path: Any) -> Any:
    taken.clear()
    async with consoling(tmp_path, pages=[*nav.modules(), NOTES]) as house:
        yield house


async def test_every_page_says_what_browsers_must_not_do(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    for path in ("/", "/sign-in", "/nowhere", "/join"):
        fields = (await ada.get(path)).headers
        assert fields["content-security-policy"].startswith(POLICY)
        assert "unsafe" not in fields["content-security-policy"]
        assert "frame-ancestors 'none'" in fields["content-security-policy"]
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["referrer-policy"] == "same-origin"
        assert fields["cross-origin-opener-policy"] == "same-origin"
        assert fields["cache-control"] == "no-store"
        assert fields["strict-transport-security"] == "max-age=31536000"
        assert fields["x-request-id"]


async def test_cookies_are_of_this_host_alone_and_out_of_reach_for_scripts(house: Any) -> None:
    await house.api.person("ada", ("", "operator"))
    answer = await house.browser().post("/sign-in", {"login": "ada", "password": PASSPHRASE})
    lines = answer.headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in lines} == {"__Host-serai", "__Host-serai-device"}
    for line in lines:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(re.split(r";\s*", line)), line


async def test_a_wrong_password_is_told_and_the_login_kept(house: Any) -> None:
    await house.api.person("ada", ("", "operator"))
    page = await house.browser().post("/sign-in", {"login": "ada", "password": "wrong", "next": "/x"})
    assert page.status_code == 403
    assert "Login, password or code is wrong." in page.text
    assert forms(page.text)[-1].fields | {"code": ""} == {"login": "ada", "password": "", "code": "", "next": "/x"}


@pytest.mark.parametrize(
    "target", ["//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", "/a\r\nb: c"]
)
async def test_nobody_is_led_elsewhere(house: Any, target: str) -> None:
    await house.api.person("ada", ("", "operator"))
    answer = await house.browser().post("/sign-in", {"login": "ada", "password": PASSPHRASE, "next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert local(target) == "/"


async def test_signing_out_ends_the_session(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    old = dict(ada.cookies)
    answer = await ada.submit(await ada.get("/"), {}, action="/sign-out")
    assert "You are signed out." in (await ada.follow(answer)).text
    ada.cookies = old
    assert (await ada.get("/")).status_code == 401


async def test_what_was_done_is_said_once(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    answer = await ada.submit(await ada.get("/"), {"title": "<b>one</b>"}, action="/theme")
    assert answer.status_code == 400, "a form takes its own fields only"
    token = token_of(await ada.get("/"))
    page = await ada.follow(await ada.post("/notes", {"title": "<b>one</b>", "csrf": token}))
    assert "&lt;b&gt;one&lt;/b&gt; is kept." in page.text
    assert "is kept" not in (await ada.get("/")).text


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": f"http://{HOST}"},
        {"origin": f"https://{HOST}:8443"},
        {"origin": ""},
    ],
)
async def test_another_sites_form_is_refused_whatever_it_knows(notes: Any, fields: dict[str, str]) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    answer = await ada.post("/notes", {"title": "one", "csrf": token}, **fields)
    assert answer.status_code == 403
    await notes.api.person("eve", ("", "operator"))
    for path in ("/sign-in", "/sign-out", "/theme", "/join", "/reset"):
        assert (await ada.post(path, {"login": "eve", "password": PASSPHRASE}, **fields)).status_code == 403
    assert taken == []


async def test_the_form_of_another_session_is_shown_before_it_is_sent(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    old = token_of(await ada.get("/"))
    await ada.sign_in("ada")
    for wrong in (old, "", "x"):
        taken.clear()
        page = await ada.post("/notes", {"title": "one", "text": "a\nb", "pin": "1234", "csrf": wrong})
        assert page.status_code == 409
        assert "1234" not in page.text
        assert taken == []
        answer = await ada.submit(page, {}, action="/notes")
        assert answer.status_code == 303
        assert taken == [Note(title="one", text="a\nb", pin="1234")]


async def test_what_one_typed_is_not_sent_in_anothers_name_unseen_and_their_secrets_not_at_all(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    await notes.api.person("bob", ("", "operator"))
    opened = token_of(await ada.get("/"))
    await ada.sign_in("bob")
    page = await ada.post("/notes", {"title": "mine", "pin": "1234", "csrf": opened})
    assert (page.status_code, taken) == (409, [])
    assert "<b>ada</b> opened this form, and you are signed in as <b>bob</b>" in page.text
    assert ">mine</dd>" in page.text
    assert forms(page.text)[-1].fields["pin"] == "", "it is to be typed again"
    answer = await ada.submit(page, {"pin": "5678"})
    assert (answer.status_code, taken) == (303, [Note(title="mine", pin="5678")])


async def test_a_session_that_ends_under_an_open_form_loses_nothing(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    [(name, _)] = notes.api.desk.directory.sessions("ada")
    await notes.api.call("DELETE", f"/v1/users/ada/sessions?session={name}")
    text = 'one\n"two" <three> & vier'
    page = await ada.post("/notes", {"title": "kept", "text": text, "pin": "1234", "csrf": token})
    assert page.status_code == 401
    assert "What you typed is kept" in page.text
    assert forms(page.text)[-1].fields["login"] == "ada"
    wrong = await ada.submit(page, {"login": "ada", "password": "wrong"})
    assert "Login, password or code is wrong." in wrong.text
    again = await ada.submit(wrong, {"login": "ada", "password": PASSPHRASE})
    assert again.status_code == 200
    assert taken == [], "it is shown before it is sent"
    for one in (page, wrong, again):
        assert "1234" not in one.text
    answer = await ada.submit(again, {}, action="/notes")
    assert (answer.status_code, taken) == (303, [Note(title="kept", text=text, pin="1234")])


async def ended(notes: Any, **typed: str) -> tuple[Any, Any]:
    """Return a browser whose session ended under a form, and the page that shows the form after signing in."""
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    ada.cookies.pop("__Host-serai")
    page = await ada.post("/notes", {**typed, "csrf": token})
    assert (page.status_code, taken) == (401, [])
    return ada, await ada.submit(page, {"login": "ada", "password": PASSPHRASE})


async def test_the_key_of_what_is_sealed_is_in_a_cookie_alone(notes: Any) -> None:
    ada, again = await ended(notes, title="kept", pin="1234")
    key = ada.cookies["__Host-serai-kept"]
    assert key not in again.text
    ada.cookies.pop("__Host-serai-kept")
    page = await ada.submit(again, {})
    assert (page.status_code, taken) == (409, []), "a secret is not left out without a word"
    assert "Type it again" in page.text
    assert ">kept</dd>" in page.text
    assert (await ada.submit(page, {"pin": "5678"})).status_code == 303
    assert taken == [Note(title="kept", pin="5678")]


@pytest.mark.parametrize("change", [{"title": "other"}, {"text": "more"}, {"-by": ""}, {"-sealed": "sealed:form:AAAA"}])
async def test_what_is_sealed_goes_nowhere_but_with_its_own_form(notes: Any, change: dict[str, str]) -> None:
    ada, again = await ended(notes, title="kept", text="", pin="1234")
    page = await ada.submit(again, change)
    assert (page.status_code, taken) == (409, [])
    [form] = [one for one in forms(again.text) if "-sealed" in one.fields]
    page = await ada.post("/notes?other=1", form.fields)
    assert (page.status_code, taken) == (409, [])
    assert (await ada.submit(again, {})).status_code == 303
    assert taken == [Note(title="kept", pin="1234")]


async def test_another_person_who_signs_in_under_a_form_sees_whose_it_is(notes: Any) -> None:
    await notes.api.person("bob", ("", "operator"))
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    ada.cookies.pop("__Host-serai")
    page = await ada.post("/notes", {"title": "kept", "pin": "1234", "csrf": token})
    again = await ada.submit(page, {"login": "bob", "password": PASSPHRASE})
    assert "<b>ada</b> opened this form, and you are signed in as <b>bob</b>" in again.text
    assert taken == []
    [form] = [one for one in forms(again.text) if "pin" in one.fields]
    assert "-sealed" not in form.fields
    assert (await ada.submit(again, {"pin": "5678"})).status_code == 303
    assert taken == [Note(title="kept", pin="5678")]


async def test_a_form_outlives_session_after_session(notes: Any) -> None:
    ada, again = await ended(notes, title="kept", pin="1234")
    ada.cookies.pop("__Host-serai")
    page = await ada.submit(again, {})
    assert (page.status_code, taken) == (401, [])
    again = await ada.submit(page, {"login": "ada", "password": PASSPHRASE})
    assert (await ada.submit(again, {})).status_code == 303
    assert taken == [Note(title="kept", pin="1234")]


async def test_a_form_of_the_largest_size_is_kept_too(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    for field, text in (("text", '"\n' * (MAX_FORM // 6 - 20)), ("key", "x" * (MAX_FORM - 50)), ("key", "\1" * 87_000)):
        taken.clear()
        ada.cookies.pop("__Host-serai")
        page = await ada.post("/notes", {"title": "kept", field: text})
        page = await ada.submit(page, {"login": "ada", "password": PASSPHRASE})
        assert (await ada.submit(page, {})).status_code == 303
        assert taken == [Note(**{"title": "kept", field: text})]


async def test_a_browser_that_forgot_its_session_loses_nothing_either(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    ada.cookies.pop("__Host-serai")
    page = await ada.post("/notes?a=b", {"title": "kept", "csrf": token})
    page = await ada.submit(page, {"login": "ada", "password": PASSPHRASE})
    assert forms(page.text)[-1].action == "/notes?a=b"
    assert (await ada.submit(page, {})).status_code == 303


async def test_a_form_outlives_a_sign_in_by_passkey_too(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    kept = '[["title", "kept"], ["text", "<b>"]]'
    page = await ada.post("/resume", {"action": "/notes", "kept": kept, "next": "/"})
    assert (page.status_code, taken) == (200, [])
    assert (await ada.submit(page, {})).status_code == 303
    assert taken == [Note(title="kept", text="<b>")]
    for wrong in ("[[1, 2]]", "nonsense", "{}", "[" * 1000):
        assert (await ada.post("/resume", {"action": "/notes", "kept": wrong})).status_code == 400
    page = await ada.post("/resume", {"action": "//evil.test/", "kept": kept})
    assert forms(page.text)[-1].action == "/"


async def test_what_the_api_refuses_stands_beside_what_was_typed(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    page = await ada.post("/notes", {"title": "taken", "csrf": token})
    assert page.status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"title=a&title=b", 400),
        (b"title=a&other=b", 400),
        (b"title=%ff", 400),
        (b"title=" + b"x" * MAX_FORM, 413),
        (b"&".join(b"a%d=1" % number for number in range(501)), 400),
    ],
)
async def test_doubled_unknown_and_oversize_fields_are_refused_in_a_sentence(
    notes: Any, body: bytes, status: int
) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    token = token_of(await ada.get("/"))
    page = await ada.post("/notes", b"csrf=" + token.encode() + b"&" + body)
    assert page.status_code == status
    assert "<h1>" in page.text
    assert taken == []


async def test_only_forms_are_taken(notes: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    page = await ada.post("/notes", b'{"title": "a"}', content_type="application/json")
    assert page.status_code == 400


async def test_the_api_away_shows_what_was_known_and_takes_nothing(notes: Any, tmp_path: Any) -> None:
    ada = await notes.visitor("ada", ("", "operator"))
    bob = await notes.visitor("bob", ("", "operator"))
    page = await ada.get("/")
    token = token_of(page)
    (tmp_path / "front.sock").rename(tmp_path / "away.sock")
    notes.wire.close()
    known = await ada.get("/")
    assert known.status_code == 200
    assert "does not answer now" in known.text
    assert "ada" in known.text
    unknown = await bob.get("/")
    assert unknown.status_code == 503
    assert "does not answer now" in unknown.text
    refused = await ada.post("/notes", {"title": "one", "csrf": token})
    assert refused.status_code == 503
    assert (await bob.post("/sign-in", {"login": "bob", "password": PASSPHRASE})).status_code == 503
    (tmp_path / "away.sock").rename(tmp_path / "front.sock")
    assert "does not answer now" not in (await ada.get("/")).text


async def test_an_error_of_ours_says_nothing_about_its_inside(tmp_path: Any) -> None:
    @get("/broken")
    async def broken(visit: Visitor) -> Response[str]:
        raise ValueError(f"secret of {visit.login}")

    async with consoling(tmp_path, pages=[*nav.modules(), SimpleNamespace(ROUTES=[broken])]) as house:
        ada = await house.visitor("ada", ("", "operator"))
        page = await ada.get("/broken")
        assert page.status_code == 500
        assert "secret" not in page.text


async def test_a_name_may_hold_anything(notes: Any) -> None:
    ada = await notes.visitor("ada", ("acme", "owner"))
    page = await ada.get("/notes/acme/a%2Fb%20%3Cscript%3E")
    assert "a/b &lt;script&gt;" in page.text


async def test_the_navigation_shows_where_one_is_and_only_what_one_may(notes: Any) -> None:
    ada = await notes.visitor("ada", ("acme", "owner"))
    assert ">Notes<" not in (await ada.get("/")).text, "it is about a tenant"
    page = await ada.get("/notes/acme/x")
    assert '<a href="/notes/acme/x" aria-current="page">' in page.text


@pytest.mark.parametrize("path", ["/nowhere", "/tasks/1/2/3/4", "/theme/x", "/%00", "/%ff", "/a//b", "/-"])
async def test_an_address_without_a_page_leads_back(house: Any, path: str) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    page = await ada.get(path)
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert '<a href="/">' in page.text
    assert (await house.browser().get(path)).status_code == 404


async def test_a_part_is_answered_alone_to_scripts_and_whole_to_all_else(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    part = await ada.get("/?part=apps", hx_request="true")
    assert part.text.lstrip().startswith('<section id="apps"')
    assert "<html" in (await ada.get("/?part=apps")).text
    assert "<html" in (await ada.get("/?part=main", hx_request="true")).text


async def test_the_appearance_is_kept_by_the_browser(house: Any) -> None:
    ada = await house.visitor("ada", ("", "operator"))
    assert 'data-theme="auto"' in (await ada.get("/")).text
    answer = await ada.submit(await ada.get("/"), {"theme": "dark"}, action="/theme")
    assert 'data-theme="dark"' in (await ada.follow(answer)).text
    ada.cookies["__Host-serai-theme"] = '"><script>'
    assert 'data-theme="auto"' in (await ada.get("/")).text


def test_a_page_that_nobody_guards_can_not_be_built() -> None:
    @get("/open")
    async def unguarded() -> str:
        return ""

    @post("/formless")
    async def formless(visit: Visitor) -> str:
        return visit.login

    for handler in (unguarded, formless):
        with pytest.raises(InternalError):
            build(Wire(Path("none")), lambda: 0.0, [SimpleNamespace(ROUTES=[handler])])
