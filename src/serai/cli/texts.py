"""Descriptors as text: TOML, a table for each by tenant, kind and name, in a stable order.

    FORMAT = 1

    [demo.app.shop]
    scale = {web = 2}

The tenant ``-`` is the platform itself. Fields that are not named are as they would be anyway.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit

from serai.errors import InvalidError, NotFoundError

FORMAT = 1
SUFFIX = ".toml"
MAX_FILE = 8 << 20  # octets
MAX_FILES = 1000
MAX_DEPTH = 64

#: Tenant to kind to name to spec.
Wanted = dict[str, dict[str, dict[str, Any]]]


def render(tenants: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> str:
    """Return the text of exports: (tenant, items) each."""
    parts = [f"FORMAT = {FORMAT}\n"]
    for tenant, items in sorted(tenants, key=lambda one: one[0] or "-"):
        for item in sorted(items, key=lambda one: (one["kind"], one["name"])):
            head = ".".join(_key(part) for part in (tenant or "-", item["kind"], item["name"]))
            lines = [f"{_key(name)} = {_value(value)}\n" for name, value in item["spec"].items()]
            parts.append(f"\n[{head}]\n{''.join(lines)}")
    return "".join(parts)


def read(path: Path) -> Wanted:
    """Return what a file, or all ``*.toml`` of a folder, say together; errors name the file and the place."""
    if _is_folder(path):
        files = sorted(one for one in path.rglob(f"*{SUFFIX}") if one.is_file() and not _hidden(one, path))
        if not files:
            raise NotFoundError(f"There is no file *{SUFFIX} in {path}.")
        if len(files) > MAX_FILES:
            raise InvalidError(f"At most {MAX_FILES} files are read.", path=str(path))
    else:
        files = [path]
    found: Wanted = {}
    origin: dict[tuple[str, str, str], Path] = {}
    for file in files:
        for key, spec in parse(_text(file), str(file)):
            if key in origin:
                raise InvalidError(f"{'.'.join(key)} is in {origin[key]} already.", path=str(file))
            origin[key] = file
            tenant, kind, name = key
            found.setdefault(tenant, {}).setdefault(kind, {})[name] = spec
    return found


def parse(text: str, source: str) -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    """Yield ((tenant, kind, name), spec) of a text; `InvalidError` says where in ``source``."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidError(f"{source}: {error}") from None
    if tables.pop("FORMAT", FORMAT) != FORMAT:
        raise InvalidError(f"{source}: FORMAT is {FORMAT} here.", path="FORMAT")
    for tenant, kinds in tables.items():
        for kind, names in _table(kinds, source, tenant).items():
            for name, spec in _table(names, source, f"{tenant}.{kind}").items():
                where = f"{tenant}.{kind}.{name}"
                _check(_table(spec, source, where), source, where, 0)
                yield (tenant, kind, name), spec


def _table(value: Any, source: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidError(f"{source}: {where[:200]} is not a table: it goes [TENANT.KIND.NAME].")
    return value


def _check(value: Any, source: str, where: str, depth: int) -> None:
    """Refuse what TOML can say and no descriptor holds."""
    if depth > MAX_DEPTH:
        raise InvalidError(f"{source}: {where[:200]} is nested too deeply.")
    if isinstance(value, dict):
        for key, one in value.items():
            _check(one, source, f"{where}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _check(one, source, f"{where}[{index}]", depth + 1)
    elif not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidError(f"{source}: {where[:200]} is a value that no descriptor holds.")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE:
            raise InvalidError(f"A file has at most {MAX_FILE >> 20} MiB.", path=str(file))
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"There is no {file}.") from None
    except (OSError, ValueError) as error:  # no text, or no path
        raise InvalidError(f"{file} can't be read: {error}.") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long
        raise InvalidError("That is no path.", path="file") from None


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _key(text: str) -> str:
    return tomlkit.key(text).as_string() if text else '""'


def _value(value: Any) -> str:
    return str(_item(value).as_string())


def _item(value: Any) -> Any:
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key in sorted(value):
            if value[key] is not None:
                table.add(key, _item(value[key]))
        return table
    if isinstance(value, (list, tuple)):
        array = tomlkit.array()
        array.extend(_item(one) for one in value)
        return array
    return tomlkit.item(value)
