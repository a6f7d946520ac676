"""The limits of everything that comes into the store, and the errors that name what is beyond them."""

from __future__ import annotations

import re

from serai.errors import InvalidError
from serai.store import codec
from serai.store.contract import NAME, Delete, Holding, NewTask, Operation, Put, RawSpec, Spec, Transaction
from serai.store.driver import Batch, DeleteRow, PutRow
from serai.store.tasks_rules import arguments_of, check_rule

#: Octets. Kind, tenant and name together are a key of the replica, whose engine takes at most 511.
MAX_KIND, MAX_TENANT, MAX_NAME = 40, 63, 400
MAX_WHO, MAX_WHY = 256, 4096
MAX_OPERATIONS = 10_000
MAX_LIMIT = 10_000
#: The largest integer of the engines.
MAX_NUMBER = (1 << 63) - 1

#: The kind of the record that a tenant lives by, under its own name.
TENANT = "tenant"

_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,39}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def kind_name(kind: type[Spec] | str) -> str:
    """Return a kind's name, or raise `InvalidError`."""
    name = kind if isinstance(kind, str) else kind.KIND
    if not _KIND.fullmatch(name):
        raise InvalidError(f"{_short(name)} is not the name of a kind", path="kind")
    return name


def key(kind: type[Spec] | str, tenant: str, name: str) -> tuple[str, str, str]:
    """Return (kind, tenant, name), or raise `InvalidError` for what can't be a key of this kind."""
    checked = kind_name(kind)
    check_tenant(tenant)
    pattern = NAME if isinstance(kind, str) else kind.NAME
    fits = isinstance(name, str) and len(name) <= MAX_NAME and name.isascii()
    if isinstance(kind, str) or issubclass(kind, RawSpec):
        fits = fits and bool(name) and not _CONTROL.search(name)
    elif fits:
        fits = bool(pattern.fullmatch(name)) and not _CONTROL.search(name)
    if not fits:
        raise InvalidError(f"{_short(name)} is not a name of kind {checked}", path="name")
    return checked, tenant, name


def check_tenant(tenant: str) -> None:
    """Raise `InvalidError` for what is neither a tenant's name nor "" (the platform)."""
    if not isinstance(tenant, str) or (tenant and not NAME.fullmatch(tenant)):
        raise InvalidError(f"{_short(tenant)} is not the name of a tenant", path="tenant")


def check_text(value: str, field: str, most: int, *, control: bool = False) -> None:
    """Raise `InvalidError` for text that is too long or holds what can't be stored (or shown, unless ``control``)."""
    bad = _UNSTORABLE if control else _CONTROL
    if not isinstance(value, str) or len(value) > most or bad.search(value):
        raise InvalidError(f"{field}: {_short(value)} has characters that are not allowed, or over {most}", path=field)


def check_number(value: int, field: str, least: int = 0, most: int = MAX_NUMBER) -> None:
    """Raise `InvalidError` for a number out of bounds."""
    if not isinstance(value, int) or not least <= value <= most:
        raise InvalidError(f"{field} is not in {least} to {most}", path=field)


def position(after: str) -> tuple[str, str]:
    """Return "tenant/name" as a pair; names may hold slashes, tenants don't."""
    check_text(after, "after", MAX_TENANT + 1 + MAX_NAME)
    tenant, slash, name = after.partition("/")
    if after and not slash:
        raise InvalidError(f"after: {_short(after)} is not «tenant/name»", path="after")
    return tenant, name


def batch(transaction: Transaction, when: float) -> Batch:
    """Return a transaction as an engine takes it, all of it validated and encoded."""
    check_text(transaction.who, "who", MAX_WHO)
    check_text(transaction.why, "why", MAX_WHY, control=True)
    if not transaction.who:
        raise InvalidError("who: a change needs one who made it", path="who")
    if not 0 < len(transaction.operations) <= MAX_OPERATIONS:
        raise InvalidError(f"a transaction has 1 to {MAX_OPERATIONS} operations", path="operations")
    operations = tuple(_operation(operation) for operation in transaction.operations)
    owners = {one.tenant for one in transaction.operations if isinstance(one, Put) and not one.spec.OUTLIVES} - {""}
    living = tuple((TENANT, owner, owner) for owner in sorted(owners))
    return Batch(transaction.who, transaction.why, when, operations, living, transaction.allowances)


def _operation(operation: Operation) -> PutRow | DeleteRow | NewTask | Holding:
    if isinstance(operation, NewTask):
        _check_task(operation)
        return operation
    if isinstance(operation, Holding):
        check_text(operation.name, "name", MAX_NAME)
        if operation.verb == "limit":
            check_rule(operation.scope, operation.name, operation.rule)
        return operation
    if operation.expect is not None:
        check_number(operation.expect, "expect")
    if isinstance(operation, Delete):
        return DeleteRow(*key(operation.kind, operation.tenant, operation.name), operation.expect)
    return _put(operation)


def _put(operation: Put) -> PutRow:
    kind = type(operation.spec)
    if issubclass(kind, RawSpec):
        raise InvalidError("a descriptor of an unknown kind can be read, not written", path="kind")
    where = key(kind, operation.tenant, operation.name)
    return PutRow(*where, kind.SCHEMA, codec.encode(operation.spec), codec.known(kind), operation.expect)


def _check_task(task: NewTask) -> None:
    for field in ("function", "app", "queue", "channel", "provider", "key", "parent", "id"):
        check_text(getattr(task, field), field, 256)
    check_tenant(task.tenant)
    arguments_of(task)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
