"""Who may do what in a tenant: let in, given another role, invited, removed and had back; roles of one's own."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from msgspec.structs import replace

from serai.errors import NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import CustomRole, Invitation, Member
from serai.services.apps.descriptors import App
from serai.store import Put

PEOPLE = "/tenants/acme/people"


async def owner(house: Any) -> Any:
    await house.store.put("user:root", "test", "acme", "acme", Tenant(uid=1))
    return await house.visitor("ada", ("acme", "owner"))


async def role(house: Any, name: str) -> str:
    try:
        found: str = (await house.store.get(Member, "acme", name)).spec.role
    except NotFoundError:
        return ""
    return found


async def waiting(house: Any) -> list[Any]:
    return list(await house.store.find(Invitation, "acme", limit=10))


async def test_somebody_with_an_account_is_let_in_and_given_another_role(house: Any) -> None:
    browser = await owner(house)
    await house.api.person("bob")
    page = await browser.submit(await browser.get(PEOPLE), {"who": "bob", "role": "viewer"}, action=PEOPLE)
    assert "bob is viewer now" in (await browser.follow(page)).text
    one = f"{PEOPLE}/bob"
    page = await browser.submit(await browser.get(one), {"role": "developer"}, action=one)
    assert page.status_code == 303
    assert await role(house, "bob") == "developer"
    page = await browser.submit(await browser.get(PEOPLE), {"who": "bob", "role": "owner"}, action=PEOPLE)
    assert page.status_code == 409
    assert await role(house, "bob") == "developer"


async def test_a_role_may_be_of_one_app_alone(house: Any) -> None:
    browser = await owner(house)
    await house.api.person("bob")
    form = {"who": "bob", "role": "viewer", "app": "shop"}
    await browser.follow(await browser.submit(await browser.get(PEOPLE), form, action=PEOPLE))
    assert await role(house, "bob:shop") == "viewer"
    page = await browser.get(f"{PEOPLE}/bob%3Ashop")
    assert "In the app <b>shop</b> alone" in page.text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"who": ""}, "This is needed."),
        ({"who": "nobody.there"}, "There is no such user: invite them."),
        ({"who": "bob", "role": "king"}, "There is no such role."),
        ({"who": "bob", "role": "operator"}, "give"),
        ({"who": "carl@", "role": "viewer"}, "not an e-mail address"),
        ({"who": "carl@example.test", "role": "operator"}, "give"),
        ({"who": "x" * 301}, "at most 300 characters"),
        ({"who": '<script>alert("x")</script>'}, ""),
    ],
)
async def test_what_can_not_be_is_said_and_what_was_typed_stays(house: Any, form: Any, said: str) -> None:
    browser = await owner(house)
    await house.api.person("bob")
    page = await browser.submit(await browser.get(PEOPLE), {"role": "viewer", **form, "app": "typed"}, action=PEOPLE)
    assert 400 <= page.status_code < 500
    assert said in page.text
    assert 'value="typed"' in page.text
    assert "<script>alert" not in page.text
    assert await role(house, "bob:typed") == ""
    assert await waiting(house) == []


async def test_an_invitation_s_link_is_shown_once_renewed_and_withdrawn(house: Any) -> None:
    browser = await owner(house)
    form = {"who": "carl@example.test", "role": "viewer"}
    page = await browser.submit(await browser.get(PEOPLE), form, action=PEOPLE)
    assert page.status_code == 200
    link = page.text.partition("<code>")[2].partition("<")[0]
    assert link.startswith("https://console.localhost/join#")
    secret = link.partition("#")[2]
    page = await browser.get(PEOPLE)
    assert secret not in page.text
    [renew] = re.findall(r'action="([^"]+/renew)"', page.text)
    page = await browser.submit(page, {}, action=renew)
    other = page.text.partition("#")[2].partition("<")[0]
    assert other != secret
    assert (await house.api.front("POST", "/v1/join", {"secret": secret})).status_code == 404
    page = await browser.get(PEOPLE)
    [withdraw] = re.findall(r'action="([^"]+/withdraw)"', page.text)
    await browser.follow(await browser.submit(page, {}, action=withdraw))
    assert await waiting(house) == []
    assert (await browser.post(renew, {"csrf": token(page)})).status_code == 404


async def test_of_thousands_of_invitations_each_is_on_some_page_and_can_be_renewed(house: Any) -> None:
    browser = await owner(house)
    expires = house.api.ctx.clock.now() + 1000
    spec = Invitation(email="x@example.test", role="viewer", digest="0" * 64, expires=expires)
    puts = [
        Put("acme", f"{n:012x}", replace(spec, email=f"p{n}@example.test", app="shop" if n % 50 == 7 else ""), 0)
        for n in range(3000)
    ]
    await house.store.change("user:root", "test", [*puts, Put("acme", "shop", App(host="test"), 0)])
    seen: list[str] = []
    path = PEOPLE
    while path:
        page = (await browser.get(path)).text
        seen += re.findall(r"<b>(p\d+@example\.test)</b>", page)
        assert "Pages of invitations" in page
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = html.unescape(found[1]) if found else ""
    assert seen == [f"p{n}@example.test" for n in range(3000)]
    last = f"{2999:012x}"
    page = await browser.post(f"/tenants/acme/invitations/{last}/renew", {"csrf": token(await browser.get(PEOPLE))})
    assert "p2999@example.test" in page.text
    assert last not in [one.name for one in await house.store.find(Invitation, "acme", limit=4000)]
    ours = (await browser.get("/tenants/acme/apps/shop/members")).text
    assert "p7@example.test" in ours
    found = re.search(r'href="([^"]+)" rel="next"', ours)
    assert found is not None
    rest = (await browser.get(html.unescape(found[1]))).text
    shown = re.findall(r">(p\d+@example\.test)<", ours + rest)
    assert shown == [f"p{n}@example.test" for n in range(3000) if n % 50 == 7]


def token(page: Any) -> str:
    found: str = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    return found


async def test_an_invitation_made_here_is_taken_up(house: Any) -> None:
    browser = await owner(house)
    form = {"who": "carl@example.test", "role": "viewer"}
    page = await browser.submit(await browser.get(PEOPLE), form, action=PEOPLE)
    secret = page.text.partition("/join#")[2].partition("<")[0]
    new = house.browser()
    join = await new.get("/join")
    assert "authenticator app" in join.text
    form = {"secret": secret, "login": "carl", "password": "another long passphrase 17"}
    page = await new.follow(await new.submit(join, form, action="/join"))
    assert "Sign in with your new password" in page.text
    assert await role(house, "carl") == "viewer"


async def test_of_two_who_change_a_role_the_second_sees_what_the_first_did(house: Any) -> None:
    browser = await owner(house)
    await house.api.person("bob", ("acme", "viewer"))
    one = f"{PEOPLE}/bob"
    mine = await browser.get(one)
    await house.store.put("user:eve", "test", "acme", "bob", Member(role="billing"))
    page = await browser.submit(mine, {"role": "developer"}, action=one)
    assert page.status_code == 409
    assert "Somebody changed this meanwhile." in page.text
    assert "<ins>billing</ins>" in page.text
    assert f'<a href="{one}">leave it as it is now</a>' in page.text
    assert await role(house, "bob") == "billing"
    await browser.follow(await browser.submit(page, {"role": "developer"}, action=one))
    assert await role(house, "bob") == "developer"


async def test_a_member_is_removed_with_their_name_and_had_back(house: Any) -> None:
    browser = await owner(house)
    await house.api.person("bob", ("acme", "viewer"))
    one = f"{PEOPLE}/bob"
    page = await browser.get(one)
    assert (await browser.submit(page, {"repeat": "rob"}, action=f"{one}/remove")).status_code == 400
    page = await browser.submit(page, {"repeat": "bob"}, action=f"{one}/remove")
    page = await browser.get(page.headers["location"])
    assert page.status_code == 404
    assert await role(house, "bob") == ""
    await browser.follow(await browser.submit(page, {}, action=f"{one}/undelete"))
    assert await role(house, "bob") == "viewer"


async def test_a_session_that_ends_under_the_form_loses_nothing_typed(house: Any) -> None:
    browser = await owner(house)
    page = await browser.get(PEOPLE)
    await house.api.call("DELETE", "/v1/users/ada/sessions")
    answer = await browser.submit(page, {"who": "carl@example.test", "role": "viewer"}, action=PEOPLE)
    assert answer.status_code == 401
    assert "carl@example.test" in answer.text
    assert await waiting(house) == []


async def test_the_platform_s_own_members_are_let_in_like_others(house: Any) -> None:
    browser = await house.visitor("ops", ("", "operator"))
    await house.api.person("bob")
    path = "/tenants/-/people"
    page = await browser.submit(await browser.get(path), {"who": "bob", "role": "operator"}, action=path)
    assert "bob is operator now" in (await browser.follow(page)).text
    assert (await house.store.get(Member, "", "bob")).spec.role == "operator"
    assert "On the whole platform" in (await browser.get(f"{path}/bob")).text


@pytest.mark.parametrize("who", ["developer", "viewer"])
async def test_who_may_only_look_is_offered_nothing_and_refused_all(house: Any, who: str) -> None:
    await owner(house)
    browser = await house.visitor("vic", ("acme", who))
    for path in (PEOPLE, f"{PEOPLE}/ada", "/tenants/acme/roles"):
        page = await browser.get(path)
        assert page.status_code == 200
        assert 'action="/tenants' not in page.text
    asked = {
        PEOPLE: {"who": "vic", "role": "owner"},
        f"{PEOPLE}/ada": {"role": "viewer", "version": "1"},
        f"{PEOPLE}/ada/remove": {"repeat": "ada"},
        "/tenants/acme/roles": {"name": "boss", "actions": "*.*"},
        "/tenants/acme/invitations/none/withdraw": {},
    }
    for path, form in asked.items():
        answer = await browser.post(path, {"csrf": token(page), **form})
        assert answer.status_code in {403, 404}, path
    assert (await role(house, "ada"), await role(house, "vic")) == ("owner", who)


async def test_strangers_learn_nothing(house: Any) -> None:
    await owner(house)
    browser = await house.visitor("eve", ("other", "owner"))
    paths = (PEOPLE, f"{PEOPLE}/ada", f"{PEOPLE}/missing", "/tenants/missing/people", "/tenants/acme/roles")
    assert {(await browser.get(path)).status_code for path in paths} == {404}


async def test_a_role_is_made_changed_deleted_and_had_back(house: Any) -> None:
    browser = await owner(house)
    path, one = "/tenants/acme/roles", "/tenants/acme/roles/releaser"
    form = {"name": "releaser", "title": "<i>Releases", "actions": "app.promote\n*.read"}
    page = await browser.follow(await browser.submit(await browser.get(path), form, action=path))
    assert "&lt;i&gt;Releases" in page.text
    assert "releaser" in (await browser.get(PEOPLE)).text
    page = await browser.follow(await browser.submit(await browser.get(one), {"actions": "app.read"}, action=one))
    assert (await house.store.get(CustomRole, "acme", "releaser")).spec.actions == ("app.read",)
    page = await browser.submit(await browser.get(one), {"repeat": "releaser"}, action=f"{one}/delete")
    page = await browser.get(page.headers["location"])
    assert page.status_code == 404
    await browser.follow(await browser.submit(page, {}, action=f"{one}/undelete"))
    assert (await house.store.get(CustomRole, "acme", "releaser")).spec.actions == ("app.read",)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"actions": "nonsense"}, "noun.verb"),
        ({"actions": "host.enrol"}, "give host.enrol"),
        ({"actions": ""}, "This is needed."),
        ({"name": "owner", "actions": "app.read"}, "built in"),
        ({"name": "No", "actions": "app.read"}, ""),
    ],
)
async def test_what_is_no_role_is_said(house: Any, form: Any, said: str) -> None:
    browser = await owner(house)
    path = "/tenants/acme/roles"
    page = await browser.submit(await browser.get(path), {"name": "mine", "title": "typed", **form}, action=path)
    assert 400 <= page.status_code < 500
    assert said in page.text
    assert 'value="typed"' in page.text
