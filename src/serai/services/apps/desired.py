"""What a host should run, read from its replica: hosting goes on while the store is away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from serai.cloud.descriptors import Instance
from serai.cloud.drivers import Workload
from serai.errors import InternalError, UnavailableError
from serai.identity.descriptors import Tenant
from serai.services.apps import launch
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Release
from serai.services.apps.launch import Place
from serai.services.apps.place import place, uid_of
from serai.services.apps.plan import WEB
from serai.services.apps.reconcile import Desired, Key
from serai.services.apps.variables import Told, Variables, told
from serai.store import Record, Replica


class Known(msgspec.Struct, frozen=True):
    """An instance with all the descriptors that say how it runs."""

    tenant: Tenant
    app: App
    release: Release
    record: Record[Instance]
    variables: Variables  # as they are sealed

    def told(self, home: Path) -> Told:
        """Return the variables in plain, from the key file of this home."""
        return told(home, self.variables, self.record.tenant, self.release.app)

    def place(self, home: Path, site: Site) -> Place:
        """Return where its app is on this host."""
        return place(home, site, self.record.tenant, self.release.app, uid_of(home, self.tenant))

    def workload(self, home: Path, site: Site) -> Workload:
        """Return what runs as it."""
        where, record = self.place(home, site), self.record
        return launch.instance(where, self.told(home), self.release, record.name, record.spec.process)


Owner = tuple[str, str]  # tenant, app


class View:
    """Read a host's instances; the answer is kept until the replica changes."""

    def __init__(self, replica: Replica, host: str) -> None:
        self._replica = replica
        self._host = host
        self.change = -1  # of the replica, when it was read; -1 where it never was
        self.known: dict[Key, Known] = {}
        self.desired: dict[Key, Desired] = {}
        self._used: Mapping[Owner, int] = {}  # octets of data, as they were measured last
        self._closed: Collection[Owner] = ()  # whose data can't be written before they stop
        self._full: Mapping[Owner, str] = {}
        self.unreadable: dict[Key, str] = {}  # instances that can't be understood, and why

    def refresh(self) -> None:
        """Read again where there is something new. Instances whose release is unknown yet are left for later."""
        try:
            change = self._replica.change()
        except UnavailableError:
            return
        if change <= self.change:
            # A smaller number is a replica that is being made anew: not a reason to stop everything.
            return
        known: dict[Key, Known] = {}
        desired: dict[Key, Desired] = {}
        unreadable: dict[Key, str] = {}
        for record in self._replica.find(Instance):
            if record.spec.host != self._host:
                continue
            key = (record.tenant, record.name)
            try:
                found = self._known(record)
            except InternalError as error:
                # Damaged, or written by other code: one app's trouble is not the other apps', and it stays as it was.
                unreadable[key] = error.public
                if key in self.known:
                    known[key], desired[key] = self.known[key], self.desired[key]
                continue
            if found is not None:
                known[key] = found
            elif record.spec.wanted != "running":
                desired[key] = Desired(instance=record.spec, change=record.change)
        # A quota may have been raised with this change, or what needed a larger one be gone.
        self._full = self._unfit(known.values())
        desired.update({key: self._desired(found) for key, found in known.items()})
        self.known, self.desired, self.unreadable, self.change = known, desired, unreadable, change

    def measured(self, used: Mapping[Owner, int], closed: Collection[Owner] = ()) -> bool:
        """Take what apps' data folders hold, in octets, and which ones are mended when their apps have stopped.

        Return whether other apps may run now than before.
        """
        self._used, self._closed, before = used, closed, self._full
        self._full = self._unfit(self.known.values())
        self.desired.update({key: self._desired(known) for key, known in self.known.items()})
        return self._full != before

    def _unfit(self, known: Iterable[Known]) -> dict[Owner, str]:
        sentence = "The disk was full: its data folder can be written again in a moment."
        return over(self._used, quotas(known)) | dict.fromkeys(self._closed, sentence)

    def _known(self, record: Record[Instance]) -> Known | None:
        tenant = self._replica.get(Tenant, record.tenant, record.tenant)
        app = self._replica.get(App, record.tenant, record.spec.app)
        release = self._replica.get(Release, record.tenant, f"{record.spec.app}.{record.spec.release}")
        if tenant is None or app is None or release is None or record.spec.process not in release.spec.processes:
            return None
        variables = self._replica.get(Variables, record.tenant, record.spec.app)
        return Known(tenant.spec, app.spec, release.spec, record, variables.spec if variables else Variables())

    def _desired(self, known: Known) -> Desired:
        spec = known.record.spec
        return Desired(
            instance=spec,
            change=known.record.change,
            health=known.release.health if spec.process == WEB else None,
            on_demand=spec.release not in known.app.live.values(),
            idle=known.release.idle,
            full=self._full.get((known.record.tenant, known.release.app), ""),
        )


def quotas(known: Iterable[Known]) -> dict[Owner, int]:
    """Return the MiB that each app's data may take: what the largest of its releases here wants."""
    result: dict[Owner, int] = {}
    for one in known:
        app = (one.record.tenant, one.release.app)
        result[app] = max(result.get(app, 0), one.release.data_mb)
    return result


def over(used: Mapping[Owner, int], allowed: Mapping[Owner, int]) -> dict[Owner, str]:
    """Return the apps that hold more octets than they may (MiB), each with the sentence that says so."""
    return {
        app: f"Its data folder is over its quota of {allowed[app]} MiB."
        for app, octets in used.items()
        if app in allowed and octets > allowed[app] << 20
    }
