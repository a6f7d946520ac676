"""Every route of the application, over HTTP at the front door, as everybody, at home and abroad.

What is expected comes from the table of `test_table` alone, and from what each visitor was given here; neither asks the
code under test. A route that the table lacks fails.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
import structlog

from serai.api.entrance import SESSION
from serai.api.guard import table
from serai.identity import sessions
from serai.identity.hosts import enrol, revoke
from serai.identity.people import Token
from serai.identity.principals import Scope
from serai.identity.tokens import issue
from serai.services.apps.descriptors import App
from serai.store import Delete
from serai.store.tasks import NewTask
from serai.tasks import Tasks

pytestmark = pytest.mark.timeout(110)


def load_table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("walk_table", Path(__file__).with_name("test_table.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLE = load_table()
#: Routes without a tenant in their path that look at the one of the query; on all others it says nothing.
BY_QUERY = {
    "/v1/{kind}", "/v1/tasks", "/v1/tasks/watch", "/v1/channels", "/v1/limits", "/v1/providers", "/v1/schedules",
    "/v1/blobs", "/v1/changes", "/v1/audit/changes", "/v1/audit/refusals", "/v1/apply", "/v1/undelete", "/v1/export",
    "/v1/series", "/v1/glance", "/v1/attention",
}  # fmt: skip
NOT_BY_QUERY = {("POST", "/v1/tasks")}
#: Whose these are, their path's name says.
BY_NAME = {"channel", "provider"}
#: Some of the kinds stand for all: of the platform's, of a tenant's, with an action of its own, with people in it.
KINDS = ("app", "member", "user", "variables")
#: After these a visitor is somebody else.
LAST = {("DELETE", "/v1/sessions/current"), ("DELETE", "/v1/me/token"), ("DELETE", "/v1/sessions/{name}")}
FOREIGN, MISSING = "theirs", "nowhere"


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: the headers, and what they may: (role, tenant, app), None for somebody who is not recognised."""

    name: str
    headers: dict[str, str]
    grants: tuple[tuple[str, str, str], ...] | None
    scope: Scope | None = None
    user: bool = True  # or a token that acts for one


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is about, as the guard should see it, and how it is written."""

    method: str
    route: str
    path: str
    tenant: str
    app: str = ""
    kind: str = ""
    names: tuple[str, ...] = ()


def expected(visitor: Visitor, action: str, aim: Aim) -> int:
    """Return 0 for who is let in, else the status of the refusal."""
    if action in TABLE.OPEN_TO_ALL:
        return 0
    if visitor.grants is None:
        return 401
    if action in TABLE.OPEN_TO_KNOWN or (action in TABLE.OPEN_TO_USERS and visitor.user and visitor.scope is None):
        return 0
    here = [role for role, *where in visitor.grants if reaches(*where, aim)]
    scope = visitor.scope
    if not here or (scope is not None and not reaches(scope.tenant, scope.app, aim)):
        return 404
    if not any(role == "operator" or action in TABLE.MAY[role] for role in here):
        return 403
    noun = aim.kind or action.partition(".")[0]
    if scope is not None:
        inside = not scope.actions or action in scope.actions
        inside &= not scope.kinds or noun in scope.kinds
        inside &= not scope.names or bool(set(scope.names) & {*aim.names, aim.app})
        return 0 if inside else 403
    return 0


def reaches(tenant: str, app: str, aim: Aim) -> bool:
    return not tenant or (tenant == aim.tenant and app in {"", aim.app})


def aims(method: str, route: str, tasks: dict[str, str]) -> Iterator[tuple[str, Aim]]:
    """Yield each way to aim a route, with what it is: at home or abroad, at what is there and what is not."""
    seen = set()
    for tenant in ("mine", FOREIGN, MISSING, "-"):
        for there in (True, False):
            for kind in KINDS if "{kind}" in route else ("",):
                for label, one in aim(method, route, tasks, tenant, there, kind):
                    if one.path not in seen:
                        seen.add(one.path)
                        yield label, one


def aim(
    method: str, route: str, tasks: dict[str, str], tenant: str, there: bool, kind: str
) -> Iterator[tuple[str, Aim]]:
    name = "shop" if there else "absent"
    values = dict.fromkeys(("app", "name", "schedule", "key", "trash", "shell"), name)
    values |= {
        "tenant": tenant,
        "kind": kind,
        "login": "victim",
        "host": "a.test",
        "number": "1",
        "what": "channel",
        "limit": "x",
        "task": "",
    }
    values["channel"] = values["provider"] = f"tenant:{tenant}:{name}"
    if "{task}" in route:
        values["task"] = tasks.get(tenant, "") if there else "0" * 20
        if not values["task"]:
            return
    parameters = re.findall(r"{(\w+)}", route)
    path = re.sub(r"{(\w+)}", lambda found: values[found[1]], route)
    target = {"app": values["app"] if "app" in parameters else "", "kind": kind, "names": ()}
    target["names"] = (values["name"],) if "name" in parameters else ()
    whose = tenant
    if "{task}" in route:
        whose, target["kind"] = (tenant if there else "-"), "task"
        target["names"] = (values["task"],)
        target["app"] = "shop" if there and tenant == FOREIGN else target["app"]
    elif BY_NAME & set(parameters):
        return  # their owners have tests of their own
    elif "tenant" not in parameters:
        path += f"?tenant={tenant}"
        whose = tenant if route in BY_QUERY and (method, route) not in NOT_BY_QUERY else "-"
    label = f"{tenant} {'there' if there else 'absent'} {kind}"
    yield label, Aim(method=method, route=route, path=path, tenant="" if whose == "-" else whose, **target)


class Front:
    """One visitor's connection to the front socket, kept while answers have an end."""

    def __init__(self, path: Path, visitor: Visitor) -> None:
        self._path = path
        self._head = "".join(f"{name}: {value}\r\n" for name, value in visitor.headers.items())
        self._open: Any = None

    async def ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Return the status and, of what has an end, the body without the request's ID."""
        body = b"" if method == "GET" else b"{}"
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: console.localhost\r\norigin: https://console.localhost\r\n{self._head}"
        )
        head += f"content-type: application/json\r\nx-request-id: same\r\ncontent-length: {len(body)}\r\n\r\n"
        async with asyncio.timeout(20):
            if self._open is None:
                self._open = await asyncio.open_unix_connection(self._path)
            reader, writer = self._open
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", answer)
            if length is None or b"connection: close" in answer:
                writer.close()
                self._open = None
            return int(answer.split()[1]), await reader.readexactly(int(length[1])) if length else b""


