"""``app.toml``: what a person may say about a program. The file is optional, and so is every line of it.

Unknown keys are errors, units stand in the names, and each value has bounds. A tenant wrote it: it is parsed from at
most `MAX_SIZE` octets, and nothing in it is ever given to a shell of the platform.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from serai.errors import InvalidError
from serai.tasks import cron

MAX_SIZE = 64 << 10  # octets

# What a value must look like, and the words for it that a person reads.
_TEXT = r"\A[^\x00]*\Z"
_NAME = r"\A[a-z][a-z0-9-]{0,30}\Z"
_APP = r"\A[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?\Z"
_FOLDER = r"\A(?!/)(?!(?:.*/)?\.\.?(?:/|\Z))[^\x00\r\n\\]*\Z"
_URL_PATH = r"\A/(?:[A-Za-z0-9._~-]+/)*\Z"
_VARIABLE = r"\A[A-Za-z_][A-Za-z0-9_]{0,127}\Z"
_TARGET = r"\A(?:/[!-~]*)?\Z"
_ZONE = r"\A[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}\Z"
_RUNTIME = r"\A(?:python|node|php|perl)[0-9]{0,3}(?:\.[0-9]{1,3}){0,2}\Z"
_ENTRY = r"\A[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(?:\(\))?\Z"
_FORMS = {
    _TEXT: "a text without NUL",
    _NAME: "a name of lower-case letters, digits and dashes, at most 31",
    _APP: "a name of lower-case letters, digits and dashes, at most 40",
    _FOLDER: "a relative path without '..'",
    _URL_PATH: "a path that begins and ends with a slash",
    _VARIABLE: "the name of an environment variable",
    _TARGET: "a path that begins with a slash",
    _ZONE: "a time zone such as Europe/Berlin",
    _RUNTIME: "a language and its version, such as python3.11",
    _ENTRY: "a Python object such as shop.wsgi:application",
}

Text = Annotated[str, Meta(min_length=1, max_length=4096, pattern=_TEXT)]
Command = Text | Annotated[tuple[Text, ...], Meta(min_length=1, max_length=256)]
Name = Annotated[str, Meta(pattern=_NAME)]
Folder = Annotated[str, Meta(max_length=255, pattern=_FOLDER)]
UrlPath = Annotated[str, Meta(max_length=255, pattern=_URL_PATH)]
Variable = Annotated[str, Meta(pattern=_VARIABLE)]
Value = Annotated[str, Meta(max_length=32768, pattern=_TEXT)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Resources(_Strict, frozen=True, kw_only=True):
    """What one instance may use; None: the tenant's default."""

    memory_mb: Annotated[int, Meta(ge=16, le=1 << 20)] | None = None
    cpu: Annotated[float, Meta(ge=0.05, le=1024)] | None = None  # cores
    processes: Annotated[int, Meta(ge=4, le=65536)] | None = None  # processes and threads
    disk_mb: Annotated[int, Meta(ge=1, le=1 << 24)] | None = None  # quota of the data folder


class ProcessConfig(_Strict, frozen=True, kw_only=True):
    """A process of the program: "web" answers requests, all others are workers.

    ``command`` is an argument vector, or one line; a line that needs a shell gets one, the tenant's own, inside its
    sandbox. The web process may leave it out: then the recipe's command is taken.
    """

    command: Command | None = None
    instances: Annotated[int, Meta(ge=0, le=1000)] = 1
    resources: Resources = Resources()


class Health(_Strict, frozen=True, kw_only=True):
    """How to tell that a web instance is well.

    With no ``path``: it accepts a connection and answers ``GET /`` with any status below 500. With one: 2xx or 3xx.
    """

    path: Annotated[str, Meta(max_length=1024, pattern=_TARGET)] = ""
    timeout_seconds: Annotated[float, Meta(ge=0.1, le=300)] = 5.0
    interval_seconds: Annotated[float, Meta(ge=1, le=3600)] = 10.0
    start_seconds: Annotated[float, Meta(ge=1, le=3600)] = 60.0  # from its start to its first good answer
    failures: Annotated[int, Meta(ge=1, le=100)] = 3  # in a row, until it is unhealthy


class ReleaseConfig(_Strict, frozen=True, kw_only=True):
    """What runs once before a release goes live, with its data folder: migrations. A failure stops the release."""

    command: Command | None = None
    timeout_seconds: Annotated[float, Meta(ge=1, le=86400)] = 600.0


class Schedule(_Strict, frozen=True, kw_only=True):
    """A command that is run again and again: ``cron`` or ``every_seconds``, one of the two.

    ``cron`` has five fields or is ``@daily`` or its like; `serai.tasks.cron` says what they mean.
    """

    name: Name
    command: Command
    cron: Annotated[str, Meta(max_length=128)] = ""
    every_seconds: Annotated[int, Meta(ge=0, le=366 * 86400)] = 0
    time_zone: Annotated[str, Meta(max_length=64, pattern=_ZONE)] = "UTC"
    timeout_seconds: Annotated[float, Meta(ge=1, le=86400)] = 600.0


class StaticConfig(_Strict, frozen=True, kw_only=True):
    """Files that the edge serves by itself. ``folder`` makes the whole program a static site."""

    folder: Folder | None = None
    paths: Annotated[dict[UrlPath, Folder], Meta(max_length=32)] = {}


