"""What an application consists of, as descriptors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from serai.cloud.descriptors import Host, Instance, Route
from serai.services.apps.git.source import Source
from serai.services.apps.git.token import GitToken
from serai.services.apps.shell import Shell
from serai.services.apps.variables import Variables
from serai.store.contract import Spec

#: The environment that `/APP/` and a plain `deploy` mean.
PROD = "prod"

#: An app's name is a DNS label that begins with a letter, so that it is never taken for a release's number.
APP_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,39}[a-z0-9])?\Z")
ENVIRONMENT = re.compile(r"[a-z](?:[a-z0-9-]{0,22}[a-z0-9])?\Z")
PROCESS = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
#: A host name as RFC 1123 section 2.1 has it, lower case, with at least one dot and a top level that is no number.
HOST_NAME = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])\Z"
)

Argv = Annotated[tuple[Annotated[str, Meta(max_length=8192)], ...], Meta(min_length=1, max_length=256)]
Number = Annotated[int, Meta(ge=0, le=999_999_999)]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How to tell that a web instance is well; times in seconds.

    ``path`` "": GET / answers with any status below 500. Else a GET of it answers 2xx or 3xx. ``start``: how long it
    may take until it first does; ``failures`` in a row make it unhealthy.
    """

    path: Annotated[str, Meta(max_length=1024)] = ""
    start: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    interval: Annotated[float, Meta(ge=1, le=3600)] = 10.0
    timeout: Annotated[float, Meta(gt=0, le=300)] = 5.0
    failures: Annotated[int, Meta(ge=1, le=100)] = 3


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of process of a release: what runs, and what each of its instances may use at most."""

    argv: Argv
    env: dict[str, str] = {}
    count: Annotated[int, Meta(ge=0, le=1000)] = 1  # instances, where the app's scale says nothing
    memory_mb: Annotated[int, Meta(ge=16, le=1 << 20)] = 512
    cpu: Annotated[float, Meta(gt=0, le=1024)] = 1.0  # cores
    processes: Annotated[int, Meta(ge=4, le=65536)] = 128  # processes and threads


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command that runs once, in the context of a release, for at most ``timeout`` seconds."""

    argv: Argv
    env: dict[str, str] = {}
    timeout: Annotated[float, Meta(ge=1, le=86400)] = 600.0


class Recurring(Command, frozen=True, kw_only=True):
    """A command that runs at each time that ``when`` names in the time zone (see `serai.tasks.cron`)."""

    when: Annotated[str, Meta(max_length=256)]
    zone: Annotated[str, Meta(max_length=64)] = "UTC"


class Bind(msgspec.Struct, frozen=True):
    """A folder of the host that all processes of a release see, read only (its run time)."""

    source: str
    target: str


class App(Spec, frozen=True, kw_only=True):
    """A tenant's program, whatever its releases. Its data folder outlives them all.

    ``live`` says which release each environment shows; ``before`` which ones it showed earlier, the latest last, for
    rolling back. ``scale`` is instances per kind of process. What its processes are told is in its `Variables`.
    """

    KIND: ClassVar[str] = "app"
    NAME: ClassVar[re.Pattern[str]] = APP_NAME
    EXPORTED: ClassVar[re.Pattern[str] | None] = APP_NAME
    RETURNS: ClassVar[bool] = False  # see `Trash`
    TASKS: ClassVar[Literal["", "app", "tenant"]] = "app"
    DERIVED: ClassVar[Mapping[str, Any]] = {"host": "", "next_release": 1, "live": {}, "before": {}}

    host: str = ""  # where its instances run and its data folder is
    next_release: Number = 1
    live: dict[str, Number] = msgspec.field(default_factory=dict)
    before: dict[str, tuple[Number, ...]] = msgspec.field(default_factory=dict)
    scale: dict[str, Annotated[int, Meta(ge=0, le=100)]] = msgspec.field(default_factory=dict)
    tasks: Annotated[int, Meta(ge=0, le=1 << 40)] = 0  # that may wait; 0: as many as its tenant's

    def app_of(self, name: str) -> str:
        """Return its name."""
        return name

    def needs(self, verb: Literal["write", "delete"]) -> tuple[str, ...]:
        """Return what making and scaling one takes, or deleting it."""
        return ("app.deploy", "app.scale") if verb == "write" else ("app.delete",)


