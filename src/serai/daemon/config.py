"""serai.toml, overlays and defaults to `Settings`: read strictly, as a whole, before anything is touched."""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from serai.daemon.decode import decode, invalid, join
from serai.daemon.settings import FILE, GroupSettings, HostSettings, LogSettings, SentrySettings, Settings
from serai.errors import InvalidError
from serai.store.open import describe

MAX_FILE = 1 << 20  # octets
_GROUP_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
#: Settings that stand above all sections.
_TOP = ("store",)
_SECTIONS = ("host", "groups", "modules", "log", "sentry")
#: Where the edge listens: ports that only root may open come in addition to those that everyone may.
_PLAIN, _TLS = ("tcp://*:8080",), ("tcp://*:8443",)
_PLAIN_ROOT, _TLS_ROOT = ("tcp://*:80", *_PLAIN), ("tcp://*:443", *_TLS)

_GROUPS: dict[str, dict[str, Any]] = {
    "control": {
        "modules": [
            "bus.server",
            "store.replica",
            "store.retention",
            "edge.certificates",
            "api.http",
            "console.http",
            "tasks.clock",
            "apps.door",
            "push.source",
            "series",
        ],
    },
    "bots": {"modules": ["tasks.bot"], "processes": "cores"},
    "agent": {"modules": ["apps.agent", "tasks.bot@host", "tasks.bot@work", "tasks.bot@store"]},
    "edge": {"modules": ["edge.http", "push"], "processes": "cores"},
}


def defaults(installed: Iterable[str], *, root: bool, host: str) -> dict[str, Any]:
    """Return what holds where serai.toml is silent, as plain data.

    A group leaves out modules that no ``installed`` service brings, and a group without any is left out itself, so
    that a host runs what it has.
    """
    have = set(installed)
    groups = {
        name: {**group, "modules": [ref for ref in group["modules"] if module_id(ref) in have]}
        for name, group in _GROUPS.items()
    }
    modules: dict[str, Any] = {}
    if "tasks.bot" in have:
        # Work on the store itself, such as its upkeep, is done one after the other, and beside it.
        modules["tasks.bot@store"] = {"queue": "store", "concurrency": 1}
        modules["tasks.bot@host"] = {"queue": f"host:{host}"}
        # Tenants' tasks have a bot of their own, so that they never keep deployments waiting.
        modules["tasks.bot@work"] = {"queue": f"work:{host}", "concurrency": 8}
    if "edge.http" in have:
        plain, tls = (_PLAIN_ROOT, _TLS_ROOT) if root else (_PLAIN, _TLS)
        modules["edge.http"] = {"http": list(plain), "https": list(tls)}
    return {"groups": {name: group for name, group in groups.items() if group["modules"]}, "modules": modules}


def module_id(ref: str) -> str:
    """Return the ID of a module reference ``ID`` or ``ID@LABEL``."""
    return ref.partition("@")[0]


def load(path: Path, sets: Iterable[str], installed: Iterable[str], *, root: bool | None = None) -> Settings:
    """Read a file (a missing one counts as empty) and lay ``key=value`` settings over it.

    Raises `InvalidError` with the path of the setting in ``fields["path"]``.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise InvalidError(f"{path} can't be read: {error.strerror}.", path=str(path)) from error
    return read(data, sets, installed, root=os.geteuid() == 0 if root is None else root)


def read(data: bytes, sets: Iterable[str], installed: Iterable[str], *, root: bool) -> Settings:
    """Make settings of a file's octets and overlays; pure but for the system's host name."""
    if len(data) > MAX_FILE:
        raise InvalidError(f"{FILE} is larger than {MAX_FILE} octets.", path=FILE)
    try:
        tree = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidError(f"{FILE} is no TOML: {error}.", path=FILE) from None
    for text in sets:
        tree = merge(tree, overlay(text))
    for section in tree:
        if section in _TOP:
            continue
        if section not in _SECTIONS:
            raise invalid(join("", section), f"there is no such section; there are {', '.join((*_TOP, *_SECTIONS))}")
        if not isinstance(tree[section], dict):
            raise invalid(section, "a table is expected")
    host = decode(tree.get("host", {}), HostSettings, "host")
    if not host.name:
        host = msgspec.structs.replace(host, name=system_name())
    whole = merge(defaults(installed, root=root, host=host.name), tree)
    return Settings(
        host=host,
        groups=_groups(whole["groups"]),
        modules=_modules(whole["modules"]),
        log=decode(tree.get("log", {}), LogSettings, "log"),
        sentry=decode(tree.get("sentry", {}), SentrySettings, "sentry"),
        store=_store(tree.get("store", "")),
    )


def overlay(text: str) -> dict[str, Any]:
    """Read one ``--set``: a dotted key, ``=``, and a TOML value or a bare string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or "\n" in key:
        raise InvalidError(f"{text!r} is no setting: KEY=VALUE is expected.", path=key)
    if "\n" not in value:
        try:
            return tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            pass  # then it is a bare string, or the key is wrong, which the next attempt tells
    try:
        return tomllib.loads(f"{key} = {json.dumps(value)}")
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{text!r} is no setting: {error}.", path=key) from None


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: tables are joined, everything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def system_name() -> str:
    """Return the system's host name in the form that `HostSettings.name` takes."""
    name = re.sub(r"[^a-z0-9.-]", "-", socket.gethostname().lower())[:63].strip(".-")
    return name or "host"


def _store(address: Any) -> str:
    if not isinstance(address, str):
        raise invalid("store", "a string is expected")
    if address:
        describe(address)
    return address


def _groups(tables: Mapping[str, Any]) -> dict[str, GroupSettings]:
    groups = {}
    for name, table in tables.items():
        path = join("groups", name)
        if not _GROUP_NAME.match(name):
            raise invalid(path, "a group's name is 1 to 31 of a-z, 0-9 and -, starting with a letter")
        groups[name] = decode(table, GroupSettings, path)
    return groups


def _modules(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise invalid(join("modules", name), "a table is expected")
    return dict(tables)