def refusal(status: int, body: bytes) -> int:
    """Return the status where it was the guard that refused, else 0."""
    if status not in {401, 403, 404}:
        return 0
    detail = json.loads(body)["detail"]
    said = {401: "You are not known here.", 404: "Nothing has that name."}
    return status if detail == said.get(status) or (status == 403 and " may not do " in detail) else 0


async def visitors(api: Any) -> list[Visitor]:
    """Make everybody; each has a session, or a token."""
    given = {
        "viewer": (("viewer", "mine", ""),),
        "developer": (("developer", "mine", ""),),
        "owner": (("owner", "mine", ""),),
        "billing": (("billing", "mine", ""),),
        "one-app": (("developer", "mine", "shop"),),
        "operator": (("operator", "", ""),),
    }
    made = [Visitor(name="nobody", headers={}, grants=None)]
    for login, grants in given.items():
        await api.person(login, *((f"{tenant}:{app}" if app else tenant, role) for role, tenant, app in grants))
        cookie = await session(api, login)
        made.append(Visitor(name=login, headers={"cookie": f"{SESSION}={cookie}"}, grants=grants))
    scopes = {
        "tenant": Scope(tenant="mine"),
        "one": Scope(tenant="mine", app="shop"),
        "kinds": Scope(tenant="mine", kinds=("app",)),
        "actions": Scope(tenant="mine", actions=("app.read", "app.deploy")),
        "names": Scope(tenant="mine", names=("shop",)),
        "all": Scope(),
    }
    owner = given["owner"]
    made += [
        Visitor(name=f"token {name}", headers=await token(api, name, scope), grants=owner, scope=scope)
        for name, scope in scopes.items()
    ]
    away = Scope(tenant="mine", networks=("198.51.100.0/24",))
    made.append(Visitor(name="token from elsewhere", headers=await token(api, "away", away), grants=None))
    headers = await token(api, "old", Scope(), expires=api.ctx.clock.now() + 0.01)
    made.append(Visitor(name="expired token", headers=headers, grants=None))
    headers = await token(api, "gone", Scope())
    await api.store.change("user:x", "test", (Delete(Token.KIND, "", "gone"),))
    hosts = {name: {"authorization": f"Bearer {await enrol(api.store, 'user:x', name, 0)}"} for name in ("one", "two")}
    made.append(Visitor(name="host", headers=hosts["one"], grants=(("host", "", ""),), user=False))
    await revoke(api.store, "user:x", "two")
    made.append(Visitor(name="revoked host", headers=hosts["two"], grants=None))
    made.append(Visitor(name="revoked token", headers=headers, grants=None))
    return [msgspec.structs.replace(one, headers={**one.headers, "x-forwarded-for": "192.0.2.7"}) for one in made]


