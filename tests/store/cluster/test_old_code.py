"""Code of an earlier schema goes on with a newer one, under load, while the newer one arrives.

``earlier/NNNN.zip`` holds the store's source as it was when migration NNNN was its newest: each is run as it is, in
processes of its own. `freeze` makes one, before a migration is added; one that a contract migration ends is deleted.
"""

import asyncio
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from serai.store import Change, NewTask, Store, Transaction
from serai.store.cluster.migrate import shipped
from serai.store.open import open_store

EARLIER = sorted((Path(__file__).parent / "earlier").glob("*.zip"))

#: Runs with either code: writes descriptors and tasks, claims and acknowledges, and says what was acknowledged.
PROGRAM = """
import asyncio, json, sys, time
from serai.store import NewTask, Put, Transaction
from serai.store.conformance import Lamp
from serai.store.open import open_store
from serai.store.tasks import Finish, Want
address, name = sys.argv[1:]

async def write(store):
    count = 0
    while True:
        task = NewTask(function="f", arguments={"n": count}, channel=f"c{count % 3}", id=f"{name}.{count}")
        operations = (Put("ada", f"{name}.{count}", Lamp(watts=count), 0), task)
        done = await store.apply(Transaction("user:ada", "", operations))
        print(json.dumps(["change", done.changes[0], f"{name}.{count}"]), flush=True)
        count += 1

async def work(store):
    driver, bot, finishes = store.driver, f"bot {name}", []
    await driver.write(lambda tx: driver.tasks.enlist(tx, bot, ("any",), now=time.time()))
    want = Want(queues=("any",), slots=20, known=frozenset({"f"}))
    while True:
        got = await driver.write(lambda tx: driver.tasks.exchange(tx, bot, finishes, want, now=time.time()))
        for finish in finishes:
            print(json.dumps(["task", finish.number in got.refused, finish.number]), flush=True)
        finishes = [Finish(number=task.number, run=task.run, state="done") for task in got.claimed]
        if not finishes:
            await asyncio.sleep(0.01)

async def main():
    store = open_store(address)
    await store.identity()
    print(json.dumps(["ready", 0, sys.modules["serai"].__file__]), flush=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(write(store))
        group.create_task(work(store))

asyncio.run(main())
"""


def start(address: str, name: str, code: Path | None) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if code is not None:
        environment["PYTHONPATH"] = str(code)
    elif kept := os.environ.get("PYTHONPATH"):
        environment["PYTHONPATH"] = kept
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, address, name], stdout=subprocess.PIPE, text=True, env=environment
    )


def read(process: subprocess.Popen[str], lines: int) -> list[str]:
    assert process.stdout is not None
    found = [process.stdout.readline() for _ in range(lines)]
    assert all(line.endswith("\n") for line in found), "the process ended"
    return found


async def feed(store: Store) -> list[Change]:
    found: list[Change] = []
    while page := await store.changes(found[-1].number if found else 0, 10_000):
        found += page
    return found


def test_there_is_earlier_code_to_try() -> None:
    numbers = [migration.number for migration in shipped()]
    contracts = [migration.number for migration in shipped() if migration.sort == "contract"]
    kept = [int(path.stem) for path in EARLIER]
    assert all(number in numbers and number >= max(contracts, default=0) for number in kept)
    assert kept or len(numbers) == max(contracts, default=numbers[0])


@pytest.mark.parametrize("code", EARLIER, ids=lambda path: path.stem)
async def test_earlier_code_goes_on_while_a_newer_schema_arrives(code: Path, database: Callable[[], str]) -> None:
    address = database()
    old = await asyncio.to_thread(start, address, "old", code)
    told = await asyncio.to_thread(read, old, 60)
    assert str(code) in told[0]  # it is really the earlier code that runs
    with psycopg.connect(address, autocommit=True) as look:
        applied = look.execute("SELECT max(number) FROM serai.migration").fetchone()
        assert applied == (int(code.stem),)
        new = [await asyncio.to_thread(start, address, f"new{n}", None) for n in range(2)]  # both migrate, under load
        for process in new:
            read_by_new = await asyncio.to_thread(read, process, 80)
            assert ".zip" not in read_by_new[0]
        assert look.execute("SELECT max(number) FROM serai.migration").fetchone() == (len(shipped()),)
    told += await asyncio.to_thread(read, old, 60)  # with the newer schema
    late = await asyncio.to_thread(start, address, "late", code)  # and one that starts on it
    told += await asyncio.to_thread(read, late, 60)
    for process in (old, late, *new):
        process.send_signal(signal.SIGTERM)
    for process in (old, late, *new):
        rest, _ = await asyncio.to_thread(process.communicate)
        assert process.returncode == -signal.SIGTERM, rest
    store = open_store(address)
    entries = await feed(store)
    assert [change.number for change in entries] == list(range(1, len(entries) + 1))
    names = {change.name for change in entries}
    assert {f"{who}.0" for who in ("old", "late", "new0", "new1")} <= names
    assert '"task", true' not in "".join(told)  # no run was taken from who held it
    await store.apply(Transaction("user:ada", "", (NewTask(function="f"),)))
    await store.close()


def freeze() -> Path:
    """Keep the store's source as it is now; run `python -c "import test_old_code; test_old_code.freeze()"` here."""
    source = Path(__file__).parents[3] / "src"
    target = Path(__file__).parent / "earlier" / f"{len(shipped()):04}.zip"
    target.parent.mkdir(exist_ok=True)
    files = [source / "serai" / "__init__.py", source / "serai" / "errors.py"]
    files += [path for path in sorted((source / "serai" / "store").rglob("*")) if path.suffix in {".py", ".sql"}]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            # The same octets for the same source.
            entry = zipfile.ZipInfo(str(path.relative_to(source)))
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target
