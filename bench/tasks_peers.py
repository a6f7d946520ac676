"""The peers' applications: the same tasks for each, durable. Runs in the peers' own environment, BENCH_PEER says which.

python tasks_peers.py FUNCTION COUNT     insert tasks
python tasks_peers.py stamp COUNT GAP    insert one each GAP seconds and print when
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import tasks_work

PEER = os.environ["BENCH_PEER"]
ADDRESS = os.environ["BENCH_ADDRESS"]  # of Redis or PostgreSQL, or a file
app: Any = None
send: Callable[..., Any]  # (function's name, *arguments)
many: Callable[[str, int], Any] | None = None

if PEER == "celery":
    from celery import Celery

    app = Celery("bench", broker=ADDRESS)
    app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=64)
    _celery = {name: app.task(getattr(tasks_work, name), name=name) for name in ("noop", "nap", "stamp")}

    def send(name: str, *arguments: Any) -> None:
        _celery[name].delay(*arguments)

elif PEER == "dramatiq":
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    dramatiq.set_broker(RedisBroker(url=ADDRESS))
    _actors = {name: dramatiq.actor(getattr(tasks_work, name), actor_name=name) for name in ("noop", "nap", "stamp")}

    def send(name: str, *arguments: Any) -> None:
        _actors[name].send(*arguments)

elif PEER == "rq":
    from redis import Redis
    from rq import Queue

    app = Queue(connection=Redis.from_url(ADDRESS))

    def send(name: str, *arguments: Any) -> None:
        app.enqueue(getattr(tasks_work, name), *arguments, result_ttl=0)

    def many(name: str, count: int) -> None:
        app.enqueue_many([Queue.prepare_data(getattr(tasks_work, name), result_ttl=0) for _ in range(count)])

elif PEER == "huey":
    from huey import SqliteHuey

    # fsync is synchronous = FULL: as durable as ours. But a task leaves the queue, in one transaction, before it runs,
    # and is lost where its worker dies.
    app = SqliteHuey("bench", filename=ADDRESS, fsync=True, results=False)
    _tasks = {name: app.task()(getattr(tasks_work, name)) for name in ("noop", "nap", "stamp")}

    def send(name: str, *arguments: Any) -> None:
        _tasks[name](*arguments)

elif PEER == "procrastinate":
    from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

    _worker = "procrastinate" in sys.argv[0]
    app = App(connector=(PsycopgConnector if _worker else SyncPsycopgConnector)(conninfo=ADDRESS))
    _defers = {}
    for _name in ("noop", "nap", "stamp"):
        _defers[_name] = app.task(name=_name)(getattr(tasks_work, _name))

    def send(name: str, *arguments: Any) -> None:
        _defers[name].defer(**({"number": arguments[0]} if arguments else {}))

    def many(name: str, count: int) -> None:
        _defers[name].batch_defer(*({} for _ in range(count)))


def main() -> None:
    if PEER == "procrastinate":
        app.open()
    name, count = sys.argv[1], int(sys.argv[2])
    if name == "schema":
        app.schema_manager.apply_schema()
    elif name == "stamp":
        gap = float(sys.argv[3])
        for number in range(count):
            time.sleep(gap)
            print(number, time.monotonic(), flush=True)
            send("stamp", number)
    elif many:
        many(name, count)
    else:
        for _ in range(count):
            send(name)


if __name__ == "__main__":
    main()