async def session(api: Any, login: str) -> str:
    cookie, operations = sessions.begin(login, (), address="", browser="", strong=False, now=api.ctx.clock.now())
    await api.store.change(f"user:{login}", "test", tuple(operations))
    return cookie


async def token(api: Any, name: str, scope: Scope, expires: float = 0.0) -> dict[str, str]:
    owner = api.desk.recogniser.user("owner")
    now = api.ctx.clock.now()
    text = await issue(api.store, api.desk.directory, owner, name=name, scope=scope, expires=expires, now=now)
    return {"authorization": f"Bearer {text}"}


async def furnish(api: Any) -> dict[str, str]:
    """Make two tenants that have the same things, and a task each; return the tasks."""
    for tenant in ("mine", FOREIGN):
        await api.call("POST", "/v1/tenants", {"name": tenant})
        await api.store.put("user:x", "test", tenant, "shop", App())
    await api.person("victim")
    tasks = Tasks(api.store)
    return {
        tenant: await tasks.add("user:x", NewTask(function="test.walk", queue="none", tenant=tenant, app=app))
        for tenant, app in (("mine", ""), (FOREIGN, "shop"))
    }


@pytest.fixture(autouse=True)
def quick_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody has written a log here: don't wait for its first line."""
    monkeypatch.setattr("serai.services.apps.routes.logs.FIRST_SECONDS", 0.01)
    # Ten thousand lines of log are most of the time that this takes.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


async def test_everybody_gets_exactly_what_the_table_says_on_every_route(api: Any) -> None:
    tasks = await furnish(api)
    routes = sorted(table(api.app), key=lambda row: ((row[0], row[1]) in LAST, row[1], row[0]))
    wrong, count = [], 0
    for visitor in await visitors(api):
        front = Front(api.path.with_name("front.sock"), visitor)
        for method, route, _ in routes:
            action = TABLE.ACTIONS[method, route]  # a route that the table lacks fails here
            for label, one in aims(method, route, tasks):
                asked = TABLE.KIND_ACTIONS.get(one.kind) if "{kind}" in action else action
                asked = asked or action.replace("{kind}", one.kind)
                status, body = await front.ask(method, one.path)
                count += 1
                told, due = refusal(status, body), expected(visitor, asked, one)
                if told != due and not ((method, route) in LAST and status == 401):
                    wrong.append(f"{visitor.name}: {method} {one.path} ({label}): {status} {body[:200]!r} not {due}")
    assert not wrong, "\n".join([f"{len(wrong)} of {count}", *wrong[:40]])
    assert count > 5000


async def test_what_is_foreign_and_what_is_not_there_look_the_same(api: Any) -> None:
    tasks = await furnish(api)
    compared = 0
    for visitor in await visitors(api):
        if visitor.name not in {"viewer", "owner", "one-app", "token names"}:
            continue
        front = Front(api.path.with_name("front.sock"), visitor)
        for method, route, _ in table(api.app):
            answers: dict[str, set[tuple[int, bytes]]] = {}
            for label, one in aims(method, route, tasks):
                tenant, _, kind = label.split(" ", 2)
                if tenant in {FOREIGN, MISSING} or "{task}" in route:
                    answers.setdefault(kind, set())
                    if tenant != "mine" or label.split()[1] == "absent":
                        answers[kind].add(await front.ask(method, one.path))
            own = TABLE.ACTIONS[method, route] in {*TABLE.OPEN_TO_ALL, *TABLE.OPEN_TO_KNOWN, *TABLE.OPEN_TO_USERS}
            for kind, found in answers.items():
                if not own:
                    assert len(found) <= 1, (visitor.name, method, route, kind, found)
                    compared += 1
    assert compared > 300
