"""What an application may ask at its door: a table of paths, each with the action that `authorize` is asked for."""

from __future__ import annotations

import asyncio
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from serai.daemon.module import Context
from serai.errors import InvalidError, NotFoundError
from serai.identity import Target, authorize
from serai.identity.audit import StoreAudit
from serai.services.apps.door import answers, flow
from serai.services.apps.door.answers import Answer
from serai.services.apps.door.enqueue import Enqueue
from serai.services.apps.door.http import Request
from serai.services.apps.door.push import Push
from serai.services.apps.door.rates import Bucket
from serai.services.apps.door.schedules import Schedules
from serai.services.apps.door.visitor import Visitor
from serai.services.apps.running.schedules import owner_of
from serai.services.apps.running.wishes import Owner, queue_of
from serai.store.tasks import State
from serai.tasks import Filter, Task, Tasks
from serai.tasks.view import TaskView, page, steps, view

MAX_WAIT = 60.0  # seconds that one request waits for a task


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One request: whose, the task that its path names, what its query says."""

    visitor: Visitor
    body: bytes
    query: Mapping[str, str]
    name: str = ""
    task: Task | None = None
    tasks: Bucket

    @property
    def about(self) -> Task:
        """Return the task that the path names."""
        if self.task is None:
            raise NotFoundError("Nothing has that name.")
        return self.task


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tasks to list."""

    state: State | None = None
    function: str | None = None
    channel: str | None = None
    parent: str | None = None
    before: int | None = None
    limit: int = 100


Handler = Callable[[Visit], Awaitable[Answer]]


