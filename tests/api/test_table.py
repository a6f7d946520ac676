"""Every route is in this table with its action; each is tried with every role, at home and in a foreign tenant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from serai.api.guard import table
from serai.api.kinds import Kinds
from serai.daemon import modules
from serai.errors import DeniedError, InternalError, InvalidError, NotFoundError
from serai.identity import Grant, Principal, Refusal, Target, authorize
from serai.identity.authorize import NOBODY
from serai.identity.roles import OPEN_TO_ALL, OPEN_TO_KNOWN, OPEN_TO_USERS, ROLES
from serai.services.apps.descriptors import App
from serai.services.apps.variables import Variables
from serai.services.registry import services

KIND = "/v1/{kind}"
ONE = "/v1/{kind}/{tenant}/{name}"
APP = "/v1/apps/{tenant}/{app}"

#: A new route is added here by hand, by whoever thought about who may use it.
ACTIONS = {
    ("GET", "/v1/about"): "about.read",
    ("GET", "/v1/me"): "me.read",
    ("GET", "/v1/me/tokens"): "me.read",
    ("PUT", "/v1/me/password"): "me.write",
    ("POST", "/v1/me/totp"): "me.write",
    ("POST", "/v1/me/totp/confirm"): "me.write",
    ("POST", "/v1/me/totp/remove"): "me.write",
    ("POST", "/v1/me/recovery"): "me.write",
    ("GET", "/v1/me/passkeys"): "me.read",
    ("POST", "/v1/me/passkeys"): "me.write",
    ("POST", "/v1/me/passkeys/answer"): "me.write",
    ("DELETE", "/v1/me/passkeys/{key}"): "me.write",
    ("GET", "/v1/sessions"): "me.read",
    ("POST", "/v1/sessions"): "session.begin",
    ("POST", "/v1/sessions/passkey"): "session.begin",
    ("POST", "/v1/sessions/passkey/answer"): "session.begin",
    ("DELETE", "/v1/sessions/current"): "me.write",
    ("DELETE", "/v1/sessions/{name}"): "me.leave",
    ("POST", "/v1/me/tokens"): "me.write",
    ("DELETE", "/v1/me/token"): "me.leave",
    ("DELETE", "/v1/me/tokens/{tenant}/{name}"): "me.leave",
    ("POST", "/v1/users"): "user.write",
    ("GET", "/v1/users/{login}"): "user.read",
    ("POST", "/v1/users/{login}/reset"): "user.write",
    ("GET", "/v1/users/{login}/sessions"): "user.read",
    ("DELETE", "/v1/users/{login}/sessions"): "user.write",
    ("POST", "/v1/reset"): "password.reset",
    ("GET", "/v1/roles/{tenant}"): "role.read",
    ("POST", "/v1/keys/rotate"): "key.rotate",
    ("GET", "/v1/tokens/{tenant}"): "token.read",
    ("POST", "/v1/tokens/{tenant}"): "token.write",
    ("DELETE", "/v1/tokens/{tenant}/{name}"): "token.delete",
    ("GET", "/v1/invitations/{tenant}"): "invitation.read",
    ("POST", "/v1/invitations/{tenant}"): "invitation.write",
    ("DELETE", "/v1/invitations/{tenant}/{name}"): "invitation.delete",
    ("POST", "/v1/join"): "invitation.take",
    ("GET", "/v1/audit/changes"): "audit.read",
    ("GET", "/v1/audit/refusals"): "audit.read",
    ("POST", "/v1/apply"): "apply.write",
    ("GET", "/v1/export"): "export.read",
    ("GET", "/v1/openapi.json"): "schema.read",
    ("GET", "/v1/changes"): "change.watch",
    ("GET", "/v1/push/tenants/{tenant}"): "push.read",
    ("GET", "/v1/push/apps/{tenant}/{app}"): "push.read",
    ("GET", "/v1/push/tasks/{task}"): "task.read",
    ("POST", "/v1/tenants"): "tenant.write",
    ("GET", "/v1/hosts"): "host.read",
    ("POST", "/v1/hosts/{host}/key"): "host.enrol",
    ("DELETE", "/v1/hosts/{host}/key"): "host.enrol",
    ("GET", "/v1/status"): "host.status",
    ("GET", "/v1/plan"): "host.status",
    ("GET", "/v1/replica"): "host.status",
    ("GET", "/v1/metrics"): "host.status",
    ("GET", "/v1/series"): "series.read",
    ("GET", "/v1/series/{tenant}"): "series.read",
    ("GET", "/v1/series/{tenant}/{app}"): "series.read",
    ("GET", "/v1/glance"): "series.read",
    ("GET", "/v1/attention"): "attention.read",
    ("GET", "/v1/tasks"): "task.read",
    ("GET", "/v1/tasks/{task}"): "task.read",
    ("GET", "/v1/tasks/{task}/story"): "task.read",
    ("GET", "/v1/tasks/{task}/log"): "task.read",
    ("GET", "/v1/tasks/{task}/follow"): "task.read",
    ("POST", "/v1/tasks/{task}/cancel"): "task.cancel",
    ("POST", "/v1/tasks/{task}/retry"): "task.retry",
    ("POST", "/v1/tasks"): "task.insert",
    ("GET", "/v1/tasks/watch"): "task.read",
    ("GET", "/v1/tasks/{task}/watch"): "task.read",
    ("GET", "/v1/tenants/{tenant}/usage"): "usage.read",
    ("GET", "/v1/channels"): "channel.read",
    ("POST", "/v1/channels/{channel}/pause"): "channel.pause",
    ("POST", "/v1/channels/{channel}/resume"): "channel.pause",
    ("GET", "/v1/limits"): "limit.read",
    ("PUT", "/v1/limits/{what}/{limit}"): "limit.write",
    ("DELETE", "/v1/limits/{what}/{limit}"): "limit.write",
    ("GET", "/v1/providers"): "provider.read",
    ("POST", "/v1/providers/{provider}/down"): "provider.write",
    ("POST", "/v1/providers/{provider}/up"): "provider.write",
    ("GET", "/v1/bots"): "host.status",
    ("GET", "/v1/schedules"): "schedule.read",
    ("GET", "/v1/schedules/{tenant}/{name}"): "schedule.read",
    ("POST", "/v1/schedules/{tenant}/{name}/run"): "task.run",
    ("POST", "/v1/schedules/{tenant}/{name}/pause"): "task.schedule",
    ("POST", "/v1/schedules/{tenant}/{name}/resume"): "task.schedule",
    ("GET", f"{APP}/tasks"): "task.read",
    ("POST", f"{APP}/tasks"): "task.run",
    ("GET", f"{APP}/schedules"): "task.read",
    ("PUT", f"{APP}/schedules/{{schedule}}"): "task.schedule",
    ("DELETE", f"{APP}/schedules/{{schedule}}"): "task.schedule",
    ("PUT", "/v1/blobs"): "blob.write",
    ("GET", KIND): "{kind}.read",
    ("GET", ONE): "{kind}.read",
    ("PUT", ONE): "{kind}.write",
    ("PATCH", ONE): "{kind}.write",
    ("DELETE", ONE): "{kind}.delete",
    ("GET", f"{ONE}/history"): "{kind}.read",
    ("GET", f"{ONE}/diff"): "{kind}.read",
    ("POST", f"{ONE}/restore"): "{kind}.write",
    ("GET", "/v1/apps/{tenant}"): "app.read",
    ("GET", APP): "app.read",
    ("PUT", APP): "app.deploy",
    ("DELETE", APP): "app.delete",
    ("POST", f"{APP}/deploy"): "app.deploy",
    ("POST", f"{APP}/scale"): "app.scale",
    ("GET", f"{APP}/env"): "app.env",
    ("PATCH", f"{APP}/env"): "app.env",
    ("GET", f"{APP}/git"): "app.env",
    ("PUT", f"{APP}/git"): "app.env",
    ("DELETE", f"{APP}/git"): "app.env",
    ("POST", f"{APP}/restart"): "app.deploy",
    ("GET", f"{APP}/usage"): "app.read",
    ("GET", f"{APP}/domains"): "app.read",
    ("PUT", f"{APP}/domains/{{host}}"): "app.domain",
    ("DELETE", f"{APP}/domains/{{host}}"): "app.domain",
    ("GET", f"{APP}/releases"): "app.read",
    ("GET", f"{APP}/releases/{{number}}"): "app.read",
    ("DELETE", f"{APP}/releases/{{number}}"): "app.delete",
    ("POST", f"{APP}/promote"): "app.promote",
    ("POST", f"{APP}/rollback"): "app.rollback",
    ("GET", f"{APP}/logs"): "app.logs",
    ("GET", f"{APP}/shells"): "app.shell",
    ("POST", f"{APP}/shells"): "app.shell",
    ("GET", f"{APP}/shells/{{shell}}/output"): "app.shell",
    ("POST", f"{APP}/shells/{{shell}}/input"): "app.shell",
    ("POST", f"{APP}/shells/{{shell}}/size"): "app.shell",
    ("DELETE", f"{APP}/shells/{{shell}}"): "app.shell",
    ("POST", f"{APP}/undelete"): "app.delete",
    ("DELETE", f"{APP}/trash/{{trash}}"): "app.delete",
    ("POST", f"{APP}/releases/{{number}}/undelete"): "app.delete",
    ("POST", "/v1/tenants/{tenant}/undelete"): "tenant.write",
    ("DELETE", "/v1/tenants/{tenant}/trash/{trash}"): "tenant.delete",
    ("POST", "/v1/undelete"): "apply.write",
}

KINDS = (
    "user",
    "member",
    "role",
    "tenant",
    "app",
    "release",
    "need",
    "need",
    "instance",
    "route",
    "host",
    "domain",
    "schedule",
    "hold",
    "variables",
    "gittoken",
    "trash",
    "shell",
)

#: Kinds that hold what few may see take one action, whatever is done to them.
KIND_ACTIONS = {"variables": "app.env", "gittoken": "app.env"}

#: What each role may do in its own tenant, kind by kind where an action is about descriptors.
MAY: dict[str, set[str]] = {
    "viewer": {"audit.read", "token.read", "invitation.read", "change.watch", "app.read", "app.logs", "task.read"}
    | {
        "export.read",
        "channel.read",
        "limit.read",
        "provider.read",
        "usage.read",
        "series.read",
        "push.read",
        "attention.read",
    }
    | {f"{kind}.read" for kind in KINDS if kind not in KIND_ACTIONS},
    "billing": {"tenant.read", "usage.read"},
}
MAY["developer"] = MAY["viewer"] | {
    "blob.write",
    "app.deploy",
    "app.scale",
    "app.shell",
    "app.env",
    "apply.write",
    "app.domain",
    "app.promote",
    "app.rollback",
    "task.cancel",
    "task.retry",
    "task.run",
    "task.schedule",
    "channel.pause",
    "provider.write",
}
MAY["app"] = {"push.publish", "push.ticket", "task.read", "task.cancel", "task.retry", "task.run", "task.schedule"}
MAY["host"] = {"change.watch", "app.read", "host.read"}
MAY["host"] |= {f"{kind}.read" for kind in ("domain", "instance", "need", "release", "route", "tenant")}
MAY["owner"] = MAY["developer"] | {
    f"{noun}.{verb}" for noun in ("member", "role", "token", "invitation") for verb in ("read", "write", "delete")
}
MAY["owner"] |= {"app.delete"}


class Memory:
    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)


def actions() -> Iterable[str]:
    for action in set(ACTIONS.values()):
        yield from (
            (KIND_ACTIONS.get(kind, action.replace("{kind}", kind)) for kind in KINDS)
            if "{kind}" in action
            else [action]
        )


#: What is nobody's, or everybody's own.
ANYWHERE = sorted(OPEN_TO_ALL | OPEN_TO_KNOWN | OPEN_TO_USERS)
SOMEWHERE = sorted(set(actions()) - set(ANYWHERE))


async def test_every_route_is_in_the_table_and_nothing_else(api: Any) -> None:
    assert {(method, path): action for method, path, action in table(api.app)} == ACTIONS


def test_every_kind_is_in_the_table() -> None:
    kinds = Kinds((modules.SERVICE, *services().values()))
    assert {kind.KIND for kind in kinds} == set(KINDS)
    assert {kind.KIND: kind.ACTION for kind in kinds if kind.ACTION} == KIND_ACTIONS


async def test_a_route_without_an_action_is_not_served(api: Any) -> None:
    from litestar import get

    @get("/v1/secret")
    async def secret() -> str:
        return "secret"

    api.app.register(secret)
    with pytest.raises(InternalError):
        list(table(api.app))
    with pytest.raises(InternalError):
        await api.call("GET", "/v1/secret")


@pytest.mark.parametrize("role", sorted(MAY))
@pytest.mark.parametrize("action", SOMEWHERE)
def test_a_role_may_exactly_what_its_row_says(role: str, action: str) -> None:
    principal = Principal(kind="user", name="ada", grants=(Grant(role, "mine"),))
    audit = Memory()
    if action in MAY[role]:
        assert authorize(principal, action, Target(tenant="mine"), audit) is principal
        assert not audit.refusals
    else:
        with pytest.raises(DeniedError):
            authorize(principal, action, Target(tenant="mine"), audit)
        assert audit.refusals[0].who == "user:ada"


@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("tenant", ["theirs", "", "nobody"])
@pytest.mark.parametrize("action", SOMEWHERE)
def test_a_foreign_tenant_answers_like_one_that_is_not_there(role: str, tenant: str, action: str) -> None:
    principal = Principal(kind="user", name="ada", grants=(Grant(role, "mine"),))
    audit = Memory()
    with pytest.raises(NotFoundError, match="Nothing has that name"):
        authorize(principal, action, Target(tenant=tenant), audit)
    assert len(audit.refusals) == 1


@pytest.mark.parametrize("action", SOMEWHERE)
def test_nobody_may_nothing_and_the_operator_everything(action: str) -> None:
    audit = Memory()
    for nobody in (None, Principal(kind="user", name="eve"), Principal(kind="user", name="e", grants=(Grant("x"),))):
        with pytest.raises((DeniedError, NotFoundError)):
            authorize(nobody, action, Target(tenant="mine"), audit)
    assert len(audit.refusals) == 3
    root = Principal(kind="user", name="root", grants=(Grant("operator"),))
    for tenant in ("", "mine", "theirs"):
        assert authorize(root, action, Target(tenant=tenant), audit) is root


@pytest.mark.parametrize("action", ANYWHERE)
def test_what_is_everybodys_own_asks_for_no_role(action: str) -> None:
    user, token = (Principal(kind=kind, name="x") for kind in ("user", "token"))
    assert authorize(user, action, Target(), Memory()) is user
    if action in OPEN_TO_USERS:
        with pytest.raises((DeniedError, NotFoundError)):
            authorize(token, action, Target(), Memory())
    else:
        assert authorize(token, action, Target(), Memory()) is token
    if action in OPEN_TO_ALL:
        assert authorize(None, action, Target(), Memory()) is NOBODY
    else:
        with pytest.raises(DeniedError):
            authorize(None, action, Target(), Memory())


def test_a_member_of_one_app_reaches_that_app_only() -> None:
    principal = Principal(kind="user", name="ada", grants=(Grant("developer", "mine", "shop"),))
    audit = Memory()
    assert authorize(principal, "app.deploy", Target(tenant="mine", app="shop"), audit)
    for target in (Target(tenant="mine", app="blog"), Target(tenant="mine"), Target(tenant="theirs", app="shop")):
        with pytest.raises(NotFoundError):
            authorize(principal, "app.deploy", target, audit)


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_variables_are_for_those_who_may_set_them_and_values_for_nobody(
    api: Any, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.store.put("user:x", "test", "mine", "shop", App())
    for value in ("s3cret", "n3wer"):
        await api.store.put("user:x", "test", "mine", "shop", Variables(values={"KEY": value}))
    principal = Principal(kind="user", name="ada", grants=(Grant(role, "mine"),))
    monkeypatch.setattr("serai.api.entrance.local_principal", lambda _peer, _owner: principal)
    told = []
    for kind in ("app", "variables"):
        for path in ("", "/history", "/diff?old=1&new=2"):
            told.append(await get(api, f"/v1/{kind}/mine/shop{path}"))
        told.append(await get(api, f"/v1/{kind}?tenant=mine"))
    told += [await get(api, path) for path in ("/v1/changes?tenant=mine&end=true", "/v1/apps/mine/shop/env")]
    may = role in {"operator", "owner", "developer"}
    assert not any(b"s3cret" in answer or b"n3wer" in answer for answer in told), "written plain, and shown to nobody"
    assert any(b"KEY" in answer for answer in told[4:-1]) == may
    assert (b'"KEY":null' in told[-1]) == may
    assert (b'"shop"' in told[0]) == (role not in {"billing", "app"})


async def get(api: Any, path: str) -> bytes:
    return bytes(await api.raw(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()))


async def test_variables_that_no_environment_holds_are_refused_as_a_descriptor_too(api: Any) -> None:
    for name in ("PORT", "A B", "LD_PRELOAD"):
        with pytest.raises(InvalidError):
            await api.call("PUT", "/v1/variables/mine/shop", {"values": {name: "x"}})
