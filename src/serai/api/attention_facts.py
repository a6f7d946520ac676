"""What of the platform itself, of tasks and of people needs somebody's attention."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Sequence

from serai.cloud.descriptors import Host
from serai.daemon import control
from serai.daemon.attention import Fact, Weight
from serai.daemon.causes import causes
from serai.daemon.home import Home
from serai.daemon.module import Context
from serai.errors import SeraiError
from serai.identity.directory import Directory
from serai.identity.people import Invitation, Token
from serai.identity.principals import Principal
from serai.store.tasks import Task
from serai.tasks import Filter, Tasks

ERRORS = 200  # tasks in error that are looked at, the newest
NEWS = 86400.0  # seconds in which a task's error is news
SOON = 7 * 86400.0  # seconds before a token's or a day before an invitation's end
DAY = 86400.0
LONG = 3600.0  # seconds after which a paused channel may have been forgotten
LITTLE, LEAST = 0.10, 0.03  # of a disk
OFTEN = 10.0  # seconds between two looks at the host itself
PEOPLE = 200  # invitations or hosts that are looked at


class Watch:
    """Look at tasks, channels, providers, bots, invitations."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._tasks = Tasks(ctx.store)

    async def look(self, tenant: str | None) -> list[Fact]:
        """Return the facts of a tenant, of the platform itself, or of all."""
        looks = [self._failed(tenant), self._holds(tenant), self._invitations(tenant or "")]
        if not tenant:
            looks.append(self._bots())
        return [fact for facts in await asyncio.gather(*looks) for fact in facts]

    async def _failed(self, tenant: str | None) -> list[Fact]:
        """Return the functions whose tasks ended in error lately; deployments are told of by their service."""
        since = self._ctx.clock.now() - NEWS
        groups: dict[tuple[str, str, str], list[Task]] = {}
        for task in await self._tasks.find(Filter(state="error", tenant=tenant, limit=ERRORS)):
            if task.finished >= since and not (task.app and task.function.startswith("apps.")):
                groups.setdefault((task.tenant, task.app, task.function), []).append(task)
        return [_of_tasks(key, tasks) for key, tasks in groups.items()]

    async def _holds(self, tenant: str | None) -> list[Fact]:
        providers, pauses = await asyncio.gather(self._tasks.providers(), self._tasks.pauses())
        found = []
        for one in providers:
            where, app = owner_of(one.name)
            if one.state == "up" or (tenant is not None and where != tenant):
                continue
            advice = f"{one.who} says so; say when it is back." if one.declared else "It is tried again by itself."
            found.append(
                Fact(
                    weight="bad" if one.state == "down" else "warn", about="provider", action="provider.read",
                    tenant=where, app=app, name=one.name, since=one.since,
                    text=f"The provider {one.name} is {one.state}, so its tasks wait. {one.why}".strip(),
                    advice=advice, command=f"serai provider up {shlex.quote(one.name)}",
                )
            )  # fmt: skip
        for pause in pauses:
            where, app = owner_of(pause.channel)
            if (tenant is not None and where != tenant) or pause.at > self._ctx.clock.now() - LONG:
                continue
            found.append(
                Fact(
                    weight="warn", about="channel", action="channel.read", tenant=where, app=app, name=pause.channel,
                    text=f"{pause.who} paused the channel {pause.channel}, so its tasks wait. {pause.why}".strip(),
                    advice="Resume it once they may run.", command=f"serai task resume {shlex.quote(pause.channel)}",
                    since=pause.at,
                )
            )  # fmt: skip
        return found

    async def _invitations(self, tenant: str) -> list[Fact]:
        now = self._ctx.clock.now()
        return [
            Fact(
                weight="warn", about="invitation", action="invitation.read", tenant=one.tenant, app=one.spec.app,
                name=one.name, since=one.spec.expires,
                text=f"The invitation of {one.spec.email} {_ends(one.spec.expires, now)}.",
                advice="Ask whether it arrived, or withdraw it and invite them anew.",
            )
            for one in await self._ctx.store.find(Invitation, tenant, limit=PEOPLE)
            if one.spec.expires < now + DAY
        ]  # fmt: skip

    async def _bots(self) -> list[Fact]:
        hosts, bots = await asyncio.gather(self._ctx.store.find(Host, "", limit=PEOPLE), self._tasks.bots())
        served = {queue for bot in bots for queue in bot.queues}
        away = [f"host:{one.name}" for one in hosts if f"host:{one.name}" not in served]
        away += [] if "any" in served or not hosts else ["any"]
        return [
            Fact(
                weight="bad", about="bot", action="host.status", name=queue,
                text=f"No bot works on the queue {queue}: its tasks wait, deployments among them.",
                advice="Look whether that host runs and reaches the store.", command="serai status",
            )
            for queue in away
        ]  # fmt: skip


