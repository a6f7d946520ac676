"""What people hold tasks back with, as text: limits, paused channels, providers that were declared down.

They are no descriptors: the store keeps them beside the tasks that they hold. In text they look like some, as the kinds
``limit`` (named ``SCOPE:NAME``), ``pause`` (a channel) and ``outage`` (a provider). Each is changed by what its own
route does, and needs what that needs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from serai.api.desk import Desk
from serai.api.tasks_rules import RuleBody, owner_of
from serai.errors import ConflictError, DeniedError, InvalidError, NotFoundError
from serai.identity import Principal, Target, allowed, authorize
from serai.store.tasks import Rule, Scope
from serai.store.tasks_rules import check_rule
from serai.tasks import Tasks

Why = Annotated[str, Meta(max_length=500)]
#: Kind to the action that reads it, and the one that writes it.
ACTIONS = {
    "limit": ("limit.read", "limit.write"),
    "outage": ("provider.read", "provider.write"),
    "pause": ("channel.read", "channel.pause"),
}
MOST = 2000  # in one text
_LONGEST = 400  # characters of a name
_TARGETS = {"outage": "provider", "pause": "channel"}


class LimitText(RuleBody, frozen=True, kw_only=True):
    """A limit as text holds it."""

    why: Why = ""


class HoldText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pause or an outage as text holds it."""

    why: Why = ""


class Hold(msgspec.Struct, frozen=True):
    """One of them that is to change: fields as they are and as they will be, None for nothing."""

    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def key(self) -> str:
        """Return what it is known by within its tenant."""
        return f"{self.kind}/{self.name}"

    @property
    def version(self) -> int:
        """Return what differs where another one is there, 0 for nothing: the store gives them no versions."""
        return 0 if self.before is None else 1 + zlib.crc32(msgspec.json.encode(self.before, order="sorted"))

    @property
    def do(self) -> Literal["create", "change", "delete"]:
        """Return what becomes of it."""
        return "delete" if self.after is None else "change" if self.before is not None else "create"

    @property
    def fields(self) -> dict[str, Any]:
        """Return field to old and new value, where they differ."""
        old, new = self.before or {}, self.after or {}
        return {key: [old.get(key), new.get(key)] for key in {**old, **new} if old.get(key) != new.get(key)}


