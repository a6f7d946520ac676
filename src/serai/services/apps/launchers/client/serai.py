"""Hand work to Serai's task manager, and follow it; publish events to the application's visitors.

    import serai

    @serai.task(retries=3, channel="mail")
    def send(to, text):
        serai.progress(0.5, "half of it")
        return {"sent": to}

    job = send.delay("a@example.org", text="Hello")   # at once, from anywhere in the application
    job.wait(30).result                               # {"sent": "a@example.org"}

    serai.enqueue("jobs:send", "a@example.org", text="Hello")       # by name, without importing it
    serai.command(["ffmpeg", "-i", "in.mov", "out.mp4"], deadline=3600)

Tasks run in the context of the application's live release, isolated like its instances. Everything goes over the Unix
socket that SERAI_SOCKET names. This file needs the standard library of Python 3.8 only, and is safe to use from
threads and after a fork.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

__all__ = [
    "Canceled", "Fail", "Function", "ProviderDown", "SeraiError", "Task", "call", "cancel", "canceled",
    "chain", "checkpoint", "command", "command_call", "current", "enqueue", "enqueue_many", "follow", "get", "group",
    "log", "progress", "publish", "results", "schedule", "task", "tasks", "ticket", "unschedule",
]  # fmt: skip

FINAL = frozenset({"done", "error", "canceled"})
PATIENCE = 15.0  # seconds that a call goes on trying while the platform's socket is being replaced
OPTIONS = frozenset(
    {"channel", "priority", "delay", "at", "deadline", "retries", "provider", "key", "release", "unique", "parent"}
    | {"expires", "backoff", "after", "on_error"}
)
MAX_ANSWER = 16 << 20  # octets
_MANY = 429
_BUSY = frozenset({_MANY, 503})


class SeraiError(Exception):
    """The platform's answer when it can't do what was asked; ``code`` says why, as a word (``not_found``…)."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Canceled(BaseException):
    """Somebody asked for this task to be cancelled: clean up, and let it pass."""


class Fail(Exception):  # noqa: N818
    """Raise it where another attempt would change nothing: no retry follows."""


class ProviderDown(Exception):  # noqa: N818
    """Raise it where the task's provider does not answer: all its tasks wait until it does, and no retry is spent."""