class HostWatch:
    """Look at this host, which takes no store."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._told: list[Fact] | None = None
        self._asked = 0.0  # seconds of the monotonic clock
        self._asking: asyncio.Task[None] | None = None

    async def look(self, tenant: str | None) -> list[Fact]:
        """Return why this host is not well, and how little room it has, as it was a few seconds ago.

        All workers are asked for that: only the first who ask wait for it.
        """
        if tenant:
            return []
        now = self._ctx.clock.monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked >= OFTEN):
            self._asked, self._asking = now, asyncio.create_task(self._ask())
        if self._told is None:
            await asyncio.shield(self._asking)
        return self._told or []

    async def _ask(self) -> None:
        try:
            told = causes(await control.request(Home(self._ctx.home).control, "status"))
        except (SeraiError, OSError) as error:
            told = {f"The supervisor does not answer: {error}": []}
        found = [
            _of_host(
                "bad",
                _sentence(reason, places),
                "The page of the host, and the log of what is named, say more.",
                "serai status",
            )
            for reason, places in told.items()
        ]
        self._told = [*found, *await asyncio.to_thread(room, os.fspath(self._ctx.home))]


def room(folder: str) -> list[Fact]:
    """Return how little is left of the disk of a folder, where it is little. Blocks."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return []
    parts = {"room": (found.f_bavail, found.f_blocks), "places for files": (found.f_favail, found.f_files)}
    return [
        _of_host(
            "bad" if left < LEAST * all_ else "warn",
            f"The disk below {folder} has {100 * left // all_} % of its {name} left.",
            "Delete releases and apps that nobody needs, or make it larger: nothing can be changed on a full one.",
        )
        for name, (left, all_) in parts.items()
        if all_ and left < LITTLE * all_
    ]


def of_tokens(directory: Directory, principal: Principal, tenant: str | None, now: float) -> list[Fact]:
    """Return which tokens end soon, or ended lately: somebody's own, and those of a tenant."""
    own = dict(directory.tokens(principal.user)) if principal.user else {}
    theirs: dict[tuple[str, str], Token] = {}
    for name in directory.names(Token, tenant or "") if tenant is not None else ():
        if (one := directory.token(tenant or "", name)) is not None:
            theirs[tenant or "", name] = one
    return [
        Fact(
            weight="bad" if one.expires < now else "warn", about="token",
            action="me.read" if key in own else "token.read", tenant=key[0], app=one.scope.app, name=key[1],
            text=f"{'Your token' if key in own else 'The token'} {one.title or key[1]} {_ends(one.expires, now)}.",
            advice="Make another one, and give that to the program that uses it.", since=one.expires,
        )
        for key, one in {**theirs, **own}.items()
        if 0 < one.expires < now + SOON and one.expires > now - SOON
    ]  # fmt: skip


def owner_of(name: str) -> tuple[str, str]:
    """Return (tenant, app) of a channel or provider by its name, TENANT/APP/NAME; ("", "") for the platform's."""
    parts = name.split("/", 2)
    return (parts[0], parts[1]) if len(parts) == 3 else ("", "")


def _of_tasks(key: tuple[str, str, str], tasks: Sequence[Task]) -> Fact:
    tenant, app, function = key
    newest = tasks[0]
    many = "A task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    said = str((newest.error or {}).get("message", ""))[:300]
    return Fact(
        weight="warn", about="task", action="task.read", tenant=tenant, app=app, name=newest.id,
        text=f"{many} of {function} ended in error{': ' + said if said else '.'}",
        advice="Its story and log say why; once that is mended, run it again.", command=f"serai task retry {newest.id}",
        since=newest.finished, count=len(tasks),
    )  # fmt: skip


def _of_host(weight: Weight, text: str, advice: str, command: str = "") -> Fact:
    return Fact(weight=weight, about="host", action="host.status", text=text, advice=advice, command=command)


def _sentence(reason: str, places: Sequence[str]) -> str:
    where = f" ({', '.join(places)})" if places else ""
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}{where}."


def _ends(expires: float, now: float) -> str:
    return "has ended" if expires <= now else f"ends in {max(1, round((expires - now) / 3600))} hours"
