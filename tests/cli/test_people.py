"""Users, members, roles, tokens, invitations, sessions by command."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from serai.cli.exit import STATUS
from serai.identity.people import Invitation
from serai.store import Put

ADA = ("user", "add", "ada", "--email", "ada@example.test")


@pytest.fixture
def demo(api: Any, serai: Any) -> Any:
    """A tenant and a user who owns it."""
    serai("tenant", "create", "demo")
    serai(*ADA)
    serai("member", "set", "ada", "owner")
    return serai


def told(serai: Any, *words: str) -> Any:
    done = serai(*words, "--json")
    assert done.status == 0, done.err
    return json.loads(done.out)


def test_a_user_is_added_with_a_link_and_looked_after(api: Any, serai: Any) -> None:
    assert serai(*ADA, "--dry-run").err == "Would make the user ada.\n"
    assert told(serai, "user", "list") == []
    done = serai(*ADA, "--operator")
    assert done.out.startswith("https://console.localhost/reset#serai_-_ada_")
    assert serai(*ADA).status == STATUS["already_exists"]
    assert [one["login"] for one in told(serai, "user", "list")] == ["ada"]
    shown = told(serai, "user", "show", "ada")
    assert (shown["members"], shown["factors"]) == ([{"tenant": "", "app": "", "role": "operator"}], [])
    for verb, disabled in (("disable", True), ("enable", False)):
        assert serai("user", verb, "ada", "--dry-run").status == 0
        assert told(serai, "user", "show", "ada")["disabled"] != disabled
        assert serai("user", verb, "ada").status == 0
        assert told(serai, "user", "show", "ada")["disabled"] == disabled
    assert serai("user", "reset", "ada", "--factors").out != done.out
    assert serai("user", "reset", "ada", "--dry-run").out == ""
    assert serai("user", "delete", "ada").status == STATUS["invalid"]
    assert serai("user", "delete", "ada", "--confirm", "ada").status == 0
    assert serai("user", "show", "ada").status == STATUS["not_found"]


def test_members_and_roles_are_set_listed_and_removed(demo: Any) -> None:
    assert demo("role", "set", "deployer", "--action", "app.deploy", "--action", "*.read").status == 0
    assert demo("member", "set", "ada", "deployer", "--app", "shop").status == 0
    assert demo("member", "set", "ada", "emperor").status == STATUS["invalid"]
    assert demo("member", "set", "nobody", "viewer").status == STATUS["invalid"]
    assert told(demo, "member", "list") == [
        {"login": "ada", "app": "", "role": "owner"},
        {"login": "ada", "app": "shop", "role": "deployer"},
    ]
    assert told(demo, "member", "list", "--tenant", "-") == []
    roles = {one["name"]: one for one in told(demo, "role", "list")}
    assert roles["owner"]["built_in"]
    assert roles["deployer"]["actions"] == ["app.deploy", "*.read"]
    assert demo("member", "remove", "ada", "--app", "shop").status == 0
    assert demo("role", "delete", "deployer").status == 0
    assert len(told(demo, "member", "list")) == 1
    assert "deployer" not in {one["name"] for one in told(demo, "role", "list")}


def test_a_token_is_printed_once_and_alone(demo: Any, monkeypatch: Any) -> None:
    words = ("token", "make", "ci", "--user", "ada", "--action", "app.read", "--from", "192.0.2.0/24", "--days", "0")
    assert demo(*words, "--dry-run").out == ""
    made = demo(*words)
    assert (made.status, made.err) == (0, "")
    token = made.out.strip()
    assert token.startswith("serai_demo_ci_")
    listed = demo("token", "list")
    assert token.split("_", 3)[3] not in listed.out
    [line] = told(demo, "token", "list")
    assert (line["name"], line["user"], line["expires"]) == ("ci", "ada", 0.0)
    assert line["scope"]["networks"] == ["192.0.2.0/24"]
    assert demo("token", "make", "mine").status == STATUS["denied"], "the operator at the machine is no user"
    assert demo("token", "end", "ci", "--dry-run").status == 0
    assert demo("token", "end", "ci").status == 0
    assert demo("token", "end", "ci").status == STATUS["not_found"]


def test_commands_act_for_who_the_token_says(demo: Any, monkeypatch: Any) -> None:
    for name, user in (("a", "ada"),):
        monkeypatch.setenv("SERAI_TOKEN", demo("token", "make", name, "--user", user).out.strip())
    assert told(demo, "me")["user"] == "ada"
    assert "owner of demo" in demo("me").out
    assert [one["name"] for one in told(demo, "token", "list", "--mine")] == ["a"]
    assert told(demo, "member", "list") == [{"login": "ada", "app": "", "role": "owner"}], "the only tenant is theirs"
    assert told(demo, "task", "list") == []
    assert [one["name"] for one in told(demo, "tenant", "list")] == ["demo"]
    assert demo("user", "list").status == STATUS["not_found"]
    assert demo("tenant", "create", "other").status == STATUS["not_found"]
    assert demo("key", "rotate").status == STATUS["not_found"]
    assert demo("token", "end", "a", "--mine", "--tenant", "demo").status == 0
    assert demo("me").status == STATUS["denied"]
    for wrong in ("forged", "x\r\nx-evil: 1", "é"):
        monkeypatch.setenv("SERAI_TOKEN", wrong)
        assert demo("me").status in {STATUS["denied"], STATUS["invalid"]}


def test_all_invitations_are_listed_however_many_there_are(api: Any, demo: Any) -> None:
    expires = api.ctx.clock.now() + 1000
    spec = Invitation(email="x@example.test", role="viewer", digest="0" * 64, expires=expires)
    puts = [Put("demo", f"{number:012x}", spec, 0) for number in range(2500)]
    asyncio.run(api.store.change("user:root", "test", puts))
    listed = told(demo, "invitation", "list")
    assert [one["name"] for one in listed] == [put.name for put in puts]


def test_somebody_is_invited_and_the_invitation_withdrawn(demo: Any) -> None:
    words = ("invite", "bob@example.test", "--role", "viewer", "--app", "shop")
    assert demo(*words, "--dry-run").out == ""
    done = demo(*words)
    assert done.out.startswith("https://console.localhost/join#serai_demo_")
    [line] = told(demo, "invitation", "list")
    assert (line["email"], line["role"], line["app"]) == ("bob@example.test", "viewer", "shop")
    assert done.out.strip().split("_", 3)[3] not in demo("invitation", "list").out
    assert demo("invitation", "withdraw", line["name"]).status == 0
    assert told(demo, "invitation", "list") == []
    assert demo("invite", "nonsense", "--role", "viewer").status == STATUS["invalid"]
    assert demo("invite", "a@b.test", "--role", "emperor").status == STATUS["not_found"]


def test_sessions_are_seen_and_ended(demo: Any) -> None:
    assert told(demo, "session", "list") == []
    assert told(demo, "session", "list", "--user", "ada") == []
    assert demo("session", "end", "missing", "--user", "ada").status == STATUS["not_found"]
    assert demo("session", "end", "missing").status == STATUS["not_found"]
    assert demo("session", "end", "missing", "--dry-run").status == 0
    assert demo("key", "rotate", "--dry-run").status == 0
    assert demo("key", "rotate").status == STATUS["unsupported"], "this platform's keys are in no file"
