"""What needs no answer travels with what does: the number of messages to and fro is what a network charges for."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from serai.errors import ConflictError, SeraiError
from serai.store.cluster.connection import Connection, connect
from serai.store.cluster.driver import ClusterDriver
from serai.store.cluster.tx import Tx
from serai.store.contract import Allowance, NewTask
from serai.store.driver import Batch
from serai.store.tasks import Exchange, Finish, Want

WANT = Want(queues=("any",), slots=2, batch=20, short=frozenset({"noop"}))


@pytest.fixture
async def driver(database: Callable[[], str]):
    driver = ClusterDriver(database())
    await driver.write(lambda tx: driver.tasks.enlist(tx, "bot", ["any"], now=1.0))
    yield driver
    await driver.close()


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count statements of each message."""
    counted: list[int] = []
    fly = Connection.fly

    def count(self: Connection, statements: Any) -> None:
        counted.append(len(statements))
        fly(self, statements)

    monkeypatch.setattr(Connection, "fly", count)
    return counted


async def add(driver: ClusterDriver, *tasks: NewTask) -> None:
    await driver.apply(Batch(who="user:ada", why="", when=time.time(), operations=tasks))


async def exchange(driver: ClusterDriver, done: Exchange | None = None) -> Exchange:
    finishes = [Finish(number=task.number, run=task.run, state="done") for task in (done.claimed if done else ())]
    return await driver.write(lambda tx: driver.tasks.exchange(tx, "bot", finishes, WANT, now=time.time()))


async def test_an_enqueue_is_one_round_trip(driver: ClusterDriver, flights: list[int]) -> None:
    await add(driver, *[NewTask(function="noop")] * 10)
    assert len(flights) == 1


async def test_an_enqueue_of_no_more_than_may_wait_is_two(driver: ClusterDriver, flights: list[int]) -> None:
    allowances = (Allowance("t", "a", 10), Allowance("t", "", 10))
    tasks = tuple(NewTask(function="noop", tenant="t", app="a") for _ in range(10))
    await driver.apply(Batch(who="user:ada", why="", when=time.time(), operations=tasks, allowances=allowances))
    assert len(flights) == 2


async def test_to_claim_an_apps_tasks_is_no_more_than_others(driver: ClusterDriver, flights: list[int]) -> None:
    await add(driver, *[NewTask(function="noop", tenant="t", app="a")] * 3)
    flights.clear()
    assert (len((await exchange(driver)).claimed), len(flights)) == (3, 4)  # one to see that there are several
    assert await driver.read(lambda tx: driver.tasks.waiting(tx, "t", "a", 100)) == 0


async def test_an_idle_bot_counts_an_apps_only_task_as_no_longer_waiting(
    driver: ClusterDriver, flights: list[int]
) -> None:
    await add(driver, NewTask(function="noop", tenant="t", app="a"))
    assert await driver.read(lambda tx: driver.tasks.waiting(tx, "t", "a", 100)) == 1
    flights.clear()
    assert (len((await exchange(driver)).claimed), len(flights)) == (1, 1)
    assert await driver.read(lambda tx: driver.tasks.waiting(tx, "t", "a", 100)) == 0


async def test_an_idle_bots_claim_of_a_task_is_one_and_an_acknowledgement_with_nothing_to_claim_is_two(
    driver: ClusterDriver, flights: list[int]
) -> None:
    await add(driver, NewTask(function="noop"), NewTask(function="noop", not_before=1e10))
    flights.clear()
    claimed = await exchange(driver)
    assert (len(claimed.claimed), claimed.due, len(flights)) == (1, 1e10, 1)
    flights.clear()
    assert not (await exchange(driver, claimed)).claimed
    assert len(flights) == 2


@pytest.mark.parametrize(
    "tasks",
    [
        [NewTask(function="noop"), NewTask(function="noop")],
        [NewTask(function="noop"), NewTask(function="noop", tenant="other")],
        [NewTask(function="noop", key="k", unique="waiting")],
    ],
)
async def test_what_takes_a_decision_is_found_out_by_one_message_and_then_claimed_like_all(
    driver: ClusterDriver, flights: list[int], tasks: list[NewTask]
) -> None:
    await add(driver, *tasks)
    flights.clear()
    assert len((await exchange(driver)).claimed) == len(tasks)
    assert len(flights) >= 4


async def test_what_is_due_is_not_passed_over_by_an_idle_bot(driver: ClusterDriver) -> None:
    await add(driver, NewTask(function="noop"), NewTask(function="noop", not_before=time.time() + 0.01))
    await asyncio.sleep(0.02)
    assert len((await exchange(driver)).claimed) == 2


