"""What an application may do at its door, and what it may not."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.identity.descriptors import Tenant
from serai.services.apps.door.rates import Bucket
from serai.services.apps.running import wishes
from serai.store.audit import Audit, Wanted
from serai.store.contract import Backoff, Transaction
from serai.store.tasks import Finish, Want
from serai.tasks import Tasks
from serai.tasks.schedule import Schedule

if TYPE_CHECKING:
    from tests.services.apps.door.conftest import Street


COUNTER = itertools.count()


async def finish(street: Street, state: str = "done", outcome: bytes = b"") -> list[str]:
    """Claim and end all that is ready, as a bot would."""
    driver = street.ctx.store.driver
    now = street.ctx.clock.now()
    queues = ("work:test",)
    bot = f"bot{next(COUNTER)}"
    await driver.write(lambda tx: driver.tasks.enlist(tx, bot, queues, now=now))
    want = Want(queues=queues, slots=100)
    got = await driver.write(lambda tx: driver.tasks.exchange(tx, bot, [], want, now=now))
    ends = [Finish(number=one.number, run=one.run, state=state, outcome=outcome) for one in got.claimed]
    await driver.write(lambda tx: driver.tasks.exchange(tx, bot, ends, Want(queues=()), now=now))
    return [one.function for one in got.claimed]


def problem(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body) if body.startswith(b"{") else {}


async def test_a_function_and_a_command_become_tasks_of_the_application(street: Street) -> None:
    client = street.client
    task = await street.as_app(
        "demo", "shop", client.enqueue, "jobs:send", 1, to="a", options={"channel": "mail", "key": "k", "retries": 2}
    )
    stored = await Tasks(street.ctx.store).get(task.id)
    assert (stored.function, stored.tenant, stored.app, stored.who) == ("jobs:send", "demo", "shop", "app:demo/shop")
    assert (stored.channel, stored.key, stored.queue) == ("demo/shop/mail", "demo/shop/k", "work:test")
    assert wishes.arguments_of(stored.arguments).kwargs == {"to": "a"}
    again = await street.as_app("demo", "shop", client.enqueue, "jobs:send", options={"key": "k"})
    assert again.id == task.id
    shown = await street.as_app("demo", "shop", client.get, task.id)
    assert (shown.channel, shown.key, shown.state) == ("mail", "k", "to_do")
    command = await street.as_app("demo", "shop", client.command, ["/usr/bin/convert", "a b"], {"x": 1}, deadline=5)
    assert (await Tasks(street.ctx.store).get(command.id)).function == "exec:convert"
    listed = await street.as_app("demo", "shop", client.tasks, state="to_do")
    assert [one.function for one in listed] == ["exec:convert", "jobs:send"]


async def test_a_decorated_function_is_enqueued_by_its_name_and_called_as_it_is(street: Street) -> None:
    namespace: dict[str, Any] = {"serai": street.client, "__name__": "jobs"}
    exec("@serai.task(retries=3)\ndef add(a, b=1):\n    return a + b\n", namespace)
    add = namespace["add"]
    assert add(1, b=2) == 3
    task = await street.as_app("demo", "shop", add.options(priority=5).delay, 1, b=2)
    stored = await Tasks(street.ctx.store).get(task.id)
    assert (stored.function, stored.retries, stored.priority) == ("jobs:add", 3, 5)
    with pytest.raises(street.client.SeraiError, match="no option colour"):
        add.options(colour="red")


async def test_waiting_and_following_end_with_the_task(street: Street) -> None:
    client = street.client
    task = await street.as_app("demo", "shop", client.enqueue, "jobs:send")
    waiting = asyncio.create_task(street.as_app("demo", "shop", task.wait, 20))
    following = asyncio.create_task(
        street.as_app("demo", "shop", lambda: [one.state for one in client.get(task.id).follow()])
    )
    await asyncio.sleep(0.2)
    await finish(street, outcome=b"\x2a")
    assert (await waiting).result == 42
    assert (await following)[0] == "to_do"
    bad = await street.as_app("demo", "shop", client.enqueue, "jobs:send")
    await finish(street, "error")
    with pytest.raises(client.SeraiError):
        await street.as_app("demo", "shop", bad.wait, 5)
    slow = await street.as_app("demo", "shop", client.enqueue, "jobs:send")
    with pytest.raises(TimeoutError):
        await street.as_app("demo", "shop", slow.wait, 0.2)
    assert await street.as_app("demo", "shop", slow.cancel, "enough") == "canceled"
    assert await street.as_app("demo", "shop", slow.retry) == "to_do"


async def test_groups_and_chains_run_in_order_and_pass_results_on(street: Street) -> None:
    client = street.client
    calls = [client.call("jobs:part", n) for n in range(3)]
    *parts, then = await street.as_app("demo", "shop", client.group, calls, client.call("jobs:join"))
    assert await finish(street, outcome=b"\x07") == ["jobs:part"] * 3
    assert await finish(street) == ["jobs:join"]
    answer = await street.as_app("demo", "shop", client._request, "GET", f"/v1/tasks/{then.id}/results")
    assert [one["result"] for one in answer["items"]] == [7, 7, 7]
    assert [one["id"] for one in answer["items"]] == [one.id for one in parts]
    first, second = await street.as_app("demo", "shop", client.chain, [client.call("a:a"), client.call("b:b")])
    assert await finish(street) == ["a:a"]
    assert await finish(street) == ["b:b"]
    # Said again since the answer was lost: the same tasks.
    calls = [client.call("a:a", options={"key": "1"}), client.call("b:b", options={"key": "2"})]
    made = [await street.as_app("demo", "shop", client.chain, calls) for _ in range(2)]
    assert [one.id for one in made[0]] == [one.id for one in made[1]]
    assert {first.id, second.id}.isdisjoint({one.id for one in made[0]})


async def test_what_recurs_is_the_applications_own(street: Street) -> None:
    client = street.client
    plan = client.call("jobs:clean", options={"channel": "c"})
    made = await street.as_app("demo", "shop", client.schedule, "nightly", "0 3 * * *", plan, "Europe/Berlin")
    assert (made["name"], made["call"], made["channel"]) == ("nightly", "jobs:clean", "c")
    assert made["next"] > time.time()
    answer = await street.as_app("other", "shop", client._request, "GET", "/v1/schedules")
    assert answer == {"items": []}
    with pytest.raises(client.SeraiError) as refused:
        await street.as_app("other", "shop", client.unschedule, "nightly")
    assert refused.value.code == "not_found"
    options = {"provider": "bank", "retries": 2, "backoff": {"first": 1}, "priority": 3, "deadline": 9}
    plan = client.call("jobs:clean", options=options)
    made = await street.as_app("demo", "shop", client.schedule, "nightly", "@daily", plan, busy="skip")
    assert (made["provider"], made["busy"], made["retries"]) == ("bank", "skip", 2)
    kept = (await street.ctx.store.get(Schedule, "demo", "shop.task.nightly")).spec
    assert (kept.provider, kept.backoff, kept.priority) == ("demo/shop/bank", Backoff(first=1.0), 3)
    with pytest.raises(client.SeraiError, match="five cron fields"):
        await street.as_app("demo", "shop", client.schedule, "bad", "sometimes", plan)
    await street.as_app("demo", "shop", client.unschedule, "nightly")


async def test_another_applications_tasks_look_like_none(street: Street) -> None:
    client = street.client
    task = await street.as_app("demo", "shop", client.enqueue, "jobs:send")
    platform = await street.insert(function="apps.build", tenant="demo", app="shop")
    sibling = await street.insert(function="jobs:send", tenant="demo", app="blog", queue="work:test")
    said = set()
    for app, name in (("other", task.id), ("other", "nothing"), ("demo", platform), ("demo", sibling), ("demo", "x")):
        for verb in ("", "/story", "/log", "/follow", "/watch", "/results"):
            answer = await street.raw(app, "shop", f"GET /v1/tasks/{name}{verb} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, body = problem(answer)
            said.add((status, body["detail"]))
        for verb in ("cancel", "retry"):
            request = f"POST /v1/tasks/{name}/{verb} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            status, body = problem(await street.raw(app, "shop", request.encode()))
            said.add((status, body["detail"]))
    assert said == {(404, "Nothing has that name.")}
    async with asyncio.timeout(10):
        while not (refused := await Audit(street.ctx.store).refusals(Wanted())):
            await asyncio.sleep(0.05)
    assert {one.tenant for one in refused} <= {"demo", "other", ""}
    assert all(one.who.startswith("app:") and one.action.startswith("task.") for one in refused)
    assert (await Tasks(street.ctx.store).get(platform)).state == "to_do"
    for tie in ({"parent": platform}, {"after": [sibling]}, {"after": [task.id[:-1] + "!"]}):
        with pytest.raises(client.SeraiError) as refused:
            await street.as_app("demo", "shop", client.enqueue, "jobs:send", options=tie)
        assert (refused.value.code, str(refused.value)) == ("not_found", "Nothing has that name.")
    assert await street.as_app("other", "shop", client.tasks) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"call": "jobs"}, 400),
        ({"call": "jobs:f", "argv": ["x"]}, 400),
        ({}, 400),
        ({"call": "jobs:f", "queue": "host:test"}, 400),
        ({"call": "jobs:f", "tenant": "other"}, 400),
        ({"call": "jobs:f", "deadline": 1e9}, 400),
        ({"call": "jobs:f", "priority": 10_000}, 400),
        ({"call": "jobs:f", "args": {}}, 400),
        ({"argv": ["a\0b"]}, 400),
        ({"argv": []}, 400),
        ({"items": []}, 400),
        ({"items": [{"call": "jobs:f"}] * 1001}, 400),
        ([], 400),
    ],
)
async def test_what_means_nothing_is_refused(street: Street, body: Any, status: int) -> None:
    data = json.dumps(body).encode()
    request = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
    assert problem(await street.raw("demo", "shop", request))[0] == status
    assert await street.as_app("demo", "shop", street.client.tasks) == []


async def test_large_deep_slow_and_broken_requests_harm_nobody(street: Street) -> None:
    head = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n"
    large = b"x" * (10 << 20)
    assert (
        problem(await street.raw("demo", "shop", head + b"Content-Length: %d\r\n\r\n" % len(large) + large))[0] == 413
    )
    chunks = b"".join(b"10000\r\n%b\r\n" % (b"x" * 65536) for _ in range(32))
    assert problem(await street.raw("demo", "shop", head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks))[0] == 413
    deep = b'{"call": "a:b", "args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert problem(await street.raw("demo", "shop", head + b"Content-Length: %d\r\n\r\n" % len(deep) + deep))[0] == 400
    assert problem(await street.raw("demo", "shop", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 414
    assert problem(await street.raw("demo", "shop", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000))[0] == 431
    assert problem(await street.raw("demo", "shop", b"nonsense\r\n\r\n"))[0] == 400
    assert (
        problem(await street.raw("demo", "shop", head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"))[0]
        == 400
    )
    assert problem(await street.raw("demo", "shop", b"DELETE /v1/tasks/x HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 404
    me = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await street.raw("demo", "shop", me * 3)
    assert answer.count(b'{"tenant":"demo","app":"shop"}') == 3
    assert street.door.status()["ok"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
async def test_any_octets_get_an_answer_or_an_end(street: Street, data: bytes) -> None:
    await street.raw("demo", "shop", data)
    assert street.door.status()["ok"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_a_wish_or_invalid(value: Any) -> None:
    from serai.errors import InvalidError

    try:
        for wish in wishes.decode(json.dumps(value).encode()):
            wishes.new_task(wish, wishes.Owner("demo", "shop", "test"), 0.0)
    except InvalidError:
        pass


async def test_many_connections_of_one_leave_room_for_others(street: Street) -> None:
    held = [await asyncio.open_unix_connection(str(street.socket("demo", "shop"))) for _ in range(100)]
    await asyncio.sleep(0.2)
    assert street.door.status()["connections"] <= 64
    me = await street.as_app("other", "shop", street.client._request, "GET", "/v1/me")
    assert me == {"tenant": "other", "app": "shop"}
    for _, writer in held:
        writer.close()


def test_a_bucket_gives_what_its_rate_says() -> None:
    now = 0.0
    bucket = Bucket(10.0, 20.0, lambda: now)
    assert bucket.take(20) == 0.0
    assert bucket.take() == pytest.approx(0.1)
    now = 1.0
    assert bucket.take(10) == 0.0
    assert bucket.take(10) == pytest.approx(1.0)
    now = 10.0
    assert bucket.take(100) == 0.0  # more than a bucket holds, once it is full
    assert bucket.take() > 8.0


async def test_who_asks_too_much_is_told_when_to_ask_again(street: Street) -> None:
    statuses: list[int] = []
    for _ in range(12):
        answer = await street.raw("demo", "shop", b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n" * 60)
        statuses += [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert 429 in statuses
    assert (await street.as_app("demo", "shop", street.client._request, "GET", "/v1/me"))["app"] == "shop"


async def test_one_transaction_holds_all_or_nothing(street: Street) -> None:
    client = street.client
    calls = [client.call("a:a"), client.call("b:b"), {"call": "broken"}]
    with pytest.raises(client.SeraiError, match="module:function"):
        await street.as_app("demo", "shop", client.enqueue_many, calls)
    assert await street.as_app("demo", "shop", client.tasks) == []
    assert len(await street.as_app("demo", "shop", client.enqueue_many, calls[:2])) == 2
    assert Transaction  # the store's own suite tests that one holds


async def test_a_quota_of_waiting_tasks_is_told_at_once_and_nothing_is_inserted(street: Street) -> None:
    street.ctx.store.kinds.add(Tenant)
    await street.ctx.store.put("system", "test", "demo", "demo", Tenant(uid=1, tasks=5))
    client = street.client
    await street.as_app("demo", "shop", client.enqueue_many, [client.call("jobs:f") for _ in range(4)])
    began = time.monotonic()
    for call in (client.enqueue_many, client.group, client.chain):
        with pytest.raises(
            client.SeraiError, match="All applications of demo have 4 tasks that wait, and may have 5"
        ) as refused:
            await street.as_app("demo", "shop", call, [client.call("jobs:f") for _ in range(2)])
        assert (refused.value.code, refused.value.status) == ("exhausted", 429)
    assert time.monotonic() - began < client.PATIENCE, "there is no use in trying again"
    assert len(await Tasks(street.ctx.store).find()) == 4
    assert street.door.status()["full"] == ["demo/shop"]
    await street.as_app("other", "shop", client.enqueue, "jobs:f")


async def test_a_door_that_closes_waits_for_nobody_who_only_waits(street: Street) -> None:
    task = await street.insert(function="jobs:f", tenant="demo", app="shop", queue="work:test", not_before=1e10)
    clients = []
    for path in ("/v1/me", f"/v1/tasks/{task}?wait=60", f"/v1/tasks/{task}/follow", f"/v1/tasks/{task}/watch"):
        reader, writer = await asyncio.open_unix_connection(str(street.socket("demo", "shop")))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: serai\r\n\r\n".encode())
        if "wait" not in path:
            assert await reader.readuntil(b"\r\n\r\n")
        clients.append((reader, writer))
    while street.door.status()["connections"] < len(clients):
        await asyncio.sleep(0.01)

    async def rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answer = await reader.read()
        writer.close()
        return answer

    coming = asyncio.gather(*(rest(*client) for client in clients))
    async with asyncio.timeout(street.ctx.drain / 4):
        await street.shut()
    status, shown = problem((await coming)[1])
    assert (status, shown["state"]) == (200, "to_do")