class Routes:
    """Answer requests; raises `SeraiError`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._tasks = Tasks(ctx.store, ctx.bus)
        self.leaving = asyncio.Event()
        self.audit = StoreAudit(ctx.store, ctx.clock.now)
        enqueue, schedules, push = Enqueue(ctx, self._tasks), Schedules(ctx), Push(ctx)
        one = r"/v1/tasks/(?P<task>[^/]{1,64})"
        named = r"/v1/schedules/(?P<name>[^/]{1,128})"
        table: tuple[tuple[str, str, str, Handler], ...] = (
            ("GET", r"/v1/me", "me.read", self.me),
            ("GET", r"/v1/tasks", "task.read", self.find),
            ("POST", r"/v1/tasks", "task.run", enqueue.some),
            ("POST", r"/v1/groups", "task.run", enqueue.group),
            ("POST", r"/v1/chains", "task.run", enqueue.chain),
            ("GET", one, "task.read", self.show),
            ("GET", f"{one}/story", "task.read", self.story),
            ("GET", f"{one}/results", "task.read", self.results),
            ("GET", f"{one}/log", "task.read", self.log),
            ("GET", f"{one}/follow", "task.read", self.follow),
            ("GET", f"{one}/watch", "task.read", self.watch),
            ("POST", f"{one}/cancel", "task.cancel", self.cancel),
            ("POST", f"{one}/retry", "task.retry", self.retry),
            ("GET", r"/v1/schedules", "task.read", schedules.find),
            ("GET", named, "task.read", schedules.show),
            ("PUT", named, "task.schedule", schedules.put),
            ("DELETE", named, "task.schedule", schedules.delete),
            ("POST", r"/v1/push/publish", "push.publish", push.publish),
            ("POST", r"/v1/push/tickets", "push.ticket", push.ticket),
        )
        self._table = [(method, re.compile(f"{path}\\Z"), action, handler) for method, path, action, handler in table]

    async def answer(self, request: Request, visitor: Visitor, tasks: Bucket) -> Answer:
        """Answer one request."""
        path, _, rest = request.target.partition("?")
        method = "GET" if request.method == "HEAD" else request.method
        for wanted, pattern, action, handler in self._table:
            if wanted == method and (match := pattern.match(path)):
                found = {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}
                task = await self._task(found["task"]) if "task" in found else None
                authorize(
                    visitor.principal, action, _target(visitor, found, task), self.audit
                )  # each request passes here
                query = dict(urllib.parse.parse_qsl(rest, max_num_fields=32))
                name = found.get("name", "")
                return await handler(
                    Visit(visitor=visitor, body=request.body, query=query, name=name, task=task, tasks=tasks)
                )
        raise NotFoundError("Nothing has that name.")

    async def _task(self, name: str) -> Task | None:
        """Return a task of some application by its ID, None where there is none.

        What the platform does about an application (builds it, restarts it) is not the application's own.
        """
        try:
            task = await self._tasks.get(name)
        except NotFoundError:
            return None
        return task if ":" in task.function else None

    async def me(self, visit: Visit) -> Answer:
        """Tell an application who it is."""
        return answers.of({"tenant": visit.visitor.tenant, "app": visit.visitor.app})

    async def find(self, visit: Visit) -> Answer:
        """List the application's tasks, newest first."""
        try:
            asked = msgspec.convert(dict(visit.query), Query, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidError(f"{error}.", path="query") from None
        own = owner(visit.visitor)
        wanted = Filter(
            tenant=own.tenant,
            app=own.app,
            queue=queue_of((await owner_of(self._ctx, own.tenant, own.app)).host),
            state=asked.state,
            function=asked.function,
            channel=own.own(asked.channel) if asked.channel else None,
            parent=asked.parent,
            before=asked.before,
            limit=min(max(asked.limit, 1), 1000),
        )
        shown = page(await self._tasks.find(wanted), wanted.limit)
        return answers.of({"items": [plain(one, own) for one in shown.items], "next": shown.next})

    async def show(self, visit: Visit) -> Answer:
        """Show a task; with ``wait`` once it is over, or so many seconds have passed."""
        task = visit.about
        if wait := _seconds(visit.query.get("wait", "0")):
            task = await flow.wait(self._tasks, task, min(wait, MAX_WAIT), self.leaving)
        return answers.of(plain(view(task, whole=True), owner(visit.visitor)))

    async def story(self, visit: Visit) -> Answer:
        """Tell who moved a task, when and why."""
        return answers.of(steps(await self._tasks.story(visit.about.id)))

    async def results(self, visit: Visit) -> Answer:
        """Return how the tasks ended that a task came after, in the order in which it named them."""
        ended = await self._tasks.results(visit.about.id)
        items = [{"id": one.id, "function": one.function, "state": one.state, "result": one.result} for one in ended]
        return answers.of({"items": items})

    async def log(self, visit: Visit) -> Answer:
        """Return what a task logged, as JSON lines; with ``follow`` until it is over."""
        after = int(_seconds(visit.query.get("after", "0")))
        forever = visit.query.get("follow", "") in {"1", "true"}
        return answers.lines(flow.log_lines(self._tasks, self._ctx.bus, visit.about.id, after, forever=forever))

    async def follow(self, visit: Visit) -> Answer:
        """Stream a task as JSON lines, now and at each change, until it is over."""
        return answers.lines(flow.states(self._tasks, visit.about.id, owner(visit.visitor)))

    async def watch(self, visit: Visit) -> Answer:
        """Stream a task's states, progress and log lines as server-sent events, until it is over."""
        return answers.events(flow.events(self._tasks, self._ctx.bus, visit.about.id, owner(visit.visitor)))

    async def cancel(self, visit: Visit) -> Answer:
        """Cancel what waits; ask what runs to clean up and end."""
        state = await self._tasks.cancel(visit.visitor.principal.who, visit.about.id, visit.query.get("why", "")[:500])
        return answers.of({"state": state}, 202)

    async def retry(self, visit: Visit) -> Answer:
        """Run a task again that ended in error or was canceled."""
        await self._tasks.retry(visit.visitor.principal.who, visit.about.id, visit.query.get("why", "")[:500])
        return answers.of({"state": (await self._tasks.get(visit.about.id)).state}, 202)


def owner(visitor: Visitor) -> Owner:
    """Return whose names are to be shown and kept."""
    return Owner(visitor.tenant, visitor.app, "")


def plain(shown: TaskView, own: Owner) -> dict[str, Any]:
    """Return a task as its application knows it: its names without what the platform puts before them."""
    told: dict[str, Any] = msgspec.structs.asdict(shown)
    for name in ("channel", "provider", "key"):
        told[name] = own.plain(told[name])
    return told


def _target(visitor: Visitor, found: Mapping[str, str], task: Task | None) -> Target:
    """Return what a request is about: the application, or the task that it names, whosever it is.

    A task that does not exist is nobody's, so that `authorize` answers as for a foreign one.
    """
    if "task" not in found:
        return msgspec.structs.replace(visitor.target, name=found.get("name", ""))
    if task is None:
        return Target(kind="task", name=found["task"])
    return Target(tenant=task.tenant, app=task.app, kind="task", name=task.id)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e15:
        raise InvalidError("A number is expected.", path="query")
    return number
