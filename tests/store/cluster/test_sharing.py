"""Bots claim from one queue at the same time: nothing twice, nothing left, tenants alike, channels in order."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from serai.store.cluster.connection import connect
from serai.store.cluster.driver import ClusterDriver
from serai.store.cluster.tasks.shelf import SHARED
from serai.store.cluster.tx import AloneError, Tx
from serai.store.contract import NewTask
from serai.store.driver import Batch
from serai.store.tasks import Finish, Task, Want

BOTS = 4
WANT = Want(queues=("any",), slots=1, batch=7, short=frozenset({"short"}))


@pytest.fixture
async def drivers(database: Callable[[], str]) -> AsyncIterator[list[ClusterDriver]]:
    address = database()
    made = [ClusterDriver(address) for _ in range(BOTS)]
    for number, driver in enumerate(made):
        await driver.write(partial(driver.tasks.enlist, bot=f"bot{number}", queues=["any"], now=time.time()))
    yield made
    for driver in made:
        await driver.close()


async def add(driver: ClusterDriver, tasks: list[NewTask]) -> list[str]:
    return (await driver.apply(Batch(who="user:ada", why="", when=time.time(), operations=tasks))).tasks


async def work(driver: ClusterDriver, bot: str, ran: list[Task], count: int) -> None:
    """Claim and acknowledge until so many ran, wherever."""
    finishes: list[Finish] = []
    while len(ran) < count or finishes:
        exchange = partial(driver.tasks.exchange, bot=bot, finishes=finishes, want=WANT, now=time.time())
        got = await driver.write(exchange)
        assert not got.refused
        ran += got.claimed
        finishes = [Finish(number=task.number, run=task.run, state="done") for task in got.claimed]


async def all_of_them(drivers: list[ClusterDriver], count: int) -> list[Task]:
    ran: list[Task] = []
    await asyncio.gather(*(work(driver, f"bot{n}", ran, count) for n, driver in enumerate(drivers)))
    return ran


def lanes(driver: ClusterDriver) -> int:
    with connect(driver.address, "test") as connection:
        found = connection.execute("SELECT count(*) FROM task_lane").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("tenants", [1, 3])
async def test_each_task_is_claimed_once_and_no_lane_stays(drivers: list[ClusterDriver], tenants: int) -> None:
    ids = await add(drivers[0], [NewTask(function="short", tenant=f"t{n % tenants}") for n in range(300)])
    ids += await add(drivers[1], [NewTask(function="long", tenant=f"t{n % tenants}") for n in range(30)])
    ran = await all_of_them(drivers, len(ids))
    assert Counter(task.id for task in ran) == Counter(ids)
    await drivers[0].write(partial(drivers[0].tasks.exchange, bot="bot0", finishes=[], want=WANT, now=time.time()))
    assert lanes(drivers[0]) == 0


async def test_tenants_get_alike_although_bots_claim_at_once(drivers: list[ClusterDriver]) -> None:
    await add(drivers[0], [NewTask(function="short", tenant="many")] * 600)
    few = await add(drivers[0], [NewTask(function="short", tenant="few")] * 60)
    ran = await all_of_them(drivers, 660)
    last = max(place for place, task in enumerate(ran) if task.id in few)
    assert last < 60 * 2 + BOTS * 2 * 7 * 2  # its share, and what was under way


async def test_channels_stay_in_order_beside_what_is_shared(drivers: list[ClusterDriver]) -> None:
    tasks = [NewTask(function="short", channel=f"c{n % 4}" if n % 3 == 0 else "") for n in range(120)]
    ids = await add(drivers[0], tasks)
    ran = await all_of_them(drivers, len(ids))
    assert Counter(task.id for task in ran) == Counter(ids)
    for channel in {task.channel for task in ran} - {""}:
        numbers = [task.number for task in ran if task.channel == channel]
        assert numbers == sorted(numbers)


async def test_what_one_is_about_to_take_another_leaves_and_then_gets_if_it_is_left(
    drivers: list[ClusterDriver],
) -> None:
    [_] = await add(drivers[0], [NewTask(function="short")])
    with connect(drivers[0].address, "other") as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock_shared(499851160435)")
        other.execute("SELECT * FROM task_place FOR UPDATE")
        exchange = partial(drivers[1].tasks.exchange, bot="bot1", finishes=[], want=WANT, now=time.time())
        claiming = asyncio.create_task(drivers[1].write(exchange))
        await asyncio.sleep(0.2)
        assert not claiming.done()  # it saw a lane and got nothing: so it waits for the tasks to be its own
        other.execute("ROLLBACK")
        assert len((await claiming).claimed) == 1


def test_who_shares_may_say_nothing_that_needs_the_tasks_alone(database: Callable[[], str]) -> None:
    driver = ClusterDriver(database())
    with connect(driver.address, "test") as connection:
        tx = Tx(connection, sociable=True)
        tx.share_tasks(SHARED)
        with pytest.raises(AloneError):
            driver.tasks.pause(tx, "channel", who="ada", why="", now=1.0)
        with pytest.raises(AloneError):
            tx.rows("SELECT 1")


async def test_bots_that_share_count_right_what_waits(drivers: list[ClusterDriver]) -> None:
    await add(drivers[0], [NewTask(function="short", tenant="t", app=f"a{n % 3}") for n in range(600)])
    ran: list[Task] = []
    await asyncio.gather(*(work(driver, f"bot{n}", ran, 300) for n, driver in enumerate(drivers)))
    left = await drivers[0].read(lambda tx: drivers[0].tasks.waiting(tx, "t", "", 10_000))
    assert left == 600 - len(ran)
    assert [one for one in await drivers[0].read(drivers[0].tasks.miscounted) if one.by] == []


async def test_what_older_code_left_uncounted_is_set_right_once(drivers: list[ClusterDriver]) -> None:
    one = drivers[0]
    await add(one, [NewTask(function="short", tenant="t", app="a") for _ in range(5)])
    with connect(one.address, "test") as connection:
        connection.execute("UPDATE task_count SET waiting = 1")
        connection.execute("INSERT INTO task_count (tenant, app, waiting) VALUES ('t', 'gone', 3)")
    found = await one.read(one.tasks.miscounted)
    await add(one, [NewTask(function="short", tenant="t", app="a")])
    for driver in drivers[:2]:
        await driver.write(partial(driver.tasks.recount, found=found))
    assert await one.read(lambda tx: one.tasks.waiting(tx, "t", "", 100)) == 6
    found = await one.read(one.tasks.miscounted)
    assert [(each.app, each.by) for each in found] == [("gone", 0)]
    await one.write(partial(one.tasks.recount, found=found))
    assert await one.read(one.tasks.miscounted) == []
