"""How runs end: a result, an error that is repeated or final, a cancel, a hand-back; as the store is told."""

from __future__ import annotations

import random
import traceback
from typing import Any

import msgspec

from serai.errors import DeadlineError, InternalError, NotFoundError, SeraiError, UnavailableError
from serai.store.tasks import Finish, Task
from serai.store.tasks_rules import encode, failure, keepable
from serai.tasks.function import TaskFunction
from serai.tasks.reason import Stop

#: What a second run can't change.
_FINAL_CODES = frozenset({"invalid", "denied", "not_found", "already_exists", "unsupported"})
_TRACE_LINES = 30
_TRACE_CHARACTERS = 6000
_NAME = 400  # characters of a provider
#: Why a run that was told to stop as its bot drains goes back.
DRAINED = "handed back: its bot is shutting down"
_jitter = random.SystemRandom()


class FailedError(SeraiError):
    """An isolated function failed; ``blob`` is what `describe` said of the error in the process where it was raised."""

    def __init__(self, blob: dict[str, str]) -> None:
        super().__init__(blob["public"])
        self.blob = blob


class EscapedError(InternalError):
    """A function raised what would have ended the bot: SystemExit, KeyboardInterrupt or the like."""


class KilledError(InternalError):
    """A function's process was killed, as it did not stop when it was told to."""


class ParkedError(NotFoundError):
    """Nobody knows the function yet: its task waits until somebody says that this may have changed."""


def done(task: Task, result: Any) -> Finish:
    """Keep a result; `InvalidError` where it is no data or too large."""
    if result is None:
        return Finish(number=task.number, run=task.run, state="done")
    return Finish(number=task.number, run=task.run, state="done", outcome=encode(result, "result"))


def canceled(task: Task, why: str = "it stopped when it was asked to") -> Finish:
    """Say that it cleaned up, or was made to stop."""
    return Finish(number=task.number, run=task.run, state="canceled", why=why)


def back(task: Task, why: str) -> Finish:
    """Hand a task back; a bot runs it again, and no retry is burned."""
    return Finish(number=task.number, run=task.run, state="to_do", why=why)


def parked(task: Task, why: str) -> Finish:
    """Hand a task back until a bot comes that knows its function."""
    said = keepable(why)
    error = failure("not_found", said)
    return Finish(number=task.number, run=task.run, state="to_do", why=f"parked: {said}", error=error, park=True)


def failed(task: Task, function: TaskFunction | None, error: BaseException, now: float, *, final: bool) -> Finish:
    """Repeat a run, wait for its provider, or give up.

    An unexpected error's traceback goes into the story, an expected one comes without.
    ``final``: it is not to be repeated, whatever its retries.
    """
    if not final and isinstance(error, ParkedError):
        return parked(task, error.public)
    blob = describe(error)
    why = f"{blob['code']}: {blob['public']}\n{blob['trace']}".strip()
    packed = msgspec.msgpack.encode(blob)
    if not final and (provider := _provider(error)):
        down = f"its provider {provider} is down; {why}"
        return Finish(number=task.number, run=task.run, state="to_do", why=down, error=packed, provider=provider)
    if final or function is None or blob["code"] in _FINAL_CODES or task.failures >= task.retries:
        return Finish(number=task.number, run=task.run, state="error", why=why, error=packed)
    chance = _jitter.random()
    own = task.backoff
    delay = own.delay(task.failures, chance) if own else function.delay(task.failures, chance)
    return Finish(
        number=task.number,
        run=task.run,
        state="to_do",
        why=f"retry {task.failures + 1} of {task.retries} in {delay:.1f} s; {why}",
        error=packed,
        not_before=now + delay,
        burn=True,
    )


def broken(task: Task, bug: BaseException) -> Finish:
    """Say that it can't be told how a run ended; it is not repeated, as that would not be told either."""
    why = keepable(f"How it ended can't be told: {type(bug).__name__}: {_text(bug)}"[:_TRACE_CHARACTERS])
    return Finish(number=task.number, run=task.run, state="error", why=why, error=failure("internal", why))


def stuck(task: Task, function: TaskFunction | None, reason: Stop, seconds: float, now: float) -> Finish:
    """Say that only the end of the bot's process ends this run."""
    why = f"it did not stop within {seconds:g} s; its bot's process is ended"
    if reason == "cancel":
        return canceled(task, why)
    if reason == "late":
        return failed(task, function, overdue(task, f"; {why}"), now, final=False)
    return back(task, why)


def describe(error: BaseException) -> dict[str, str]:
    """Return an error's code, its text for people, where it came from, and which provider is down."""
    return {key: keepable(text) for key, text in _described(error).items()}


def _described(error: BaseException) -> dict[str, str]:
    if isinstance(error, FailedError):
        return dict(error.blob)
    if isinstance(error, SeraiError):
        trace = _tail(error) if error.code == "internal" and not isinstance(error, KilledError) else ""
        blob = {"code": error.code, "public": error.public[:_TRACE_CHARACTERS], "trace": trace}
        return blob | {"provider": provider} if (provider := _provider(error)) else blob
    public = f"{type(error).__name__}: {_text(error)}"
    return {"code": "internal", "public": public[:_TRACE_CHARACTERS], "trace": _tail(error)}


def _provider(error: BaseException) -> str:
    """Return the provider that is down, where an `UnavailableError` names it as its field ``provider``."""
    if isinstance(error, FailedError):
        return keepable(str(error.blob.get("provider", "")))
    return keepable(str(error.fields.get("provider", "")))[:_NAME] if isinstance(error, UnavailableError) else ""


def escaped(error: BaseException) -> EscapedError:
    """Return the error for something raised that no function should let pass."""
    return EscapedError(f"The function raised {type(error).__name__}: {_text(error)}")


def overdue(task: Task, more: str = "") -> DeadlineError:
    """Return the error of a run beyond its deadline."""
    return DeadlineError(f"The task ran longer than its {task.deadline:g} s{more}.")


def cancelled_itself() -> InternalError:
    """Return the error of a function that nobody asked to stop, but that did."""
    return InternalError("The function cancelled itself.")


def not_loaded(task: Task, error: BaseException) -> BaseException:
    """Return the error of a task whose function's module can't be imported."""
    trace = "".join(traceback.format_exception(error)[-5:])
    return FailedError(
        {
            "code": "internal",
            "public": f"{task.function} can't be loaded: {error!r}",
            "trace": trace[-_TRACE_CHARACTERS:],
        }
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 - a function's own exception class may do anything
        return f"(its text raised {type(worse).__name__})"


def _tail(error: BaseException) -> str:
    try:
        lines = "".join(traceback.format_exception(error)).splitlines()
    except Exception as worse:  # noqa: BLE001 - as above
        return f"(its traceback raised {type(worse).__name__})"
    return "\n".join(lines[-_TRACE_LINES:])[-_TRACE_CHARACTERS:]
