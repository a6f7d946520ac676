"""What moves of tasks mean, for every engine: which state a finish leads to, what a bot has room for, what is kept."""

from __future__ import annotations

import secrets
import time
from typing import Any, Literal

import msgspec

from serai.errors import InternalError, InvalidError
from serai.store.contract import Backoff, NewTask
from serai.store.tasks import MAX_AFTER, MAX_AT_ONCE, MAX_PAYLOAD, TRANSITIONS, Finish, Rule, Scope, State, Want

_BOUNDS = {
    "deadline": (0.001, 30 * 86400.0),
    "retries": (0, 10_000),
    "priority": (-1000, 1000),
    "not_before": (0.0, 1e11),
    "expires": (0.0, 1e11),
}
_OTHERWISE: dict[tuple[str, str], State] = {
    ("to_cancel", "to_do"): "canceled",
    ("is_processing", "canceled"): "to_do",
}
_MAX_NAME = 400  # characters of a scope's name
_MAX_RATE = 1e9


def new_id(now: float | None = None) -> str:
    """Return a UUIDv7 (RFC 9562, section 5.7): sorts by time of creation."""
    milliseconds = int((time.time() if now is None else now) * 1000) & ((1 << 48) - 1)
    chance = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (chance >> 62) << 64 | 0b10 << 62 | chance & ((1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def settle(state: str, finish: Finish) -> State:
    """Return the state that a finish leads to.

    A hand-back of what is to be cancelled cancels it. What was stopped for a wish that was about an earlier run of it,
    and came late, is handed back.
    """
    new = _OTHERWISE.get((state, finish.state), finish.state)
    if "bot" not in TRANSITIONS.get((state, new), frozenset()):
        raise InternalError(f"no bot moves a task from {state} to {new}")
    return new


def arguments_of(task: NewTask) -> bytes:
    """Encode a task's arguments, or raise `InvalidError`."""
    payload = encode(task.arguments, "arguments")
    if not task.function or not task.queue:
        raise InvalidError("A task has a function and a queue.", path="function")
    for path, (low, high) in _BOUNDS.items():
        if not low <= getattr(task, path) <= high:  # NaN is within no bounds
            raise InvalidError(f"A task's {path} is from {low} to {high}.", path=path)
    if len(task.after) > MAX_AFTER or len(set(task.after)) < len(task.after):
        raise InvalidError(f"A task comes after at most {MAX_AFTER} others, each named once.", path="after")
    if task.backoff is not None:
        _check_backoff(task.backoff)
    return payload


def check_rule(scope: Scope, name: str, rule: Rule) -> None:
    """Raise `InvalidError` for a limit that means nothing."""
    if scope not in {"tenant", "channel", "provider"} or len(name) > _MAX_NAME or not (name or scope == "tenant"):
        raise InvalidError("A limit is for a tenant, a channel or a provider, by its name.", path="name")
    widest = MAX_AT_ONCE if scope == "channel" else 1_000_000
    if rule.most is not None and not 1 <= rule.most <= widest:
        raise InvalidError(f"A limit of a {scope} is from 1 to {widest} at once.", path="most")
    if rule.rate is not None and not 0 < rule.rate <= _MAX_RATE:
        raise InvalidError("A rate is more than 0.", path="rate")
    if not 0.001 <= rule.per <= 30 * 86400.0 or not 0 <= rule.burst <= _MAX_RATE:
        raise InvalidError("A rate is per some seconds, at most 30 days.", path="per")


def failure(code: str, public: str) -> bytes:
    """Encode an error that no function raised."""
    return msgspec.msgpack.encode({"code": code, "public": public, "trace": ""})


def keepable(text: str) -> str:
    """Return a text as every engine takes it: names of files that are no UTF-8 come as halves of characters."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def encode(value: Any, path: str) -> bytes:
    """Encode what a task keeps, or raise `InvalidError` where it is no data or too large."""
    try:
        payload = msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidError(f"A task's {path} must be data.", path=path) from error
    if len(payload) > MAX_PAYLOAD:
        raise InvalidError(f"A task's {path}: at most {MAX_PAYLOAD} octets.", path=path, octets=len(payload))
    return payload


def _check_backoff(backoff: Backoff) -> None:
    whole = 0 <= backoff.first <= backoff.longest <= 30 * 86400.0
    if not (whole and 1 <= backoff.factor <= 1000 and 0 <= backoff.jitter <= 1):
        raise InvalidError("A back-off grows from first to longest (30 days), with a jitter of 0 to 1.", path="backoff")


def admit(function: str, want: Want, slots: int, batch: int) -> Literal["slot", "batch", ""]:
    """Say what a bot would run a ready task in, given what is left of its slots and its batch."""
    if function in want.short:
        return "batch" if batch else ""
    return "slot" if slots else ""
