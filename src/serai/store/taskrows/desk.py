"""Moves of tasks and what follows from each: story, place in the channel, lane, gates, followers."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from serai.errors import InternalError
from serai.store.taskrows.counts import Counts
from serai.store.taskrows.gates import NEVER, Gate
from serai.store.taskrows.shelf import FOLLOWED, GATED, PROBE, RELEASED, UNIQUE, Head, Shelf
from serai.store.taskrows.story import unwritten
from serai.store.tasks import FINAL, MAX_WHY, TRANSITIONS, Scope, State, StoryLine, Task, Wait
from serai.store.tasks_rules import failure

RUNNING = frozenset({"is_processing", "to_cancel"})


class Desk:
    """One transaction's work over an engine's rows. `close` at its end writes down what was learned of gates."""

    def __init__(self, shelf: Shelf, now: float) -> None:
        self.shelf = shelf
        self.now = now
        self.counts = Counts(shelf)
        self.timed = False  # something began to wait for its time
        self._gated: bool | None = None
        self._gates: dict[tuple[Scope, str], Gate | None] = {}
        self._changed: dict[str, Gate] = {}
        self._over: deque[tuple[Task, State]] = deque()
        self._lanes: dict[tuple[str, str, str, str], int] = {}

    @property
    def gated(self) -> bool:
        """Tell whether there is any gate."""
        if self._gated is None:
            self._gated = self.shelf.has_gates()
        return self._gated

    @gated.setter
    def gated(self, gated: bool | None) -> None:
        self._gated = gated

    def move(self, task: Task, new: State, *, who: str, why: str, wait: Wait = "", **columns: Any) -> Task:
        """Take a task to another state and see to what follows; return its row as it is then."""
        if (task.state, new) not in TRANSITIONS:
            raise InternalError(f"nobody moves a task from {task.state} to {new}")
        told = self.shelf.told(task.number)
        line = StoryLine(self.now, who, task.state, new, why[:MAX_WHY])
        self.shelf.tell(task.number, [*unwritten(task, told), line])
        leaves = task.state in RUNNING and new not in RUNNING
        final = new in FINAL
        columns |= {"state": new, "wait": wait, "lane": None, "finished": self.now if final else 0.0}
        columns["ties"] = task.ties & ~(GATED | RELEASED) if leaves else task.ties
        if final and task.ties & UNIQUE:
            columns["lock"] = None
        self.shelf.change(task.number, **columns)
        if task.app and task.state != new:
            self.counts.add(task.tenant, task.app, (new == "to_do") - (task.state == "to_do"))
        if (leaves and task.ties & (GATED | PROBE)) or (final and task.ties & PROBE):
            self.leave_gates(task, well=new == "done", counted=leaves)
        if final and task.channel and task.wait not in {"channel", "tasks"}:
            self.advance(task.channel)
        if final and task.ties & FOLLOWED:
            self._over.append((task, new))
        return self.row(task.number)

    def row(self, number: int) -> Task:
        """Return a row that is there."""
        found = self.shelf.task(number)
        if found is None:
            raise InternalError(f"the row of task {number} is gone")
        return found

    def close(self, who: str) -> None:
        """Release or fail what waited for tasks that are over, write changed gates and counts; ``who`` caused it."""
        while self._over:
            first, end = self._over.popleft()
            for follower in self.shelf.followers(first.number):
                self._one_less(follower, first, end, who)
        for gate in self._changed.values():
            if not gate.in_force:
                self.shelf.release(gate.key)
            if gate.empty:
                self.shelf.drop_gate(gate.scope, gate.name)
            else:
                self.shelf.put_gate(gate, gate.opens(self.now) if gate.in_force else None, self.now)
        self._changed.clear()
        self.counts.write()

    # Waiting.

    def enter(self, task: Task) -> None:
        """Let a task in to_do that waits for no other one stand in its channel's line, or wait for what it has to."""
        if task.channel and self.shelf.inside(task.channel) >= self.window(task.channel):
            self.shelf.change(task.number, wait="channel", lane=None)
        else:
            self.admit(task)

    def stay(self, task: Task) -> None:
        """Let a task that came back wait inside its channel, unless that has become too narrow meanwhile."""
        if task.channel and self.shelf.inside(task.channel) > self.window(task.channel):
            self.shelf.change(task.number, wait="channel", lane=None)
        else:
            self.admit(task)

    def admit(self, task: Task) -> None:
        """Let a task in to_do that is inside its channel, or has none, wait for what it has to."""
        wait = self.reason(task.channel, task.not_before)
        self.shelf.change(task.number, wait=wait, lane=self.lane(task) if wait == "ready" else None)

    def reason(self, channel: str, not_before: float) -> Wait:
        """Return what such a task waits for."""
        if channel and self.shelf.is_paused(channel):
            return "paused"
        return self.when(not_before)

    def when(self, not_before: float) -> Wait:
        """Return what one waits for that waits for its time at most."""
        if not_before <= self.now:
            return "ready"
        self.timed = True
        return "time"

    def advance(self, channel: str) -> None:
        """Let tasks into a channel that has places."""
        free = self.window(channel) - self.shelf.inside(channel)
        for task in self.shelf.behind(channel, free) if free > 0 else ():
            self.admit(task)

    def advance_all(self, channels: Sequence[str]) -> None:
        """Let the next one into each of many channels, together where each has a single place."""
        narrow = []
        for channel in channels:
            if self.window(channel) == 1:
                narrow.append(channel)
            else:
                self.advance(channel)
        let_in: defaultdict[tuple[Wait, int | None], list[int]] = defaultdict(list)
        for head in self.shelf.heads(narrow) if narrow else ():
            wait: Wait = "paused" if head.paused else self.when(head.not_before)
            let_in[wait, self.lane(head) if wait == "ready" else None].append(head.number)
        for (wait, lane), numbers in let_in.items():
            self.shelf.let_in(numbers, wait, lane)

    def window(self, channel: str) -> int:
        """Return how many tasks may be inside a channel."""
        gate = self.gate("channel", channel)
        return gate.window if gate else 1

    def lane(self, task: Task | Head) -> int:
        """Return the lane of a ready task."""
        gate = self.gate("channel", task.channel) if task.channel else None
        key = (task.queue, task.tenant, task.provider, task.channel if gate and gate.rate is not None else "")
        if key not in self._lanes:
            self._lanes[key] = self.shelf.lane(*key)
        return self._lanes[key]

    # Gates.

    def gate(self, scope: Scope, name: str) -> Gate | None:
        """Return a gate, the same object for the whole transaction."""
        if not self.gated:
            return None
        key = (scope, name)
        if key not in self._gates:
            self._gates[key] = self.shelf.gate(scope, name)
        return self._gates[key]

    def own_gate(self, scope: Scope, name: str) -> Gate:
        """Return a gate, a new one where there is none."""
        gate = self.gate(scope, name)
        if gate is None:
            gate = self._gates[scope, name] = Gate(scope=scope, name=name)
            self.gated = True
        return gate

    def gates_of(self, tenant: str, provider: str, channel: str) -> list[Gate]:
        """Return the gates in force that such a task passes."""
        if not self.gated:
            return []
        found = [self.gate("tenant", tenant)]
        if provider:
            found.append(self.gate("provider", provider))
        if channel:
            found.append(self.gate("channel", channel))
        return [gate for gate in found if gate is not None and gate.in_force]

    def touch(self, gate: Gate, *, was_in_force: bool = True) -> None:
        """Write a gate at the end; one that comes into force counts what runs already."""
        if gate.in_force and not was_in_force:
            gate.running = self.shelf.tie_running(gate.scope, gate.name, GATED)
        self._changed[gate.key] = gate

    def leave_gates(self, task: Task, *, well: bool, counted: bool) -> None:
        """Count the end of a run at the gates that it passed, and tell a provider's gate how its probe went."""
        who = f"bot:{task.bot}"
        if task.ties & PROBE and (probed := self.shelf.probed(task.number)):
            gate = self.own_gate("provider", probed.name)
            gate.end(task.number, well=well, counted=False, who=who, now=self.now)
            self.touch(gate)
        if counted and task.ties & GATED:
            self.pass_out(task.number, (task.tenant, task.provider, task.channel), well=well, who=who)

    def pass_out(self, number: int, names: tuple[str, str, str], *, well: bool, who: str) -> None:
        """Count the end of a run that was counted; ``names`` are its tenant, provider and channel."""
        for gate in self.gates_of(*names):
            gate.end(number, well=well, counted=True, who=who, now=self.now)
            self.touch(gate)

    def fail_provider(self, name: str, started: float, *, who: str, why: str) -> None:
        """Note that a provider was down for a run that has ended; what began before its last change is no news."""
        gate = self.own_gate("provider", name)
        if gate.state == "down" or started < gate.since:
            return
        was = gate.in_force
        gate.fail(who, why[:MAX_WHY], self.now)
        self.touch(gate, was_in_force=was)

    def held_back(self, task: Task) -> Wait:
        """Return what a ready task waits for as people see it, as far as rows tell without looking at a clock."""
        for gate in self.gates_of(task.tenant, task.provider, task.channel):
            if gate.state == "down":
                return "provider"
            if gate.opens(gate.filled) >= NEVER or (gate.rate is not None and gate.tokens < 1):
                return "limit" if gate.state == "up" else "provider"
        return "ready"

    def _one_less(self, follower: Task, first: Task, end: State, who: str) -> None:
        if end != "done" and follower.chosen.on_error == "fail":
            why = f"the task {first.id} before it ended in {end}"
            self.move(follower, "error", who=who, why=why, failure=failure("conflict", why))
            return
        self.shelf.change(follower.number, awaits=follower.awaits - 1)
        if follower.awaits <= 1:
            self.enter(follower)
