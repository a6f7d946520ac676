"""What an agent does next, from what it is told and what it sees."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.services.apps.descriptors import Health
from serai.services.apps.reconcile import (
    DRAIN,
    HOPELESS,
    LONGEST_WAIT,
    Action,
    Desired,
    Drain,
    Drop,
    Forget,
    Retire,
    Seen,
    Start,
    Stop,
    Tell,
    Told,
    decide,
    wait_after,
    wake_at,
)

KEY = ("demo", "hello.1.web.0")
HEALTH = Health(start=30, interval=10, timeout=5, failures=3)


def desired(
    *, health: Health | None = HEALTH, on_demand: bool = False, change: int = 5, full: str = "", **fields: Any
) -> Desired:
    instance = Instance(**{"app": "hello", "release": 1, "host": "h", **fields})
    return Desired(instance=instance, change=change, health=health, on_demand=on_demand, idle=60, full=full)


def doings(want: Desired | None, have: Seen | None, now: float = 100.0) -> list[Action]:
    actions = decide({KEY: want} if want else {}, {KEY: have} if have else {}, now)
    return [action for action in actions if not isinstance(action, Tell)]


def tells(want: Desired, have: Seen, now: float = 100.0) -> list[Told]:
    return [action.told for action in decide({KEY: want}, {KEY: have}, now) if isinstance(action, Tell)]


READY = Seen(running=True, good=True, started=50.0, connector="/c")


def test_what_is_wanted_and_not_there_is_started() -> None:
    assert doings(desired(), None) == [Start(KEY)]


def test_nothing_is_done_while_an_action_is_under_way() -> None:
    assert doings(desired(), Seen(busy=True)) == []
    assert doings(desired(wanted="stopped"), replace(READY, busy=True)) == []
    assert doings(None, replace(READY, busy=True)) == []


def test_a_healthy_instance_is_left_alone_and_told_once() -> None:
    assert doings(desired(), READY) == []
    assert tells(desired(), READY) == [Told("ready", "", 0, "/c")]
    assert tells(desired(state="ready", connector="/c"), READY) == []


def test_a_replica_that_is_behind_is_not_told_again() -> None:
    have = replace(READY, told=Told("ready", "", 0, "/c", change=9))
    assert tells(desired(change=5), have) == []
    # But what somebody wrote after us is put right.
    assert tells(desired(change=10, state="failed"), have) == [Told("ready", "", 0, "/c")]


def test_a_crash_waits_longer_each_time_up_to_a_bound() -> None:
    waits = [wait_after(count) for count in range(1, 9)]
    assert waits[0] == 0.1
    assert waits == sorted(waits)
    assert waits[-1] == wait_after(10**6) == LONGEST_WAIT
    assert wait_after(0) == 0


def test_a_crashed_instance_is_started_again_when_its_time_has_come() -> None:
    crashed = Seen(failures=2, restarts=1, retry_at=100.4, reason="exited with status 1")
    assert doings(desired(), crashed, 100.3) == []
    assert doings(desired(), crashed, 100.4) == [Start(KEY)]
    assert tells(desired(), crashed) == [Told("failed", "exited with status 1", 1, "")]
    assert wake_at({KEY: desired()}, {KEY: crashed}, 100.0) == 100.4


def test_an_instance_that_never_answers_is_stopped_as_a_crash() -> None:
    silent = Seen(running=True, started=70.0, reason="nothing listens on 127.0.0.1:8000", connector="/c")
    assert doings(desired(), silent, 99.9) == []
    [stop] = doings(desired(), silent, 100.0)
    assert isinstance(stop, Stop)
    assert "nothing listens" in stop.failure


def test_an_unhealthy_instance_is_reported_and_restarted_when_it_stays_so() -> None:
    bad = replace(READY, good=False, bad_since=100.0, reason="GET / answered 500")
    assert doings(desired(), bad, 110.0) == []
    assert tells(desired(), bad, 110.0) == [Told("unhealthy", "GET / answered 500", 0, "/c")]
    [stop] = doings(desired(), bad, 100.0 + 3 * 3 * 15)
    assert isinstance(stop, Stop)
    assert stop.failure


def test_a_worker_without_a_health_check_is_ready_when_it_runs() -> None:
    assert tells(desired(health=None), Seen(running=True, connector="/c"))[0].state == "ready"
    assert doings(desired(health=None), Seen(running=True, started=0.0), 10_000.0) == []


def test_draining_waits_for_the_last_connection() -> None:
    want = desired(wanted="draining", state="draining", connector="/c")
    assert doings(want, READY) == [Drain(KEY)]
    draining = replace(READY, drain_since=100.0, connections=2)
    assert doings(want, draining, 130.0) == []
    assert doings(want, replace(draining, connections=0), 100.5) == [], "edges may not know yet"
    assert doings(want, replace(draining, connections=0), 101.0) == [Stop(KEY)]
    assert doings(want, replace(draining, connections=None), 101.0) == [], "unknown is not none"


def test_draining_ends_at_the_deadline() -> None:
    draining = replace(READY, drain_since=100.0, connections=2)
    assert doings(desired(wanted="draining"), draining, 100.0 + DRAIN) == [Stop(KEY)]


def test_what_stopped_as_it_was_told_is_forgotten_and_then_dropped() -> None:
    for wanted in ("draining", "stopped"):
        assert doings(desired(wanted=wanted), Seen()) == [Forget(KEY)]
    assert doings(None, Seen()) == [Drop(KEY)]


def test_a_crash_while_draining_is_not_restarted() -> None:
    assert doings(desired(wanted="draining"), Seen(failures=1, reason="signal 9")) == [Forget(KEY)]


def test_an_instance_nobody_names_any_more_is_stopped_and_dropped() -> None:
    assert doings(None, READY) == [Stop(KEY)]
    assert doings(None, Seen()) == [Drop(KEY)]


def test_what_runs_on_demand_retires_when_nobody_asks() -> None:
    idle = replace(READY, idle_since=40.0, connections=0)
    assert doings(desired(on_demand=True), idle, 99.0) == []
    assert doings(desired(on_demand=True), idle, 100.0) == [Retire(KEY)]
    assert doings(desired(on_demand=False), idle, 100.0) == []


def test_what_runs_on_demand_and_keeps_crashing_is_given_up() -> None:
    crashed = Seen(failures=HOPELESS, retry_at=0.0)
    assert doings(desired(on_demand=True), crashed) == [Retire(KEY)]
    assert doings(desired(on_demand=False), crashed) == [Start(KEY)]


def test_wanted_stopped_stops_at_once() -> None:
    assert doings(desired(wanted="stopped"), READY) == [Stop(KEY)]


def test_what_has_no_room_for_its_data_is_stopped_and_not_started_until_it_has() -> None:
    want = desired(full="Its data folder is over its quota of 8 MiB.")
    assert doings(want, READY) == [Stop(KEY)]
    assert doings(want, Seen(), 10_000.0) == []
    assert doings(want, Seen(failures=HOPELESS), 10_000.0) == []
    assert tells(want, Seen()) == [Told("failed", want.full, 0, "")]
    assert doings(replace(want, full=""), Seen()) == [Start(KEY)], "it does not count as a crash"
    assert doings(desired(full="full", wanted="draining"), READY) == [Drain(KEY)]


def test_the_next_look_is_never_more_than_a_second_away_and_never_in_the_past() -> None:
    assert wake_at({}, {}, 7.0) == 8.0
    assert wake_at({KEY: desired()}, {KEY: Seen(retry_at=0.0)}, 7.0) > 7.0
