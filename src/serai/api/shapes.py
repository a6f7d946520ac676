"""Descriptors as the API shows them: without what is nobody's to see."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from serai.store import Record, Spec
from serai.store.contract import Revision


class Descriptor(msgspec.Struct, frozen=True):
    """A descriptor as the API shows it."""

    kind: str
    tenant: str
    name: str
    version: int
    change: int
    spec: Annotated[Any, msgspec.Meta(extra_json_schema={"type": "object"})]


class Page(msgspec.Struct, frozen=True):
    """One page of a list; ``next`` goes into ``after`` of the next one, and is empty on the last."""

    items: list[Descriptor]
    next: str = ""


class Line(msgspec.Struct, frozen=True):
    """One line of a history; times in seconds since the epoch."""

    change: int
    version: int
    who: str
    when: float
    why: str
    deleted: bool
    spec: dict[str, Any] | None


class History(msgspec.Struct, frozen=True):
    """A descriptor's revisions, newest first."""

    items: list[Line]


class Difference(msgspec.Struct, frozen=True):
    """Field to its old and its new value, for those that differ."""

    old: int
    new: int
    fields: dict[str, Any]


class Written(msgspec.Struct, frozen=True):
    """What a write came to."""

    change: int


def _hides(kind: type[Spec]) -> bool:
    return any("hidden" in vars(one) for one in kind.__mro__ if one is not Spec)


def show(record: Record[Any]) -> Descriptor:
    """Return a record as the API shows it."""
    kind = type(record.spec)
    spec = dict(kind.hidden(msgspec.to_builtins(record.spec))) if _hides(kind) else record.spec
    return Descriptor(record.kind, record.tenant, record.name, record.version, record.change, spec)


def line(kind: type[Spec], one: Revision) -> Line:
    """Return a revision as the API shows it."""
    spec = None if one.spec is None else dict(kind.hidden(one.spec))
    return Line(one.change, one.version, one.who, one.when, one.why, one.deleted, spec)
