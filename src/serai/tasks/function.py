"""Functions that tasks name: declared by a decorator, found by the manifests, loaded when the first task needs them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Protocol, get_type_hints

import msgspec

from serai.errors import InternalError, InvalidError, NotFoundError
from serai.store.contract import Backoff, NewTask
from serai.tasks.context import TaskContext

Run = Callable[[TaskContext, Any], Awaitable[Any] | Any]
_PARAMETERS = 2
#: Octets of data that an isolated function's process may have, where its declaration says nothing else.
MEMORY = 1 << 30
#: Two seconds, doubled each time up to ten minutes, and up to a half less by chance.
BACKOFF = Backoff()
#: What is registered under this name runs all tasks whose name has a colon: those of tenants' applications.
APPLICATIONS = "*:*"


class Manifest(Protocol):
    """What of a service's manifest counts here: names of task functions to ``package.module:attribute``."""

    @property
    def tasks(self) -> Mapping[str, str]:
        """Return the paths by name."""
        ...


class TaskFunction:
    """A registered function: its name, what it takes, and how its tasks are made and repeated.

    ``deadline`` and ``retries`` are what `new` gives its tasks. ``short`` promises milliseconds: bots run short tasks
    in batches. A failed run is repeated as ``backoff`` says, where its task does not say it itself.

    An async function runs on its bot's event loop; a plain one in a thread of its own, or in the batch where it is
    short. One that is ``isolated`` runs in a process of its own, with at most ``memory`` octets of data: it can be
    killed where it does not react, and takes nobody with it when it crashes. Such a function has to be found by its
    module and name, and has neither store nor bus: it computes, reports, and returns.

    One that ``kills`` runs programs, which it ends by force once it is told to stop: it gets more time for that.
    """

    def __init__(
        self,
        name: str,
        run: Run,
        *,
        deadline: float = 600.0,
        retries: int = 0,
        short: bool = False,
        isolated: bool = False,
        memory: int = MEMORY,
        kills: bool = False,
        backoff: Backoff = BACKOFF,
    ) -> None:
        if short and isolated:
            raise InternalError(f"The task function {name} is isolated: a process of its own is never short.")
        self.name = name
        self.run = run
        self.deadline = deadline
        self.retries = retries
        self.short = short
        self.isolated = isolated
        self.memory = memory
        self.kills = kills
        self.plain = not _is_async(run)
        self.threaded = self.plain and not (short or isolated)
        self.backoff = backoff
        self.__doc__ = run.__doc__
        self._decoder: msgspec.msgpack.Decoder[Any] | None = None

    async def __call__(self, ctx: TaskContext, arguments: Any) -> Any:
        """Run it; a plain function in this thread."""
        result = self.run(ctx, arguments)
        return await result if inspect.isawaitable(result) else result

    def new(self, arguments: msgspec.Struct | Mapping[str, Any] | None = None, **fields: Any) -> NewTask:
        """Return a task of this function, checked; ``fields`` are those of `NewTask`."""
        plain = dict(msgspec.to_builtins(arguments or {}))
        self.decode(msgspec.msgpack.encode(plain))
        return NewTask(
            **{"deadline": self.deadline, "retries": self.retries, **fields, "function": self.name, "arguments": plain}
        )

    def decode(self, payload: bytes) -> Any:
        """Return the arguments as the function's second parameter is annotated, or raise `InvalidError`."""
        if self._decoder is None:
            self._decoder = msgspec.msgpack.Decoder(self._argument_type(), strict=True)
        try:
            return self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidError(f"Arguments of {self.name}: {error}", path="arguments") from error

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds until the next run after so many failures; ``chance`` is 0 to 1."""
        return self.backoff.delay(failures, chance)

    @property
    def path(self) -> str:
        """Return where another process finds it: ``package.module:attribute``."""
        return f"{self.run.__module__}:{self.run.__qualname__}"

    def _argument_type(self) -> Any:
        names = list(inspect.signature(self.run).parameters)
        if len(names) != _PARAMETERS:
            raise InternalError(f"The task function {self.name} must take a context and its arguments.")
        return get_type_hints(self.run).get(names[1], dict[str, Any])


def task(
    name: str,
    *,
    deadline: float = 600.0,
    retries: int = 0,
    short: bool = False,
    isolated: bool = False,
    memory: int = MEMORY,
    kills: bool = False,
    backoff: Backoff = BACKOFF,
) -> Callable[[Run], TaskFunction]:
    """Declare a task function; it becomes known by its service's manifest. See `TaskFunction` for the options."""

    def declare(run: Run) -> TaskFunction:
        return TaskFunction(
            name,
            run,
            deadline=deadline,
            retries=retries,
            short=short,
            isolated=isolated,
            memory=memory,
            kills=kills,
            backoff=backoff,
        )

    return declare


class Registry:
    """The functions that this installation knows, by name."""

    def __init__(self, functions: Mapping[str, str | TaskFunction] | None = None) -> None:
        self._paths = dict(functions or {})
        self._loaded: dict[str, TaskFunction] = {}
        self._short: frozenset[str] = frozenset()

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> Registry:
        """Return the registry of all manifests; two of one name are our mistake."""
        paths: dict[str, str | TaskFunction] = {}
        for manifest in manifests:
            if twice := paths.keys() & manifest.tasks.keys():
                raise InternalError(f"Two services bring a task function {min(twice)}.")
            paths |= manifest.tasks
        return cls(paths)

    @property
    def names(self) -> frozenset[str]:
        """Return all names."""
        return frozenset(self._paths)

    @property
    def short(self) -> frozenset[str]:
        """Return the names known to be short: those of functions that were loaded."""
        return self._short

    def get(self, name: str) -> TaskFunction:
        """Load a function; `NotFoundError` for a name that nobody brings."""
        if ":" in name and name not in self._paths:
            name = APPLICATIONS
        if name in self._loaded:
            return self._loaded[name]
        if name not in self._paths:
            raise NotFoundError(f"No function {name} is known here.", function=name)
        found = self._loaded[name] = resolve(name, self._paths[name])
        if found.short:
            self._short |= {name}
        return found


def resolve(name: str, path: str | TaskFunction) -> TaskFunction:
    """Return the function that a manifest calls ``name``, importing its module."""
    found: TaskFunction | Run | str = path
    if isinstance(path, str):
        module, _, attribute = path.partition(":")
        found = getattr(import_module(module), attribute)
    if callable(found) and not isinstance(found, TaskFunction):
        found = TaskFunction(name, found)  # an undecorated function: all defaults
    if not isinstance(found, TaskFunction) or found.name != name:
        raise InternalError(f"What is registered as {name} is no function, or calls itself something else.")
    return found


def _is_async(run: Run) -> bool:
    return inspect.iscoroutinefunction(run) or inspect.iscoroutinefunction(getattr(run, "__call__", None))  # noqa: B004 - of an object