class BuildConfig(_Strict, frozen=True, kw_only=True):
    """What a build runs besides what the recipe says, and what it may use."""

    command: Command | None = None
    egress: bool = True  # whether ``command`` reaches the internet
    memory_mb: Annotated[int, Meta(ge=64, le=1 << 20)] | None = None
    timeout_seconds: Annotated[float, Meta(ge=1, le=86400)] = 900.0


class Manifest(_Strict, frozen=True, kw_only=True):
    """All that ``app.toml`` may say.

    ``runtime`` is a language and a version ("python3.11", "node20"); ``recipe`` takes the place of looking;
    ``entry`` names the Python object to serve ("shop.wsgi:application"). ``persist`` are files and folders that the
    program writes to beside its code ("db.sqlite3", "uploads"): they become links into its data folder, and what the
    release brought at their places is where they start from.
    """

    name: Annotated[str, Meta(pattern=_APP)] | None = None
    runtime: Annotated[str, Meta(pattern=_RUNTIME)] | None = None
    recipe: Literal["python", "datasette", "node", "php", "perl", "cgi", "static", "procfile"] | None = None
    entry: Annotated[str, Meta(max_length=255, pattern=_ENTRY)] | None = None
    persist: Annotated[tuple[Annotated[Folder, Meta(min_length=1)], ...], Meta(max_length=32)] = ()
    processes: Annotated[dict[Name, ProcessConfig], Meta(max_length=32)] = {}
    health: Health = Health()
    resources: Resources = Resources()
    release: ReleaseConfig = ReleaseConfig()
    schedule: Annotated[tuple[Schedule, ...], Meta(max_length=64)] = ()
    static: StaticConfig = StaticConfig()
    build: BuildConfig = BuildConfig()
    env: Annotated[dict[Variable, Value], Meta(max_length=256)] = {}
    push: bool = False  # ``.push`` below its addresses is the platform's: streams of what it publishes
    keep_releases: Annotated[int, Meta(ge=1, le=1000)] = 50  # the newest ones; what is live stays in any case


# msgspec says where as "$.processes[...].command": which key is found by converting each value alone.
_WHERE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`\Z")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_PATTERN = re.compile(r"Expected `str` matching regex '(?P<pattern>.*)'")
# tomllib's time grows with the square of a key's parts: 32,000 of them take half a minute.
_LONG_KEY = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:(?>[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*+\.[ \t]*+){32}""",
)
_MAPPINGS: dict[str, Any] = {
    "processes": dict[Name, ProcessConfig],
    "env": dict[Variable, Value],
    "static.paths": dict[UrlPath, Folder],
}


def parse(data: bytes) -> Manifest:
    """Return what ``app.toml`` says. `InvalidError` with ``path`` (``processes.web.command``) for all else."""
    raw = _load(data)
    try:
        manifest = msgspec.convert(raw, Manifest)
    except msgspec.ValidationError as error:
        raise _invalid(raw, error) from error
    _check(manifest)
    return manifest


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_SIZE:
        raise InvalidError(f"app.toml is larger than {MAX_SIZE} octets.", path="", size=len(data))
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidError("app.toml is not UTF-8.", path="") from error
    if _LONG_KEY.search(text):
        raise InvalidError("app.toml has a key of more than 32 parts.", path="")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        # ValueError: an integer of thousands of digits (the interpreter's own limit).
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidError(f"app.toml can't be read: {detail}.", path="") from error


def _invalid(raw: dict[str, Any], error: msgspec.ValidationError) -> InvalidError:
    message = str(error)
    where = _WHERE.search(message)
    path = where["path"] if where else ""
    if "[...]" in path:
        path = _exact(raw, path)
    text = message[: where.start()] if where else message
    if form := _PATTERN.search(text):
        text = f"expected {_FORMS.get(form['pattern'].encode().decode('unicode_escape'), 'another form')}"
    if unknown := _UNKNOWN.search(text):
        path = f"{path}.{unknown['name']}".lstrip(".")
        text = "there is no such key"
    return InvalidError(f"app.toml: {path}: {text}." if path else f"app.toml: {text}.", path=path)


def _exact(raw: dict[str, Any], path: str) -> str:
    mapping, _, rest = path.partition("[...]")
    values: Any = raw
    for part in mapping.split("."):
        values = values[part]
    for key, value in values.items():
        try:
            msgspec.convert({key: value}, _MAPPINGS[mapping])
        except msgspec.ValidationError:
            return f"{mapping}.{key}{rest}"
    return mapping


def _check(manifest: Manifest) -> None:
    seen: set[str] = set()
    for index, schedule in enumerate(manifest.schedule):
        path = f"schedule[{index}]"
        if bool(schedule.cron) == bool(schedule.every_seconds):
            raise InvalidError("A schedule has either cron or every_seconds.", path=path)
        _check_time(schedule, path)
        if schedule.name in seen:
            raise InvalidError(f"There are two schedules named {schedule.name}.", path=f"{path}.name")
        seen.add(schedule.name)


def _check_time(schedule: Schedule, path: str) -> None:
    try:
        cron.check(schedule.cron or f"every {schedule.every_seconds}s", schedule.time_zone)
    except InvalidError as error:
        where = f"{path}.{'time_zone' if error.fields['path'] == 'zone' else 'cron'}"
        raise InvalidError(f"app.toml: {where}: {error.public}", path=where) from error
