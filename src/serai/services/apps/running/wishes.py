"""What an application wants to have done, as it says it, and the task that this becomes.

Names that an application gives (channel, provider, key) are its own: in the store they carry the application's name
before them, so that they meet nobody else's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from serai.errors import InvalidError
from serai.store.contract import Backoff, NewTask

#: ``package.module:function`` or ``module:Class.method``.
FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z", re.ASCII)
MAX_ITEMS = 1000  # tasks of one transaction
MAX_DEADLINE = 86400.0  # seconds
LISTED = 200  # characters of a function's name
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._+-]")

Name = Annotated[str, Meta(max_length=200)]
Key = Annotated[str, Meta(max_length=200)]
Identity = Annotated[str, Meta(max_length=64)]
Word = Annotated[str, Meta(max_length=8192)]


class Work(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a task's row holds as its arguments; of ``call`` and ``argv`` one is set. ``release`` 0 is the live one."""

    call: str = ""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    argv: tuple[str, ...] = ()
    arguments: Any = None
    release: int = 0


class Repeat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait before a failed run is repeated: ``first`` seconds, times ``factor`` each time."""

    first: Annotated[float, Meta(ge=0, le=86400)] = 2.0
    factor: Annotated[float, Meta(ge=1, le=100)] = 2.0
    longest: Annotated[float, Meta(ge=0, le=86400)] = 600.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task as an application asks for it: see docs/tasks.md and `NewTask`. ``delay`` is in seconds from now."""

    call: Annotated[str, Meta(max_length=LISTED)] = ""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    argv: Annotated[tuple[Word, ...], Meta(max_length=256)] = ()
    arguments: Any = None
    release: Annotated[int, Meta(ge=0, le=999_999_999)] = 0
    channel: Name = ""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    delay: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    not_before: Annotated[float, Meta(ge=0, le=1e11)] = 0.0
    deadline: Annotated[float, Meta(gt=0, le=MAX_DEADLINE)] = 600.0
    retries: Annotated[int, Meta(ge=0, le=1000)] = 0
    provider: Name = ""
    key: Key = ""
    unique: Literal["ever", "live", "waiting"] = "ever"
    expires: Annotated[float, Meta(ge=0, le=1e11)] = 0.0
    backoff: Repeat | None = None
    after: Annotated[tuple[Identity, ...], Meta(max_length=MAX_ITEMS)] = ()
    on_error: Literal["fail", "run"] = "fail"
    parent: Annotated[str, Meta(max_length=64)] = ""


class Wishes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several tasks, enqueued together or not at all."""

    items: Annotated[list[Wish], Meta(min_length=1, max_length=MAX_ITEMS)]


class Owner(msgspec.Struct, frozen=True):
    """Whose work it is, and on which host it runs."""

    tenant: str
    app: str
    host: str

    @property
    def prefix(self) -> str:
        """Return what stands before the names of its channels, providers and keys."""
        return f"{self.tenant}/{self.app}/"

    def own(self, name: str) -> str:
        """Return a name of the application's as the store keeps it."""
        return f"{self.prefix}{name}" if name else ""

    def plain(self, name: str) -> str:
        """Return a name as the application knows it."""
        return name.removeprefix(self.prefix)


def queue_of(host: str) -> str:
    """Return the queue of the bot that runs applications' tasks on a host."""
    return f"work:{host}"


def new_task(wish: Wish, owner: Owner, now: float) -> NewTask:
    """Return the task that a wish becomes, or raise `InvalidError`."""
    check(wish)
    work = Work(
        call=wish.call, args=wish.args, kwargs=wish.kwargs, argv=wish.argv, arguments=wish.arguments,
        release=wish.release,
    )  # fmt: skip
    return NewTask(
        function=listed(wish.call, wish.argv),
        arguments=msgspec.to_builtins(work),
        tenant=owner.tenant,
        app=owner.app,
        queue=queue_of(owner.host),
        channel=owner.own(wish.channel),
        priority=wish.priority,
        not_before=max(wish.not_before, now + wish.delay if wish.delay else 0.0),
        deadline=wish.deadline,
        retries=wish.retries,
        provider=owner.own(wish.provider),
        key=owner.own(wish.key),
        parent=wish.parent,
        unique=wish.unique,
        expires=wish.expires,
        backoff=backoff_of(wish.backoff),
        after=wish.after,
        on_error=wish.on_error,
    )


def backoff_of(repeat: Repeat | None) -> Backoff | None:
    """Return a back-off as the store keeps it."""
    return None if repeat is None else Backoff(**msgspec.structs.asdict(repeat))


def check(wish: Wish) -> None:
    """Refuse what no runner could run."""
    if bool(wish.call) == bool(wish.argv):
        raise InvalidError("A task has either call (module:function) or argv (a command).", path="call")
    if wish.call and not FUNCTION.match(wish.call):
        raise InvalidError("A function is named as module:function.", path="call")
    if wish.argv and (not wish.argv[0] or any("\0" in word for word in wish.argv)):
        raise InvalidError("A command's words hold no NUL, and the first is its program.", path="argv")
    if wish.call and wish.arguments is not None:
        raise InvalidError("A function takes args and kwargs; arguments are a command's.", path="arguments")
    if wish.argv and (wish.args or wish.kwargs):
        raise InvalidError("A command takes arguments; args and kwargs are a function's.", path="args")


def listed(call: str, argv: tuple[str, ...]) -> str:
    """Return what lists show as the function: ``module:function``, or ``exec:PROGRAM``; both hold a colon."""
    return call or f"exec:{_NOT_IN_NAMES.sub('_', PurePosixPath(argv[0]).name)[:100]}"


def decode(body: bytes) -> tuple[Wish, ...]:
    """Return the wishes of ``{"items": […]}`` or of a single one, or raise `InvalidError`."""
    plain = parse(body)
    items = plain["items"] if isinstance(plain.get("items"), list) and len(plain) == 1 else [plain]
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidError(f"From 1 to {MAX_ITEMS} tasks can be enqueued at once.", path="items")
    return tuple(convert(item, f"items[{index}]") for index, item in enumerate(items))


def parse(body: bytes) -> dict[str, Any]:
    """Turn a body into an object, or raise `InvalidError`."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except RecursionError:
        raise InvalidError("The body is nested too deeply.", path="$") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidError(f"The body is not a JSON object: {error}.", path="$") from None


def convert(value: Any, where: str) -> Wish:
    """Turn plain data into a wish, strictly."""
    try:
        return msgspec.convert(value, Wish)
    except (msgspec.ValidationError, RecursionError) as error:
        message, _, path = str(error).partition(" - at ")
        raise InvalidError(f"{message}.", path=where + path.strip("`").removeprefix("$")) from None


def arguments_of(plain: Mapping[str, Any]) -> Work:
    """Return what a task's row says."""
    return msgspec.convert(plain, Work)
