"""What every engine of the store understands: values that go in and out of it.

A descriptor's spec is a `Spec` subclass that its service declares; the store keeps it as MessagePack beside the
schema number it was written with. Nothing here touches a disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import msgspec

from serai.store.contract_tasks import Allowance, Backoff, Holding, NewTask, Verb

__all__ = [
    "NAME", "Allowance", "Backoff", "Change", "Committed", "Delete", "Holding", "NewTask", "Operation", "Put",
    "RawSpec", "Record", "Revision", "Seals", "Spec", "Transaction", "Verb",
]  # fmt: skip

# A name is what people type: it is safe in a path, a URL and a cgroup. A kind may narrow it, or widen it with its
# own NAME pattern (a route's name holds a host and a path).
NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z")


class Seals(Protocol):
    """What seals secrets for rest, each for what it is about."""

    def seal(self, plain: str, about: str) -> str:
        """Return a sealed text."""
        ...

    def unseal(self, sealed: str, about: str) -> str:
        """Return what was sealed about the same."""
        ...


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Declare what a kind of descriptor says.

    Subclasses set ``KIND`` and ``SCHEMA``, and give ``UPGRADERS``: schema number to a function that turns the plain
    dict of that schema into the next one's. Fields that a reader's code does not know yet survive its writes.
    ``PUBLIC`` kinds hold nothing to hide: workers that face the network may read them. A kind with an ``ACTION`` holds
    what few may see: whoever reads or writes it, or its past, needs that one instead of KIND.read and the like.
    ``HISTORY_DAYS`` is for kinds that machines write again and again: so long, and not as long as all else (None), is
    their past worth keeping.
    ``EXPORTED`` matches the names of what people want, and so write as text and carry elsewhere; what it does not match
    (None: nothing of the kind) the platform derives. So it does with the fields of ``DERIVED``, which begin like that.
    ``RETURNS``: once it is deleted, its last version brings it back; not so where it is more than that, or a secret.
    Nothing is written into a tenant that was deleted, but for kinds that ``OUTLIVES`` says do.
    ``TASKS`` is for kinds whose field ``tasks`` says how many tasks may wait (0: nothing of its own): of the app that
    has its name, or of all apps of the tenant that has.
    """

    KIND: ClassVar[str] = ""
    SCHEMA: ClassVar[int] = 1
    PUBLIC: ClassVar[bool] = False
    ACTION: ClassVar[str] = ""
    HISTORY_DAYS: ClassVar[float | None] = None
    UPGRADERS: ClassVar[dict[int, Any]] = {}
    NAME: ClassVar[re.Pattern[str]] = NAME
    EXPORTED: ClassVar[re.Pattern[str] | None] = None
    DERIVED: ClassVar[Mapping[str, Any]] = {}
    RETURNS: ClassVar[bool] = True
    OUTLIVES: ClassVar[bool] = False
    TASKS: ClassVar[Literal["", "app", "tenant"]] = ""

    @classmethod
    def derived(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG003 - for kinds where it depends
        """Return what the platform says itself of a descriptor with these fields, as it is in the beginning."""
        return cls.DERIVED

    def app_of(self, name: str) -> str:  # noqa: ARG002 - some kinds tell it by their name
        """Return the app of its tenant that a descriptor is about, "" for none."""
        return ""

    def needs(self, verb: Literal["write", "delete"]) -> tuple[str, ...]:
        """Return what somebody must be allowed who writes or deletes this among others, as text."""
        return (self.ACTION or f"{self.KIND}.{verb}",)

    def check(self) -> None:
        """Refuse what types can't tell; `InvalidError` with ``path``. Asked where people write a spec, never on a read.

        What is stored may be older than a rule, and must stay readable.
        """

    def at_rest(self, seals: Seals, tenant: str, name: str, before: Spec | None) -> Spec:  # noqa: ARG002 - for kinds with secrets
        """Return what is written where people wrote this over ``before``: itself, unless the kind holds secrets."""
        return self

    @classmethod
    def hidden(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return stored fields, or some of them, as people may see them: secrets sealed, or not at all."""
        return fields


class RawSpec(Spec, frozen=True, kw_only=True):
    """Stand in for the spec of a kind that this code does not know; the fields are in the record's ``raw``."""


S = TypeVar("S", bound=Spec)


class Record(msgspec.Struct, Generic[S], frozen=True):
    """A descriptor as it was read: its key, its version, its spec.

    ``version`` starts at 1 and grows by one with each write of this key, also across a delete. ``change`` is the
    number of the change that wrote it. ``stored`` is the spec as it was read, in MessagePack; ``raw`` decodes it.
    """

    kind: str
    tenant: str
    name: str
    version: int
    change: int
    spec: S
    stored: bytes = b"\x80"  # an empty map

    @property
    def raw(self) -> dict[str, Any]:
        """Return the stored fields, those unknown to this code included; a look-up on a hot path does not pay."""
        found: dict[str, Any] = msgspec.msgpack.decode(self.stored)
        return found


class Change(msgspec.Struct, frozen=True):
    """One entry of the gap-free, ordered change feed; ``spec`` is the stored MessagePack, or None for a delete.

    ``mark`` digests this entry and all before it: two stores that agree on the mark of a number have the same past.
    """

    number: int
    kind: str
    tenant: str
    name: str
    version: int
    schema: int
    spec: bytes | None
    mark: int = 0


class Revision(msgspec.Struct, frozen=True):
    """One line of a descriptor's history: who, when (seconds since the epoch), what, why."""

    change: int
    version: int
    who: str
    when: float
    why: str
    deleted: bool
    schema: int
    spec: dict[str, Any] | None


class Put(msgspec.Struct, frozen=True):
    """Write a descriptor. ``expect``: None for any, 0 for «must not exist», N for «must be at version N»."""

    tenant: str
    name: str
    spec: Spec
    expect: int | None = None


class Delete(msgspec.Struct, frozen=True):
    """Remove a descriptor; its history stays. Deleting what is not there is `NotFoundError`."""

    kind: str
    tenant: str
    name: str
    expect: int | None = None


Operation = Put | Delete | NewTask | Holding


class Transaction(msgspec.Struct, frozen=True):
    """All or nothing: descriptors and the tasks that they cause, with who did it and why.

    Where one of its tasks were more than ``allowances`` let wait, it is refused: `ExhaustedError`. Tasks that no
    allowance is about are not bounded.
    """

    who: str
    why: str
    operations: tuple[Operation, ...]
    allowances: tuple[Allowance, ...] = ()


class Committed(msgspec.Struct, frozen=True):
    """What a transaction became: a change number and a version for each Put and Delete, an ID for each task."""

    changes: list[int]
    tasks: list[str]
    versions: list[int]
