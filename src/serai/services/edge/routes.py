"""From a host name and a path to what answers: tables made from the replica, thrown away when it changes."""

from __future__ import annotations

from collections.abc import Callable

from serai.cloud.descriptors import Instance, Route
from serai.errors import UnavailableError
from serai.services.edge.balance import Group
from serai.services.edge.metrics import Counters, Metrics
from serai.services.edge.pool import Pool
from serai.store import Record, Replica

CHECK_SECONDS = 0.02  # a change is seen by the first request that comes this much later
MAX_SITES = 4096  # host names remembered, unknown ones included

ReleaseKey = tuple[str, str, int]  # tenant, app, release


class Release(Group[Pool]):
    """The ready instances of one release on this host, and the change up to which that is known.

    A ``fixed`` one is the platform's own API: it is known without the replica.
    """

    __slots__ = ("fixed", "key", "version")

    def __init__(self, key: ReleaseKey, *, fixed: bool = False) -> None:
        super().__init__()
        self.key = key
        self.fixed = fixed
        self.version = -1


class Target:
    """A route, ready for use: ``cut`` octets are taken off the path, ``forward`` is told to the program."""

    __slots__ = ("counters", "cut", "forward", "length", "path", "proxied", "release", "released", "route", "timeout")

    def __init__(self, path: bytes, route: Route, release: Release, counters: Counters) -> None:
        self.path = path
        self.length = len(path)
        self.route = route
        self.release = release
        self.counters = counters
        self.proxied = route.target == "instances" and not release.fixed  # the usual way
        self.timeout = route.timeout
        self.released = route.released
        prefix = route.prefix.encode("ascii").rstrip(b"/")
        if not path.startswith(prefix + b"/"):
            prefix = b""  # a prefix that the route's own path does not have can't be taken off
        self.cut = len(prefix)
        self.forward = b"X-Forwarded-Prefix: %b\r\n" % prefix if prefix else b""

    def is_gone(self, path: bytes) -> bool:
        """Say whether a path below this route's own names a release that there was."""
        number = path[self.length :].partition(b"/")[0]
        return b"1" <= number[:1] <= b"9" and len(number) <= 9 and number.isdigit() and int(number) <= self.released


class Site:
    """All routes of one host name, by path; ``depth`` is the number of segments of the longest."""

    __slots__ = ("depth", "paths")

    def __init__(self, targets: dict[bytes, Target]) -> None:
        self.paths = targets
        self.depth = max((path.count(b"/") - 1 for path in targets), default=0)

    def find(self, path: bytes) -> Target | None:
        """Return the target with the longest path that ``path`` lies below.

        A ``path`` that lacks only the final slash of a route finds it too: its `Target.path` is then longer.
        """
        paths = self.paths
        best = paths.get(b"/")
        end = 0
        for _ in range(self.depth):
            end = path.find(b"/", end + 1)
            if end < 0:
                best = paths.get(path + b"/", best)
                break
            best = paths.get(path[: end + 1], best)
        return None if best is not None and best.released and best.is_gone(path) else best


class Routes:
    """Look targets and their instances up."""

    def __init__(
        self, replica: Replica, host: str, metrics: Metrics, make_pool: Callable[[str, str, int], Pool]
    ) -> None:
        self._replica = replica
        self._host = host
        self._metrics = metrics
        self._make_pool = make_pool
        self._sites: dict[str, Site | None] = {}
        self.own: dict[str, Site] = {}  # of the platform's own names, which come before all others
        self._releases: dict[ReleaseKey, Release] = {}
        self._pools: dict[tuple[str, str, str, int, int], Pool] = {}
        self._checked = 0.0
        self.version = -1
        self.available = False

    def find(self, host: str, path: bytes, now: float) -> Target | None:
        """Return where ``path`` on ``host`` (lower case, no port) leads, or None. ``now`` is monotonic."""
        if now > self._checked:
            self.refresh(now)
        try:
            site = self._sites[host]
        except KeyError:
            site = self._load(host)
        return site.find(path) if site is not None else None

    def refresh(self, now: float) -> bool:
        """Forget what may have changed; return whether anything did."""
        self._checked = now + CHECK_SECONDS
        try:
            change = self._replica.change()
        except UnavailableError:
            return False  # it was never filled yet, or its file is away: what is known goes on
        self.available = True
        if change == self.version:
            return False
        self.version = change
        self._sites.clear()
        # Targets that knew the others are gone; requests under way that still do look them up again when they retry.
        self._releases = {key: release for key, release in self._releases.items() if release.members}
        return True

    def sync(self) -> None:
        """Bring all releases up to date, so that instances that left let go of their connections."""
        for release in list(self._releases.values()):
            self.update(release)
        wanted = {id(pool) for release in self._releases.values() for pool in release.members}
        for key, pool in list(self._pools.items()):
            if id(pool) not in wanted:
                pool.retire()
                if pool.unused:
                    del self._pools[key]

    def update(self, release: Release) -> None:
        """Read the instances of ``release`` again if something has changed."""
        if release.version == self.version:
            return
        release.version = self.version
        if release.fixed:
            return
        tenant, app, number = release.key
        members = [
            self._pool(record)
            for record in self._replica.find(Instance, tenant, f"{app}.{number}.web.")
            if self._is_ready(record.spec)
        ]
        for pool in release.members:
            if pool not in members:
                pool.retire()
        release.members = members

    def pools(self) -> list[Pool]:
        """Return the pools of all instances that are or were of use."""
        return list(self._pools.values())

    def _is_ready(self, instance: Instance) -> bool:
        ready = instance.wanted == "running" and instance.state == "ready"
        return ready and bool(instance.connector) and instance.host == self._host

    def _pool(self, record: Record[Instance]) -> Pool:
        spec = record.spec
        # An instance that was started again has a new network namespace, even under the same name.
        key = (record.tenant, record.name, spec.connector, spec.port, spec.restarts)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._make_pool(record.name, spec.connector, spec.port)
        pool.retired = False
        return pool

    def _load(self, host: str) -> Site | None:
        own = self.own.get(host)
        if own is not None:
            return own
        if not self.available:
            return None
        if len(self._sites) >= MAX_SITES:
            self._sites.clear()
        site = self._read(host)
        if site is None and "." in host:
            site = self._read("*." + host.partition(".")[2])
        self._sites[host] = site
        return site

    def _read(self, host: str) -> Site | None:
        targets = {}
        for record in self._replica.find(Route, "", f"{host}/"):
            path = record.name[len(host) :].encode("ascii")
            route = record.spec
            key = (route.tenant, route.app, route.release)
            release = self._releases.get(key)
            if release is None:
                release = self._releases[key] = Release(key)
            targets[path] = Target(path, route, release, self._metrics.app(route.tenant, route.app))
        return Site(targets) if targets else None