class Task:
    """A task as it was last read. `refresh`, `wait` and `follow` read it anew."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.function} {self.state}>"

    def __getattr__(self, name: str) -> Any:
        """Return a field of the API's answer: state, progress, sentence, result, error, created, run, parent…."""
        try:
            return self.__dict__["_data"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def id(self) -> str:
        """Return its ID."""
        return str(self._data["id"])

    @property
    def state(self) -> str:
        """Return to_do, is_processing, done, error, to_cancel or canceled."""
        return str(self._data.get("state", "to_do"))

    @property
    def function(self) -> str:
        """Return what it runs, as lists show it."""
        return str(self._data.get("function", ""))

    @property
    def over(self) -> bool:
        """Tell whether it has ended."""
        return self.state in FINAL

    @property
    def result(self) -> Any:
        """Return its result, None before it is done."""
        return self._data.get("result")

    def as_dict(self) -> dict[str, Any]:
        """Return all that was read."""
        return dict(self._data)

    def refresh(self) -> Task:
        """Read it anew."""
        self._data = dict(_request("GET", _path(self.id)))
        return self

    def follow(self) -> Iterator[Task]:
        """Yield it now and at each change of its state or progress, until it is over."""
        while not self.over:
            for data in _stream(_path(self.id, "/follow")):
                self._data = {**self._data, **data}
                yield self
        self.refresh()

    def wait(self, timeout: float | None = None) -> Task:
        """Return when it is over; raise `SeraiError` where it failed or was canceled, TimeoutError in time."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            step = 20.0 if left is None else min(20.0, left)
            path = _path(self.id, wait=round(step, 3))
            self._data = dict(_request("GET", path, timeout=step + 30.0))
            if self.over:
                return self._ended()
            if left is not None and left <= step:
                raise TimeoutError(f"The task {self.id} is not over after {timeout or 0.0:g} s.")

    def cancel(self, why: str = "") -> str:
        """Cancel it where it waits, ask it to stop where it runs; return its new state."""
        return str(_request("POST", _path(self.id, "/cancel", why=why))["state"])

    def retry(self, why: str = "") -> str:
        """Run it again where it failed or was canceled; return its new state."""
        return str(_request("POST", _path(self.id, "/retry", why=why))["state"])

    def log(self, after: int = 0) -> list[dict[str, Any]]:
        """Return its log lines past a number: ``{"line", "at", "text"}``."""
        return list(_stream(_path(self.id, "/log", after=after)))

    def children(self) -> list[Task]:
        """Return the tasks that name it as their parent, newest first."""
        return tasks(parent=self.id)

    def _ended(self) -> Task:
        if self.state == "error":
            error = self._data.get("error") or {}
            raise SeraiError(str(error.get("code", "internal")), str(error.get("public", "The task failed.")))
        if self.state == "canceled":
            raise SeraiError("conflict", f"The task {self.id} was canceled.")
        return self


class Function:
    """A function that can be run as a task; calling it runs it here and now."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        _check(options)
        functools.update_wrapper(self, function)
        self.function = function
        self._options = dict(options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it in this process."""
        return self.function(*args, **kwargs)

    @property
    def name(self) -> str:
        """Return ``module:function``."""
        module = self.function.__module__
        if module == "__main__":
            raise SeraiError("invalid", "A task's function must be importable, not in the script that is run.")
        return f"{module}:{self.function.__qualname__}"

    def options(self, **options: Any) -> Function:
        """Return the same function with other options: ``send.options(delay=60).delay(…)``."""
        return Function(self.function, {**self._options, **options})

    def delay(self, *args: Any, **kwargs: Any) -> Task:
        """Enqueue it with these arguments."""
        return _add([self.call(*args, **kwargs)])[0]

    def call(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the task to be, for `enqueue_many`, `group` and `chain`."""
        return call(self.name, *args, **kwargs, options=self._options)


def task(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Make a function one that can be enqueued; as ``@task`` or ``@task(retries=3, channel="mail")``."""
    if function is not None:
        return Function(function, options)
    return lambda named: Function(named, options)


def call(function: str, *args: Any, options: Mapping[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
    """Return a task to be: ``module:function`` with arguments; ``options`` as `command` takes them."""
    return _new({"call": function, "args": list(args), "kwargs": kwargs}, options or {})


def enqueue(function: str, *args: Any, options: Mapping[str, Any] | None = None, **kwargs: Any) -> Task:
    """Enqueue ``module:function`` with these arguments; ``options`` as `command` takes them."""
    return _add([call(function, *args, options=options, **kwargs)])[0]


def command(argv: Sequence[str], arguments: Any = None, **options: Any) -> Task:
    """Enqueue a command; ``arguments`` are its stdin as JSON, its result is what it writes to descriptor 3.

    Options, all of them for functions as well: ``channel`` (its tasks run one after the other), ``priority`` (-1000 to
    1000, higher first), ``delay`` in seconds or ``at`` a time (datetime or seconds since the epoch), ``deadline``
    (seconds that it may run), ``retries``, ``provider``, ``key`` (a second task of the same key is the first one),
    ``release`` (a number; default: the live one when it runs), ``expires`` (a time by which it must have begun),
    ``backoff`` (``{"first", "factor", "longest", "jitter"}`` between retries), ``unique`` ("ever", or the key counts
    only while its task is "live" or "waiting"), ``after`` (IDs of tasks that must end first) and ``on_error``.
    """
    return _add([command_call(argv, arguments, **options)])[0]


def command_call(argv: Sequence[str], arguments: Any = None, **options: Any) -> dict[str, Any]:
    """Return a command to be, for `enqueue_many`, `group`, `chain` and `schedule`."""
    return _new({"argv": list(argv), "arguments": arguments}, options)


def enqueue_many(calls: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Enqueue many in one transaction: all or none."""
    return _add(calls)


def group(calls: Sequence[Mapping[str, Any]], then: Mapping[str, Any] | None = None) -> list[Task]:
    """Enqueue tasks that run side by side, and with ``then`` one that runs when all of them are over.

    Where one did not end well, ``then`` is an error; with the option ``on_error="run"`` it runs all the same. The last
    task returned is ``then``; it reads what the others returned with `results`.
    """
    body = {"items": [dict(each) for each in calls], **({} if then is None else {"then": dict(then)})}
    return _answered(_request("POST", "/v1/groups", body))


def chain(calls: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Enqueue tasks of which each runs when the one before is done; where one fails, those behind it are errors.

    Each reads what the one before it returned with `results`.
    """
    return _answered(_request("POST", "/v1/chains", {"items": [dict(each) for each in calls]}))


def schedule(
    name: str, when: str, plan: Mapping[str, Any], zone: str = "UTC", missed: str = "once", busy: str = "wait"
) -> dict[str, Any]:
    """Let a task recur: ``when`` is cron or ``every 5m``; ``plan`` is what `call` or `command_call` returns.

    ``missed`` "never" leaves out what was missed while the platform was down; ``busy`` "skip" what would begin while
    the last one is not over.
    """
    body = {key: value for key, value in plan.items() if key not in {"key", "parent"}}
    body.update(when=when, zone=zone, missed=missed, busy=busy)
    return dict(_request("PUT", "/v1/schedules/" + quote(name, safe=""), body))


def unschedule(name: str) -> None:
    """End what recurs."""
    _request("DELETE", "/v1/schedules/" + quote(name, safe=""))


def get(task_id: str) -> Task:
    """Return one of the application's tasks; `SeraiError` with code not_found for any other."""
    return Task({"id": task_id}).refresh()


def tasks(**wanted: Any) -> list[Task]:
    """Return the application's tasks, newest first: ``state=``, ``function=``, ``parent=``, ``before=``, ``limit=``."""
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    return [Task(each) for each in _request("GET", "/v1/tasks?" + query)["items"]]


def cancel(task_id: str, why: str = "") -> str:
    """Cancel a task by its ID; return its new state."""
    return Task({"id": task_id}).cancel(why)


def follow(task_id: str) -> Iterator[Task]:
    """Yield a task at each change until it is over."""
    return get(task_id).follow()


# What the application says to its visitors.


def publish(channel: str, data: Any, event: str = "message") -> None:
    """Say something, any JSON of up to 64 KiB, to all who follow a channel of the application's."""
    _request("POST", "/v1/push/publish", {"channel": channel, "data": data, "event": event})


def ticket(channels: Sequence[str], seconds: float = 3600.0) -> str:
    """Return what lets a visitor follow channels at ``.push?ticket=…`` below the application's address, for a while."""
    body = {"channels": list(channels), "seconds": seconds}
    return str(_request("POST", "/v1/push/tickets", body)["ticket"])


# Inside a running task.


class Run:
    """The task that this process runs; ``attempt`` counts from 1."""

    def __init__(self, task_id: str, attempt: int, report: Callable[[Mapping[str, Any]], None]) -> None:
        self.id = task_id
        self.attempt = attempt
        self.report = report
        self.canceled = False


_runs: list[Run] = []  # the one that a runner works on, if any


def current() -> Run | None:
    """Return the task that runs here, None outside of one."""
    if _runs:
        return _runs[-1]
    number = os.environ.get("SERAI_TASK")
    if not number:
        return None
    _runs.append(Run(number, int(os.environ.get("SERAI_ATTEMPT", "1")), _write_line))
    return _runs[-1]


def results() -> list[Any]:
    """Return what the tasks returned that this one came after, in their order; None for one that failed."""
    run = current()
    if run is None:
        return []
    return [each["result"] for each in _request("GET", _path(run.id, "/results"))["items"]]


def progress(fraction: float, sentence: str = "") -> None:
    """Say how far this task is (0 to 1) and what it does; nothing outside of a task. Stops it where it is canceled."""
    run = current()
    if run is not None:
        checkpoint()
        run.report({"progress": min(1.0, max(0.0, float(fraction))), "sentence": str(sentence)})


def log(line: str) -> None:
    """Write a line to this task's log, as everything printed is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def canceled() -> bool:
    """Tell whether this task is to stop."""
    run = current()
    return run is not None and run.canceled


def checkpoint() -> None:
    """Raise `Canceled` where this task is to stop."""
    if canceled():
        raise Canceled


def _write_line(message: Mapping[str, Any]) -> None:
    """Tell the runner of a command: one line of JSON on the descriptor that SERAI_REPORT_FD names."""
    os.write(int(os.environ.get("SERAI_REPORT_FD", "3")), json.dumps(message).encode() + b"\n")


# How it is said to the platform.


def _new(what: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    _check(options)
    new = {**what, **{name: value for name, value in options.items() if value is not None}}
    at = new.pop("at", None)
    if at is not None:
        new["not_before"] = at.timestamp() if isinstance(at, datetime) else float(at)
    # With a key of its own, an enqueue whose answer was lost can be said again and still makes one task.
    new.setdefault("key", "once-" + uuid.uuid4().hex)
    run = current()
    if run is not None:
        new.setdefault("parent", run.id)
    return new


def _check(options: Mapping[str, Any]) -> None:
    unknown = set(options) - OPTIONS
    if unknown:
        raise SeraiError("invalid", f"There is no option {min(unknown)}.")


def _add(calls: Sequence[Mapping[str, Any]]) -> list[Task]:
    return _answered(_request("POST", "/v1/tasks", {"items": [dict(each) for each in calls]}))


def _answered(answer: Mapping[str, Any]) -> list[Task]:
    return [Task(each) for each in answer["items"]]


class _Connection(http.client.HTTPConnection):
    def __init__(self, timeout: float) -> None:
        super().__init__("serai", timeout=timeout)

    def connect(self) -> None:
        """Open the socket that SERAI_SOCKET names."""
        path = os.environ.get("SERAI_SOCKET")
        if not path:
            raise SeraiError("unavailable", "SERAI_SOCKET is not set: this does not run on Serai.")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(path)


def _request(method: str, path: str, body: Any = None, timeout: float = 60.0) -> Any:
    """Make one request, again where the platform was busy or away; all requests may be repeated."""
    until, pause = time.monotonic() + PATIENCE, 0.02
    while True:
        connection = _Connection(timeout)
        try:
            status, wait, data = _exchange(connection, method, path, body)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() + pause > until:
                raise SeraiError("unavailable", f"The platform can't be reached: {error}.") from error
            status, wait, data = 0, pause, b""
        finally:
            connection.close()
        # A quota that is used up (429 that says no time) is none that another attempt soon would find free.
        busy = status in _BUSY and (wait or status != _MANY)
        if status and (not busy or time.monotonic() + max(wait, pause) > until):
            return _judged(status, data)
        time.sleep(max(wait, pause))
        pause = min(1.0, pause * 2)


def _path(task_id: str, rest: str = "", **query: Any) -> str:
    return "/v1/tasks/" + quote(task_id, safe="") + rest + ("?" + urlencode(query) if query else "")


def _exchange(connection: _Connection, method: str, path: str, body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    connection.request(method, path, data, {} if data is None else {"content-type": "application/json"})
    answer = connection.getresponse()
    return answer.status, float(answer.headers.get("retry-after", "0")), answer.read(MAX_ANSWER)


def _judged(status: int, data: bytes) -> Any:
    try:
        value: dict[str, Any] | Any = json.loads(data) if data else {}
    except ValueError:
        value = {}
    if status >= 400:
        raise SeraiError(str(value.get("code", "internal")), str(value.get("detail", f"Status {status}.")), status)
    return value


def _stream(path: str) -> Iterator[dict[str, Any]]:
    connection = _Connection(60.0)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status >= 400:
            _judged(answer.status, answer.read(MAX_ANSWER))
        for line in answer:
            if line.strip():
                yield json.loads(line)
    except (OSError, http.client.HTTPException) as error:
        # It was cut, for the platform's side is being replaced: whoever follows asks again.
        time.sleep(0.1)
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise SeraiError("unavailable", f"The platform can't be reached: {error}.") from error
    finally:
        connection.close()