async def test_an_idle_bot_without_a_place_for_a_task_leaves_it(driver: ClusterDriver) -> None:
    await add(driver, NewTask(function="long"))
    want = Want(queues=("any",), slots=0, batch=5, short=frozenset({"noop"}))
    rows = driver.tasks
    got = await driver.write(lambda tx: rows.exchange(tx, "bot", [], want, now=time.time()))
    assert not got.claimed
    assert len((await exchange(driver)).claimed) == 1


async def test_a_bot_that_was_struck_off_claims_nothing(driver: ClusterDriver) -> None:
    await add(driver, NewTask(function="noop"))
    with pytest.raises(ConflictError, match="lease was lost"):
        await driver.write(lambda tx: driver.tasks.exchange(tx, "other", [], WANT, now=time.time()))
    assert len((await exchange(driver)).claimed) == 1


async def test_a_lane_whose_only_task_was_taken_is_gone(driver: ClusterDriver) -> None:
    await add(driver, NewTask(function="noop"))
    assert len((await exchange(driver)).claimed) == 1
    count = await driver.read(lambda tx: tx.row("SELECT count(*) FROM task_lane"))
    assert count == (0,)


async def test_to_go_on_is_three_however_many_tenants_share(driver: ClusterDriver, flights: list[int]) -> None:
    await add(driver, *[NewTask(function="noop", tenant=f"t{n % 5}") for n in range(60)])
    claimed = await exchange(driver)
    flights.clear()
    again = await exchange(driver, claimed)
    assert len(again.claimed) == 20  # all short
    assert {task.tenant for task in again.claimed} == {f"t{n}" for n in range(5)}
    assert len(flights) == 3


async def test_a_beat_is_two(driver: ClusterDriver, flights: list[int]) -> None:
    assert await driver.write(lambda tx: driver.tasks.beat(tx, "bot")) == []
    assert len(flights) == 2


async def test_a_statement_that_waited_fails_those_who_gave_it_alone(driver: ClusterDriver) -> None:
    """Its error comes with the commit, when nobody can tell whose it is: so each is tried by itself."""

    def spoil(tx: Tx) -> None:
        tx.later("SELECT 1 / %s", (0,))

    pause = partial(driver.tasks.pause, who="ada", why="", now=1.0)
    jobs = [driver.write(partial(pause, channel=f"c{n}")) for n in range(3)]
    jobs.insert(1, driver.write(spoil))
    ended = await gather(jobs)
    assert [isinstance(each, SeraiError) for each in ended] == [False, True, False, False]
    paused = await driver.read(driver.tasks.pauses)
    assert len(paused) == 3


async def test_a_value_that_cannot_be_sent_fails_its_own_job_only(driver: ClusterDriver) -> None:
    jobs = [driver.write(lambda tx: tx.later("SELECT %s::text", ("\0",))), driver.write(lambda tx: tx.rows("SELECT 1"))]
    ended = await gather(jobs)
    assert isinstance(ended[0], SeraiError)
    assert ended[1] == [(1,)]
    assert (await exchange(driver)).claimed == []


async def test_a_bot_that_is_not_known_gets_a_conflict(driver: ClusterDriver) -> None:
    with pytest.raises(ConflictError):
        await driver.write(lambda tx: driver.tasks.exchange(tx, "other", [], WANT, now=1.0))


def test_an_answer_that_was_foreseen_is_asked_anew_after_a_write(database: Callable[[], str]) -> None:
    driver = ClusterDriver(database())
    connection = connect(driver.address, "test")
    connection.execute("CREATE TEMPORARY TABLE t (n integer)")
    tx, count = Tx(connection), "SELECT count(*) FROM t"
    tx.foresee(count)
    assert tx.rows(count) == [(0,)]
    tx.foresee(count)
    tx.later("INSERT INTO t VALUES (1)")
    assert tx.rows(count) == [(1,)]
    tx.foresee(count)
    tx.later("INSERT INTO t VALUES (2)", apart=True)
    assert tx.rows(count) == [(1,)]
    tx.foresee("INSERT INTO t VALUES (3)", sure=True)
    assert tx.rows(count) == [(3,)]
    assert tx.run("INSERT INTO t VALUES (3)") == 1
    assert tx.rows(count) == [(3,)]
    connection.close()


def test_a_flight_that_fails_leaves_a_connection_that_is_not_used_again(database: Callable[[], str]) -> None:
    connection = connect(ClusterDriver(database()).address, "test")
    tx = Tx(connection)
    tx.later("BEGIN")
    tx.later("SELECT 1 / %s", (0,))
    with pytest.raises(psycopg.errors.DivisionByZero):
        tx.rows("SELECT 1")
    assert connection.doubtful
    assert not connection.idle
    connection.close()


async def gather(jobs: list[Any]) -> list[Any]:
    return await asyncio.gather(*jobs, return_exceptions=True)
