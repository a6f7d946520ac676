"""Rows of tasks: whatever happens, two engines agree, the promises hold, and in the end nothing is stuck."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serai.errors import ConflictError
from serai.store import tasks_rules
from serai.store.contract import NewTask
from serai.store.embedded.migrate import migrate, shipped
from serai.store.embedded.tasks import ROWS as EMBEDDED
from serai.store.memory.tasks import ROWS as MEMORY
from serai.store.tasks import FINAL, TRANSITIONS, Filter, Finish, Rule, Task, Want

BOTS = ("b0", "b1", "b2")
SCOPES = ("tenant", "provider", "channel")
RUNS = frozenset({"is_processing", "to_cancel"})
picks = st.integers(0, 30)
scopes = st.sampled_from([("tenant", "a"), ("tenant", "b"), ("channel", "x"), ("provider", "p"), ("provider", "q")])
rules = st.sampled_from([Rule(), Rule(most=1), Rule(most=2), Rule(rate=60.0, burst=2.0), Rule(most=3, rate=120.0)])


class TwoEngines(RuleBasedStateMachine):
    """Do the same to SQLite and to memory."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self.connection, shipped(), 0.0)
        self.cursor = self.connection.cursor()
        self.state: dict[str, object] = {}
        self.now = 1000.0
        self.ids: list[str] = []
        self.held: dict[str, list[Task]] = {}
        self.names = itertools.count()
        self.calls = 0
        self.chance = random.Random()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(tasks_rules.secrets, "randbits", self.chance.getrandbits)

    def both(self, name: str, *arguments: Any, **more: Any) -> Any:
        results = []
        self.calls += 1
        for rows, tx in ((EMBEDDED, self.cursor), (MEMORY, self.state)):
            self.chance.seed(self.calls)  # both give their probes the same ids
            try:
                results.append(getattr(rows, name)(tx, *arguments, **more))
            except ConflictError:
                results.append("conflict")
        assert results[0] == results[1], (name, *results)
        return results[0]

    def pick(self, number: int) -> str:
        return self.ids[number % len(self.ids)]

    @rule(
        channel=st.sampled_from(["", "", "x", "y"]),
        tenant=st.sampled_from(["a", "b"]),
        app=st.sampled_from(["", "m", "n"]),
        priority=st.integers(0, 1),
        delay=st.sampled_from([0, 0, 7]),
        expires=st.sampled_from([0, 0, 0, 9]),
        function=st.sampled_from(["f", "g"]),
        key=st.sampled_from(["", "", "k"]),
        unique=st.sampled_from(["ever", "live", "waiting"]),
        provider=st.sampled_from(["", "p", "q"]),
        on_error=st.sampled_from(["fail", "run"]),
        befores=st.lists(picks, max_size=2),
        parent=picks,
    )
    def insert(self, delay: int, expires: int, befores: list[int], parent: int, **fields: Any) -> None:
        known = {task.id: task.tenant for task in self.both("find", Filter(limit=1000))} if self.ids else {}
        after = tuple({self.pick(n): None for n in befores if self.ids and known[self.pick(n)] == fields["tenant"]})
        task = NewTask(
            id=f"t{next(self.names)}",
            not_before=self.now + delay,
            expires=self.now + expires if expires else 0.0,
            after=after,
            parent=self.pick(parent) if self.ids and parent < 10 else "",
            **fields,
        )
        identity = self.both("insert", task, who="user:x", now=self.now)
        if identity not in self.ids:
            self.ids.append(identity)

    @rule(bot=st.sampled_from(BOTS))
    def enlist(self, bot: str) -> None:
        if bot not in self.held:
            self.both("enlist", bot, ("any",), now=self.now)
            self.held[bot] = []

    @rule(
        bot=st.sampled_from(BOTS),
        ends=st.lists(st.sampled_from(["done", "done", "error", "to_do", "late", "park", "down"]), max_size=3),
        slots=st.integers(0, 3),
        batch=st.integers(0, 2),
        known=st.booleans(),
    )
    def exchange(self, bot: str, ends: list[str], slots: int, batch: int, known: bool) -> None:
        finishes = []
        for end, task in zip(ends, list(self.held.get(bot, [])), strict=False):
            self.held[bot].remove(task)
            state = end if end in {"done", "error"} else "to_do"
            more = {"burn": end == "late", "park": end == "park", "not_before": self.now + 5 if end == "late" else 0.0}
            more |= {"outcome": b"\x01" if end == "done" and task.number % 2 else b""}
            more |= {"provider": (task.provider or "p") if end == "down" else ""}
            finishes.append(Finish(number=task.number, run=task.run, state=state, **more))
        functions = frozenset({"f", "g", "p.check"}) if known else frozenset()
        want = Want(queues=("any",), slots=slots, batch=batch, short=frozenset({"g"}), known=functions)
        before = self.running()
        got = self.both("exchange", bot, finishes, want, now=self.now)
        if got == "conflict":
            assert bot not in self.held
            return
        assert got.refused == []
        assert sum(task.function == "g" for task in got.claimed) <= batch
        assert len(got.claimed) <= slots + batch
        self.held[bot] += got.claimed
        self.ids += [task.id for task in got.claimed if task.id not in self.ids]
        self.limits_hold(before, got.claimed)

    def running(self) -> Counter[tuple[str, str]]:
        return Counter((scope, getattr(task, scope)) for task in self.live() if task.state in RUNS for scope in SCOPES)

    def live(self) -> list[Task]:
        return [task for task in MEMORY.find(self.state, Filter(limit=1000)) if task.state not in FINAL]

    def limits_hold(self, before: Counter[tuple[str, str]], claimed: list[Task]) -> None:
        """No claim goes beyond a limit, though what ran before it was set may."""
        now = self.running()
        started = Counter((scope, getattr(task, scope)) for task in claimed for scope in SCOPES)
        for limit in self.both("limits"):
            key = (limit.scope, limit.name)
            if limit.rule.most is not None and started[key]:
                assert now[key] <= limit.rule.most, limit
            if limit.scope != "channel" and limit.rule.most is not None:
                assert limit.running == now[key], (limit, before, now)
        for provider in self.both("providers"):
            if provider.state == "down" and provider.declared:
                assert not started["provider", provider.name]

    @precondition(lambda self: self.ids)
    @rule(number=picks)
    def cancel(self, number: int) -> None:
        self.both("cancel", self.pick(number), who="user:x", why="", now=self.now)

    @precondition(lambda self: self.ids)
    @rule(number=picks)
    def retry(self, number: int) -> None:
        self.both("retry", self.pick(number), who="user:x", why="", now=self.now)

    @rule(channel=st.sampled_from(["x", "y"]))
    def pause(self, channel: str) -> None:
        self.both("pause", channel, who="user:x", why="", now=self.now)

    @rule(channel=st.sampled_from(["x", "y"]))
    def resume(self, channel: str) -> None:
        self.both("resume", channel, now=self.now)

    @rule(scope=scopes, wanted=rules)
    def limit(self, scope: tuple[str, str], wanted: Rule) -> None:
        self.both("limit", *scope, wanted, who="user:x", why="", now=self.now)

    @rule(provider=st.sampled_from(["p", "q"]), wish=st.sampled_from(["down", "up", "p.check", ""]))
    def provide(self, provider: str, wish: str) -> None:
        more = {"who": "user:x", "why": ""} if wish in {"down", "up"} else {"function": wish}
        self.both(f"provider_{wish if wish in {'down', 'up'} else 'probe'}", provider, **more, now=self.now)

    @rule(bot=st.sampled_from(BOTS), died=st.booleans())
    def bury(self, bot: str, died: bool) -> None:
        beats = {row.name: row.beat for row in self.both("bots")}
        self.both("bury", bot, beats.get(bot) if died else None, "gone", who="clock", now=self.now)
        self.held.pop(bot, None)

    @rule(tenant=st.sampled_from(["a", "b"]), app=st.sampled_from(["m", "n"]))
    def unpark(self, tenant: str, app: str) -> None:
        self.both("unpark", tenant, app, now=self.now)

    @rule(seconds=st.sampled_from([1, 6, -3]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def engines_agree_and_promises_hold(self) -> None:
        tasks: list[Task] = self.both("find", Filter(limit=1000))
        probes = {task.id for task in tasks if task.function == "p.check"}
        assert {task.id for task in tasks} == set(self.ids) | probes
        self.channels_hold(tasks)
        live = Counter((t.tenant, t.key) for t in tasks if t.key and t.chosen.unique == "live" and t.state not in FINAL)
        assert all(count <= 1 for count in live.values()), live
        assert not [one for one in self.both("miscounted") if one.by]
        states = {task.id: task.state for task in tasks}
        for task in tasks:
            assert bool(task.bot) == (task.state in RUNS)
            assert bool(task.wait) == (task.state == "to_do")
            assert bool(task.finished) == (task.state in FINAL)
            assert task.bot == "" or task.number in {held.number for held in self.held[task.bot]}
            if task.wait == "tasks":
                ended = self.both("results", task.id)
                assert task.awaits == sum(states[one.id] not in FINAL for one in ended) > 0
            assert set(moves := [(line.old, line.new) for line in self.both("story", task.id)]) <= set(TRANSITIONS)
            assert [new for _, new in moves[:-1]] == [old for old, _ in moves[1:]]
            assert moves[-1][1] == task.state

    def channels_hold(self, tasks: list[Task]) -> None:
        """As many are inside a channel as may be, and those that started did so in order."""
        windows = {limit.name: limit.rule.most or 1 for limit in self.both("limits") if limit.scope == "channel"}
        for channel in ("x", "y"):
            mine = [task for task in tasks if task.channel == channel and task.state not in FINAL]
            inside = [task for task in mine if task.wait not in {"channel", "tasks"}]
            behind = [task for task in mine if task.wait == "channel"]
            window = windows.get(channel, 1)
            assert len([task for task in inside if task.state == "to_do"]) <= window
            assert not behind or len(inside) >= window, "a channel is stuck"

    def teardown(self) -> None:
        """Let all gates open and all bots die: then everything comes to its end."""
        try:
            for scope, name in {(limit.scope, limit.name) for limit in self.both("limits")}:
                if scope != "provider":  # those stay, and must let everything through in the end
                    self.both("limit", scope, name, Rule(), who="user:x", why="", now=self.now)
            for pause in self.both("pauses"):
                self.both("resume", pause.channel, now=self.now)
            for provider in self.both("providers"):
                if provider.declared:
                    self.both("provider_up", provider.name, who="user:x", why="", now=self.now)
            for bot in list(self.held):
                self.both("bury", bot, None, "gone", who="clock", now=self.now)
            self.both("enlist", "last", ("any",), now=self.now)
            finishes: list[Finish] = []
            functions = frozenset({"f", "g", "p.check"})
            want = Want(queues=("any",), slots=3, batch=2, short=frozenset({"g"}), known=functions)
            for _ in range(100):
                got = self.both("exchange", "last", finishes, want, now=self.now)
                finishes = [Finish(number=task.number, run=task.run, state="done") for task in got.claimed]
                self.now += 0.0 if got.claimed else 400.0
            assert not self.live(), self.live()
        finally:
            self.patch.undo()
            self.connection.close()


TwoEngines.TestCase.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTwoEngines = TwoEngines.TestCase
