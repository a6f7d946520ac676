"""The kinds of descriptor that the services bring, and how text becomes one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from serai.cloud.descriptors import Host, Instance, Route
from serai.daemon.service import Service, load
from serai.errors import InvalidError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import OPEN_KINDS
from serai.store import Spec

#: Kinds of the house itself; each service names its own in its manifest.
HOUSE: tuple[type[Spec], ...] = (Tenant, Host, Instance, Route, *OPEN_KINDS)

MAX_SPEC = 256 * 1024  # octets of one descriptor as JSON


class Kinds:
    """Every kind by its name."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._kinds = {kind.KIND: kind for kind in HOUSE}
        for service in services:
            if service.kinds:
                self._kinds |= {kind.KIND: kind for kind in load(service.kinds)}

    def __iter__(self) -> Iterator[type[Spec]]:
        return iter(self._kinds.values())

    def get(self, name: str) -> type[Spec]:
        """Return a kind, or raise `NotFoundError`."""
        try:
            return self._kinds[name]
        except KeyError:
            raise NotFoundError("There is no such kind of descriptor.", kind=name[:64]) from None

    def action(self, name: str, action: str) -> str:
        """Return what a route's ``action`` (``{kind}.read``) asks for where the path names this kind."""
        if "{kind}" not in action:
            return action
        kind = self._kinds.get(name)
        return kind.ACTION if kind is not None and kind.ACTION else action.replace("{kind}", name)


def check_name(kind: type[Spec], name: str) -> str:
    """Return a name that the kind allows, or raise `InvalidError`."""
    if not kind.NAME.fullmatch(name):
        raise InvalidError(f"That is not a name for a {kind.KIND}.", path="name")
    return name


def decode(kind: type[Spec], body: bytes) -> Spec:
    """Turn JSON into a spec, strictly: wrong types, unknown fields and what is too large are `InvalidError`."""
    return convert(kind, parse(body))


def parse(body: bytes) -> dict[str, Any]:
    """Turn JSON into an object."""
    if len(body) > MAX_SPEC:
        raise InvalidError(f"A descriptor has at most {MAX_SPEC} octets.", path="$")
    try:
        value = msgspec.json.decode(body, type=dict[str, Any])
    except RecursionError:
        raise InvalidError("The body is nested too deeply.", path="$") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidError(f"The body is not a JSON object: {error}.", path="$") from None
    return value


def convert(kind: type[Spec], value: Mapping[str, Any]) -> Spec:
    """Turn plain data into a spec, strictly."""
    try:
        spec = msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        message, _, path = str(error).partition(" - at ")
        raise InvalidError(f"{message}.", path=path.strip("`") or "$") from None
    refuse_unknown(value, msgspec.to_builtins(spec), "$")
    spec.check()
    return spec


def refuse_unknown(given: Any, understood: Any, path: str) -> None:
    """Raise `InvalidError` for a key that was given and not understood.

    Specs keep what a newer writer's fields say when they are read; what people send must be all understood.
    """
    if isinstance(given, Mapping) and isinstance(understood, Mapping):
        for key, value in given.items():
            if key not in understood:
                raise InvalidError("There is no such field.", path=f"{path}.{key}"[:200])
            refuse_unknown(value, understood[key], f"{path}.{key}")
    elif isinstance(given, (list, tuple)) and isinstance(understood, (list, tuple)):
        for index, pair in enumerate(zip(given, understood, strict=False)):
            refuse_unknown(*pair, f"{path}[{index}]")


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396 section 2): null removes, objects merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
