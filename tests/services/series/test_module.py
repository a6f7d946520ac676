"""What is told is kept, comes back after a restart, and is answered; a full disk and a damaged file end nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from serai.daemon.figures import CPU, DATA, MEMORY
from serai.errors import ExhaustedError, InvalidError, NotFoundError
from serai.services.series import answers

USED = {CPU: 1250, MEMORY: 64 << 20, DATA: 4096}


async def test_curves_of_app_tenant_and_host_hold_what_was_told(stage: Any) -> None:
    await stage.passes(20)
    await stage.tell(("acme", "shop", {2: 8, 5: 2, 68: 10}), gauges=(("acme", "shop", USED),))
    await stage.passes(3)
    for path in ("acme/shop", "acme", "-"):
        answer = await stage.api.call("GET", f"/v1/series/{path}?from=-10&step=1&names=requests,errors")
        times, requests, errors = answer["columns"]
        assert answer["step"] == 1
        assert (answer["names"], answer["units"]) == (["requests", "errors"], ["1/s", "1/s"])
        assert times == list(range(times[0], times[0] + 9))
        assert (sorted(requests)[-2:], sorted(errors)[-2:]) == ([0, 10], [0, 2])
    answer = await stage.api.call("GET", "/v1/series/acme/shop?from=-10&names=cpu,memory,data,latency.p99")
    assert [column[-1] for column in answer["columns"][1:4]] == [1.25, 64 << 20, 4096]
    assert max(value or 0 for value in answer["columns"][4]) > 0


async def test_the_host_s_own_numbers_are_there(stage: Any) -> None:
    await stage.passes(5)
    answer = await stage.api.call("GET", "/v1/series/-?from=-4&step=1&names=cpu,memory,memory.total,disk,load,net.in")
    for column in answer["columns"][1:]:
        assert column[-1] is not None


async def test_what_was_kept_is_there_after_a_restart(stage: Any) -> None:
    await stage.passes(15)
    await stage.tell(("acme", "shop", {2: 60}), gauges=(("acme", "shop", USED),))
    await stage.passes(2)
    await stage.stop()
    await stage.start()
    await stage.until(lambda: stage.module._board.get("acme/shop"))
    answer = await stage.api.call("GET", "/v1/series/acme/shop?from=-60&step=10&names=requests")
    # A second's requests, over as many of the ten as were looked at.
    assert 6 <= max(value or 0 for value in answer["columns"][1]) <= 60
    [look] = (await stage.api.call("GET", "/v1/glance?tenant=acme&points=60"))["items"]
    assert max(look["curve"]) > 0
    assert (look["cpu"], look["memory"]) == (1.25, 64 << 20)


async def test_many_apps_are_seen_at_a_glance(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_FRESH", 1e9)  # the clock runs ahead while a thread writes
    await stage.until(lambda: stage.module.status()["octets"], 1.0)
    await stage.tell(
        *(("acme", f"app{number}", {2: number * 10, 70: number * 10}) for number in range(1, 8)),
        ("other", "shop", {5: 1000}),
        gauges=(("acme", "app3", USED), ("acme", "idle", USED)),
    )
    await stage.until(lambda: stage.module._board.get("acme/app1"), 0.25)
    page = await stage.api.call("GET", "/v1/glance?tenant=acme&limit=5")
    assert [look["app"] for look in page["items"]] == ["app1", "app2", "app3", "app4", "app5"]
    assert page["next"] == "acme/app5"
    rest = await stage.api.call("GET", f"/v1/glance?tenant=acme&limit=5&after={page['next']}")
    assert ([look["app"] for look in rest["items"]], rest["next"]) == (["app6", "app7", "idle"], "")
    third = page["items"][2]
    assert (third["requests"], third["cpu"], third["memory"], third["data"]) == (3, 1.25, 64 << 20, 4096)
    assert (len(third["curve"]), max(third["curve"]) > 0, third["latency"] > 0) == (30, True, True)
    top = await stage.api.call("GET", "/v1/glance?order=errors&limit=1")
    assert [(look["tenant"], look["errors"]) for look in top["items"]] == [("other", 100)]
    second = await stage.api.call("GET", f"/v1/glance?order=errors&limit=1&after={top['next']}")
    assert second["items"][0]["tenant"] == "acme"
    named = await stage.api.call("GET", "/v1/glance?tenant=acme&apps=app7,never,other/shop")
    assert [(look["app"], look["requests"]) for look in named["items"]] == [("app7", 7), ("never", 0)]


async def test_what_can_not_be_asked_is_refused(stage: Any) -> None:
    for path in ("acme?names=nonsense", "acme?from=0&to=-10", "acme?names=load", "acme?from=-9e9", "-?names=a,b"):
        with pytest.raises(InvalidError):
            await stage.api.call("GET", f"/v1/series/{path}")
    with pytest.raises(InvalidError):
        await stage.api.call("GET", "/v1/glance?points=7")
    with pytest.raises(NotFoundError):
        await stage.api.call("GET", "/v1/series/-/shop")


@pytest.mark.parametrize("name", ["a" * 200, "\x00", "é", "\u202e", "\U0001f600" * 70, ".", "..", "*", "a b", "a?b"])
async def test_odd_names_are_refused(stage: Any, name: str) -> None:
    odd = quote(name, safe="").replace(".", "%2E")
    for path in (
        f"/v1/series/{odd}",
        f"/v1/series/{odd}/shop",
        f"/v1/series/acme/{odd}",
        f"/v1/series/acme?names={odd}",
        f"/v1/glance?tenant=acme&apps={odd}",
        f"/v1/glance?apps=acme%2F{odd}",
        f"/v1/glance?order={odd}",
    ):
        with pytest.raises((InvalidError, NotFoundError)):
            await stage.api.call("GET", path)


NUMBERS = ["nan", "inf", "-inf", "1e309", "1e11", "-1e11", "9" * 400, "", "null", "0x1", "1%00", "\u0661", "true"]


@pytest.mark.parametrize("number", NUMBERS)
async def test_odd_numbers_are_refused(stage: Any, number: str) -> None:
    odd = quote(number, safe="%")
    for path in (
        *(f"/v1/series/acme?{name}={odd}" for name in ("from", "to", "step")),
        f"/v1/series/-?from={odd}&to={odd}",
        f"/v1/glance?limit={odd}",
        f"/v1/glance?points={odd}",
    ):
        with pytest.raises(InvalidError):
            await stage.api.call("GET", path)


@pytest.mark.parametrize("query", ["from=-1e10&to=-9999999990", "from=9999999990&to=1e10&step=1", "from=1&to=50"])
async def test_of_times_of_which_nothing_is_kept_there_is_nothing(stage: Any, query: str) -> None:
    answer = await stage.api.call("GET", f"/v1/series/-?{query}")
    assert not any(value for column in answer["columns"][1:] for value in column)


async def test_a_long_time_comes_in_few_points(stage: Any) -> None:
    for span, step in ((3600, 20), (86400, 300), (7 * 86400, 3600), (365 * 86400, 86400 * 2)):
        answer = await stage.api.call("GET", f"/v1/series/-?from=-{span}")
        assert answer["step"] <= step
        assert len(answer["columns"][0]) <= 400
    answer = await stage.api.call("GET", f"/v1/series/-?from=-{86400}&step=1")
    assert answer["step"] >= 43
    assert len(answer["columns"][0]) <= 2000


async def test_the_names_there_are_say_what_they_are_of(stage: Any) -> None:
    told = await stage.api.call("GET", "/v1/series")
    names = {one["name"]: one for one in told["items"]}
    assert names["requests"]["where"] == ["host", "tenant", "app"]
    assert names["load"]["where"] == ["host"]
    assert names["cpu.max"]["unit"] == "cores"
    assert [level["step"] for level in told["kept"]["levels"]] == [1, 10, 60, 3600]
    assert told["kept"]["max_octets"] == 16 << 20
    of_tenant = await stage.api.call("GET", "/v1/series?tenant=acme")
    assert "load" not in {one["name"] for one in of_tenant["items"]}


async def test_a_full_disk_stops_the_numbers_and_nothing_else(stage: Any) -> None:
    history = stage.module._history
    write = history.write

    def full(*_: Any) -> int:
        raise ExhaustedError("the disk is full")

    history.write = full
    await stage.until(lambda: not stage.module.status()["ok"], 1.0)
    assert "disk is full" in stage.module.status()["reason"]
    await stage.api.call("GET", "/v1/series/-?from=-5")
    history.write = write
    await stage.until(lambda: stage.module.status()["ok"], 5.0)
    assert stage.module.status()["lost_windows"] >= 1


async def test_a_damaged_file_is_begun_anew(stage: Any) -> None:
    await stage.until(lambda: stage.module.status()["octets"], 1.0)
    history = stage.module._history
    history.close()
    path = stage.api.ctx.home / "data/series/series.db"
    for each in path.parent.iterdir():
        each.unlink()
    path.write_bytes(b"nonsense" * 9999)
    await stage.until(lambda: not stage.module.status()["ok"], 1.0)
    await stage.until(lambda: stage.module.status()["ok"], 5.0)
    assert path.read_bytes()[:6] == b"SQLite"


async def test_hostile_messages_are_counted_and_left(stage: Any) -> None:
    for message in (
        None,
        "x",
        {"a": 1},
        ["edge", [["a", "b", {"2": -1}]], []],
        ["edge", [["a", "b", {2: 1 << 60}]], []],
    ):
        await stage.api.ctx.bus.publish("series.told", message)
    await stage.until(lambda: stage.module.status()["refused"] == 5)
