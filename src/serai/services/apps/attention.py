"""What of apps needs attention: deployments that failed, instances that are not well, certificates, quotas."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from serai.cloud.descriptors import Instance
from serai.daemon.attention import Fact
from serai.daemon.module import Context
from serai.errors import DeadlineError, NotFoundError, UnavailableError
from serai.identity.descriptors import Tenant
from serai.services.apps.ailing import Ailing, Key
from serai.services.apps.descriptors import App, Domain, Need, Release
from serai.store.tasks import Task
from serai.tasks import Filter, Tasks

ERRORS = 100  # tasks in error that are looked at for deployments that failed
APPS = 20  # apps whose newest release is looked at
DOMAINS = 200
SOON = 7 * 86400.0  # seconds before a certificate's end in which it should have been renewed
FULL = 0.95  # of a quota
STEPS = frozenset({"apps.fetch", "apps.build", "apps.start", "apps.check", "apps.switch"})
CERTIFIED = "edge.certificates"
TELLING = 1.0  # seconds that we wait for it


class Watch:
    """Look at apps."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._ailing = Ailing(ctx.store)

    async def look(self, tenant: str | None) -> list[Fact]:
        """Return the facts of a tenant's apps, or of all tenants'; the platform itself has none."""
        if tenant == "":
            return []
        found = await asyncio.gather(
            self._releases(tenant), self._instances(tenant), self._certificates(tenant), self._quotas(tenant)
        )
        return [fact for facts in found for fact in facts]

    async def _releases(self, tenant: str | None) -> list[Fact]:
        """Return the apps whose newest release failed, by their tasks: there are few of those among many releases."""
        wanted = Filter(state="error", tenant=tenant, limit=ERRORS)
        newest: dict[Key, Task] = {}
        for task in await Tasks(self._ctx.store).find(wanted):
            if task.function in STEPS:
                newest.setdefault((task.tenant, task.app), task)
        failed = await asyncio.gather(*(self._release(key) for key in list(newest)[:APPS]))
        return [
            Fact(
                weight="bad" if not app.live else "warn",
                about="release",
                action="release.read",
                tenant=key[0],
                app=key[1],
                name=str(release.number),
                text=f"Release {release.number} of {key[1]} failed: {release.reason}",
                advice=f"{_meanwhile(app)} Look at its log, mend it, and deploy again.",
                command=f"serai app logs {key[1]} --tenant {key[0]} --name build.{release.number}",
                since=newest[key].finished,
            )
            for key, found in zip(newest, failed, strict=False)
            if found is not None
            for app, release in [found]
        ]

    async def _release(self, key: Key) -> tuple[App, Release] | None:
        """Return an app and its newest release, where that failed."""
        tenant, name = key
        try:
            app = (await self._ctx.store.get(App, tenant, name)).spec
            newest = (await self._ctx.store.get(Release, tenant, f"{name}.{app.next_release - 1}")).spec
        except NotFoundError:  # deleted meanwhile
            return None
        return (app, newest) if newest.state == "failed" else None

    async def _instances(self, tenant: str | None) -> list[Fact]:
        groups: dict[tuple[str, str, int, str], list[Instance]] = {}
        for (where, _name), one in (await self._ailing.find()).items():
            if tenant is None or where == tenant:
                groups.setdefault((where, one.app, one.release, one.process), []).append(one)
        return [_ill(key, ill) for key, ill in groups.items()]

    async def _certificates(self, tenant: str | None) -> list[Fact]:
        found = await self._ctx.store.find(Domain, tenant, limit=DOMAINS)
        if not found:
            return []
        try:
            until = await self._ctx.bus.call(CERTIFIED, [one.name for one in found], deadline=TELLING)
        except (UnavailableError, DeadlineError):
            return []  # the module is away, of which the host itself tells
        now = self._ctx.clock.now()
        return [
            Fact(
                weight="bad" if until[one.name] < now else "warn",
                about="domain",
                action="domain.read",
                tenant=one.tenant,
                app=one.spec.app,
                name=one.name,
                text=f"The certificate of {one.name} was not renewed: it {_ends(until[one.name], now)}.",
                advice="The log of edge.certificates says why.",
                command="serai status",
                since=until[one.name],
            )
            for one in found
            if one.name in until and 0 < until[one.name] < now + SOON
        ]

    async def _quotas(self, tenant: str | None) -> list[Fact]:
        """Return which quotas of a tenant are used up; for all tenants at once that would be too many to look at."""
        if tenant is None:
            return []
        try:
            most = (await self._ctx.store.get(Tenant, tenant, tenant)).spec
        except NotFoundError:
            return []
        try:
            need = (await self._ctx.store.get(Need, tenant, tenant)).spec
        except NotFoundError:
            need = Need()
        waiting = await Tasks(self._ctx.store).waiting(tenant, "", most.tasks)
        used = {
            "memory": (need.memory_mb, most.memory_mb),
            "disk": (need.disk_mb, most.disk_mb),
            "processes": (need.processes, most.processes),
            "waiting tasks": (waiting, most.tasks),
        }
        return [_full(tenant, name, of) for name, (have, of) in used.items() if of and have >= of * FULL]


def _ends(until: float, now: float) -> str:
    return "has ended" if until < now else "ends within a week"


def _meanwhile(app: App) -> str:
    return "What was live before still is." if app.live else "Nothing of it is live."


def _ill(key: tuple[str, str, int, str], ill: Iterable[Instance]) -> Fact:
    tenant, app, release, process = key
    every = list(ill)
    worst = next((one for one in every if one.state == "failed"), every[0])
    state = worst.state if worst.state in {"failed", "unhealthy"} else f"started {worst.restarts} times and not ready"
    some = f"An instance ({process})" if len(every) == 1 else f"{len(every)} instances ({process})"
    reason = f": {worst.reason}" if worst.reason else "."
    return Fact(
        weight="bad",
        about="instance",
        action="instance.read",
        tenant=tenant,
        app=app,
        name=f"{app}.{release}.{process}",
        text=f"{some} of {app}, release {release}: {state}{reason}",
        advice="Look at its log, and roll back if need be.",
        command=f"serai app logs {app} --tenant {tenant}",
        count=len(every),
    )


def _full(tenant: str, name: str, most: int) -> Fact:
    unit = " MiB" if name in {"memory", "disk"} else ""
    return Fact(
        weight="warn",
        about="tenant",
        action="tenant.read",
        tenant=tenant,
        name=tenant,
        text=f"{tenant} has given out its quota of {name} ({most}{unit}): what needs more is refused.",
        advice="Delete what nobody needs, or let an operator give it more.",
        command=f"serai tenant set {tenant}",
    )