class Release(Spec, frozen=True, kw_only=True):
    """An immutable version of an app, named ``APP.NUMBER``. What it is made of is written once, by its build.

    ``state``: "waiting" for its build, "building", "built" (answers at its own URL), "live" in some environment,
    "failed". ``reason`` says why in a sentence, ``tail`` shows the end of the log that tells more.
    """

    KIND: ClassVar[str] = "release"
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"[a-z][a-z0-9-]{0,40}\.[0-9]{1,9}\Z")

    app: str
    number: Number
    blob: str  # the folder, as a tar stream; "" until it was fetched
    git: Source | None = None  # where it is fetched from; None of an upload
    created: float  # seconds since the epoch
    who: str = ""
    title: Annotated[str, Meta(max_length=500)] = ""
    state: Literal["waiting", "building", "built", "live", "failed"] = "waiting"
    reason: Annotated[str, Meta(max_length=1000)] = ""
    tail: Annotated[str, Meta(max_length=16384)] = ""
    built: float = 0.0  # when its build ended, 0 where it has not; a failed start leaves it
    prepared: bool = False  # its `before_live` command has run
    recipe: str = ""
    runtime: str = ""  # "python3.11"
    notes: tuple[str, ...] = ()  # sentences of the build for the person who deployed
    folder: str = ""  # where its files are on the app's host; absolute
    push: bool = False  # its visitors follow what it publishes at ``.push``
    static: dict[str, str] = msgspec.field(
        default_factory=dict
    )  # URL path ("/static/") to a folder below `folder`, served by the edge
    env: dict[str, str] = msgspec.field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    processes: dict[str, Process] = msgspec.field(
        default_factory=dict
    )  # none in a static site; else "web" is among them
    port: int = 8000
    health: Health = Health()
    before_live: Command | None = None
    recurring: dict[str, Recurring] = msgspec.field(default_factory=dict)
    keep: Annotated[int, Meta(ge=1, le=1000)] = 50  # releases of its app, itself included
    data_mb: Annotated[int, Meta(ge=1, le=1 << 24)] = 1024  # quota of the data folder, MiB
    idle: Annotated[float, Meta(ge=1)] = 600.0  # seconds without a connection until an instance on demand stops


class Need(Spec, frozen=True, kw_only=True):
    """What a tenant's apps may use together at most, as of the last change that was admitted."""

    KIND: ClassVar[str] = "need"
    HISTORY_DAYS: ClassVar[float | None] = 7.0

    memory_mb: int = 0
    processes: int = 0
    disk_mb: int = 0

    def __add__(self, other: Need) -> Need:
        return Need(
            memory_mb=self.memory_mb + other.memory_mb,
            processes=self.processes + other.processes,
            disk_mb=self.disk_mb + other.disk_mb,
        )


class Domain(Spec, frozen=True, kw_only=True):
    """A host name of a tenant's own that leads to one of its apps; its Route makes it unique among all tenants."""

    KIND: ClassVar[str] = "domain"
    NAME: ClassVar[re.Pattern[str]] = HOST_NAME
    EXPORTED: ClassVar[re.Pattern[str] | None] = HOST_NAME

    app: str
    environment: str = PROD

    def app_of(self, name: str) -> str:  # noqa: ARG002 - its name is a host's
        """Return the app that it leads to."""
        return self.app

    def needs(self, verb: Literal["write", "delete"]) -> tuple[str, ...]:  # noqa: ARG002 - one for both
        """Return what having domains takes."""
        return ("app.domain",)


class Trash(Spec, frozen=True, kw_only=True):
    """Something deleted that can be had back until a time (seconds since the epoch).

    It is an app (named ``APP.RANDOM``), a release (``APP.NUMBER.RANDOM``), or a tenant (``TENANT.RANDOM``, of the
    platform), with ``parts`` that say what its apps are kept as, and the rest of what it had (``TENANT.RANDOM``, its
    own). ``versions`` are those of its descriptors, by ``KIND/NAME``; ``data`` says that an app's data was deleted as
    well, ``disk_mb`` how large that is. A tenant that is ``leaving`` still has things that are to be kept.
    """

    KIND: ClassVar[str] = "trash"
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"[a-z][a-z0-9-]{0,40}(?:\.[0-9]{1,9})?\.[0-9a-f]{8}\Z")

    OUTLIVES: ClassVar[bool] = True

    what: Literal["app", "release", "tenant", "rest"] = "app"
    app: str  # a tenant's own name
    host: str
    who: str
    deleted: float
    until: float
    data: bool
    versions: dict[str, int] = msgspec.field(default_factory=dict)
    blobs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    disk_mb: Number = 0
    state: Literal["leaving", "kept", "returning"] = "kept"

    def app_of(self, name: str) -> str:  # noqa: ARG002 - it says so itself
        """Return the app that it is, or was of."""
        return "" if self.what in {"tenant", "rest"} else self.app


#: Instance, Route and Host are declared by the cloud, and brought by the service that writes them.
KINDS: tuple[type[Spec], ...] = (
    App, Release, Domain, Variables, GitToken, Need, Trash, Shell, Instance, Route, Host,
)  # fmt: skip