class Holds:
    """Read, plan and change them for one tenant ("": for the platform) on behalf of one principal."""

    def __init__(self, tasks: Tasks, desk: Desk, principal: Principal, tenant: str) -> None:
        self._tasks = tasks
        self._desk = desk
        self._principal = principal
        self._tenant = tenant

    async def exported(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return (kind, name, fields) of those that the asker may see."""
        return [
            (kind, name, fields)
            for (kind, name), fields in sorted((await self._found()).items())
            if allowed(self._principal, ACTIONS[kind][0], self._target(kind, name))[0]
        ]

    async def plan(self, wanted: Sequence[tuple[str, str, dict[str, Any]]], *, prune: bool) -> list[Hold]:
        """Return what is to change, by kind and name; with ``prune`` what the text does not name ends."""
        if len(wanted) > MOST:
            raise InvalidError(f"At most {MOST} limits, pauses and outages are applied at once.", path="items")
        there = await self._found()
        planned: dict[tuple[str, str], Hold] = {}
        for kind, name, spec in wanted:
            if (kind, name) in planned:
                raise InvalidError(f"{kind}/{name} is there twice.", path=f"{kind}/{name}")
            planned[kind, name] = Hold(kind, name, there.get((kind, name)), self._read(kind, name, spec))
        surplus = [Hold(*key, fields, None) for key, fields in there.items() if prune and key not in planned]
        changes = [one for one in (*planned.values(), *surplus) if one.before != one.after]
        for one in (*planned.values(), *surplus):
            self._authorize(one, writes=one in changes)
        return sorted(changes, key=lambda one: one.key)

    async def apply(self, changes: Iterable[Hold], why: str) -> None:
        """Change them, one after the other; to do it again does no harm."""
        who = self._principal.who
        for one in changes:
            fields = one.after or {}
            said = fields.get("why", "") if one.after is not None else why
            if one.kind == "limit":
                scope, name = _scope(one.name)
                rule = {key: value for key, value in fields.items() if key != "why"}
                await self._tasks.limit(who, scope, name, **rule, why=said)
            elif one.kind == "pause":
                await (
                    self._tasks.resume(who, one.name, said) if one.after is None
                    else self._tasks.pause(who, one.name, said)
                )  # fmt: skip
            elif one.after is None:
                await self._tasks.provider_up(who, one.name, said)
            else:
                await self._tasks.provider_down(who, one.name, said)

    async def _found(self) -> dict[tuple[str, str], dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for limit in await self._tasks.limits():
            found["limit", f"{limit.scope}:{limit.name}"] = _fields(limit.rule, limit.why)
        for pause in await self._tasks.pauses():
            found["pause", pause.channel] = _said(pause.why)
        for provider in await self._tasks.providers():
            if provider.declared and provider.state == "down":
                found["outage", provider.name] = _said(provider.why)
        return {key: fields for key, fields in found.items() if _owner(*key).tenant == self._tenant}

    def _read(self, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that a text means; `InvalidError` says where it means nothing."""
        try:
            return _meant(kind, name, spec, self._tenant)
        except msgspec.ValidationError as error:
            raise InvalidError(str(error)[:300], path=f"{kind}/{name}") from None
        except InvalidError as error:
            raise InvalidError(error.public, path=f"{kind}/{name}") from error

    def _authorize(self, one: Hold, *, writes: bool) -> None:
        reads, action = ACTIONS[one.kind]
        # Limits are the platform's people's to set, also those on what a tenant owns.
        asked = [(reads, self._target(one.kind, one.name))]
        if writes:
            asked.append((action, Target() if one.kind == "limit" else self._target(one.kind, one.name)))
        for needed, target in asked:
            try:
                authorize(self._principal, needed, target, self._desk.audit)
            except DeniedError as error:
                raise DeniedError(f"{one.key}: {error.public}", **error.fields) from error
            except NotFoundError as error:
                raise DeniedError(f"{one.key}: it is for the platform's people to set.", action=needed) from error

    def _target(self, kind: str, name: str) -> Target:
        owner = _owner(kind, name)
        if kind == "limit":
            return Target(tenant=owner.tenant)
        return msgspec.structs.replace(owner, kind=_TARGETS[kind], name=name[:256])


def check_expected(changes: Iterable[Hold], expect: Mapping[str, int] | None) -> None:
    """Raise `ConflictError` where they are not what a dry run has shown."""
    if expect is None:
        return
    found = {one.key: one.version for one in changes}
    wanted = {key: version for key, version in expect.items() if key.partition("/")[0] in ACTIONS}
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise ConflictError(f"{key} has changed since the dry run: look again.", path=key)


def _meant(kind: str, name: str, spec: Mapping[str, Any], tenant: str) -> dict[str, Any]:
    if not 0 < len(name) <= _LONGEST:
        raise InvalidError(f"A name has 1 to {_LONGEST} characters.")
    if _owner(kind, name).tenant != tenant:
        raise InvalidError("It belongs elsewhere: what is named TENANT/APP/NAME is the tenant's.")
    if kind != "limit":
        return _said(msgspec.convert(spec, HoldText).why)
    text = msgspec.convert(spec, LimitText)
    rule = Rule(most=text.most, rate=text.rate, per=text.per, burst=text.burst)
    if rule.most is None and rule.rate is None:
        raise InvalidError("A limit says most or rate.")
    check_rule(*_scope(name), rule)
    return _fields(rule, text.why)


def _owner(kind: str, name: str) -> Target:
    if kind == "limit":
        scope, called = _scope(name)
        return Target(tenant=called) if scope == "tenant" else owner_of(called)
    return owner_of(name)


def _scope(name: str) -> tuple[Scope, str]:
    """Return the scope and the name that a limit's name in text is made of."""
    scope, mark, called = name.partition(":")
    if not mark or scope not in {"tenant", "channel", "provider"}:
        raise InvalidError("A limit is named tenant:NAME, channel:NAME or provider:NAME.")
    return msgspec.convert(scope, Scope), called


def _fields(rule: Rule, why: str) -> dict[str, Any]:
    """Return what a limit's text holds: one that says the same twice says it in the same words."""
    fields: dict[str, Any] = {} if rule.most is None else {"most": rule.most}
    if rule.rate is not None:
        burst = max(1.0, rule.burst or rule.rate / rule.per)
        fields |= {"rate": float(rule.rate), "per": float(rule.per), "burst": float(burst)}
    return fields | _said(why)


def _said(why: str) -> dict[str, Any]:
    return {"why": why} if why else {}
