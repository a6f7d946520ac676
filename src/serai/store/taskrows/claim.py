"""Claim tasks: lanes by their virtual time, as far as gates let them, and in each by priority, then number.

What it costs is lanes looked at and tasks claimed: a lane whose gate has no room is closed, and stands under that gate
until it opens, with all that waits in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.taskrows.desk import Desk
from serai.store.taskrows.gates import UNLIMITED, Gate
from serai.store.taskrows.lanes import MAX_LANES, Lane, Turn, share
from serai.store.taskrows.shelf import GATED, UNIQUE
from serai.store.tasks import MAX_SKIP, Task, Want
from serai.store.tasks_rules import admit

_ROUNDS = 8  # looks at lanes, while there is room and each of them brings something


class Claim:
    """One bot's claim."""

    def __init__(self, desk: Desk, bot: str, want: Want) -> None:
        self._desk = desk
        self._bot = bot
        self._want = want
        self._slots = want.slots
        self._batch = want.batch
        self._free: list[int] = []  # numbers taken without gates, and behind some
        self._gated: list[int] = []
        self._unique: list[int] = []
        self._steps: dict[str, int] = {}

    def take(self) -> list[Task]:
        """Claim what there is room for, of its queues in their order."""
        claimed: list[Task] = []
        for queue in self._want.queues:
            for _ in range(_ROUNDS):
                if not self._places or not self._look(queue):
                    break
                claimed += self._start()
            self._steps.clear()
        return claimed

    def _start(self) -> list[Task]:
        shelf, now = self._desk.shelf, self._desk.now
        started = shelf.take(self._free, self._bot, now, 0) if self._free else []
        if self._gated:
            started += shelf.take(self._gated, self._bot, now, GATED)
        for number in self._unique:
            if self._desk.row(number).chosen.unique == "waiting":
                shelf.change(number, lock=None)
        for chosen in (self._free, self._gated, self._unique):
            chosen.clear()
        return started

    @property
    def _places(self) -> int:
        return self._slots + self._batch

    def _look(self, queue: str) -> bool:
        """Look at some lanes and take from them; return whether another look may bring more."""
        desk = self._desk
        most = min(MAX_LANES, self._places + 8)
        reached = desk.shelf.time(queue)
        lanes = [(lane, self._gates(lane)) for lane in self._lanes(queue, most, reached)]
        turns, changed = [], []
        for lane, gates in lanes:
            room = self._room(lane, gates)
            turns.append(Turn(lane, self._step(lane), room))
            if not room:
                changed.append(lane)
        taken = 0
        empty: list[int] = []
        for (lane, gates), turn, places in zip(lanes, turns, share(turns, self._places), strict=True):
            if not places:
                if turn.room and lane.shut:  # it had room, but others are before it: now it stands among them
                    lane.shut = ""
                    changed.append(lane)
                continue
            got, is_empty = self._from_lane(lane, gates, places)
            taken += got
            if is_empty:
                empty.append(lane.id)
                continue
            if got:
                reached = max(reached, lane.time + turn.step * (got - 1))
                lane.time += turn.step * got
            self._room(lane, gates)
            changed.append(lane)
        self._write(queue, changed, empty, reached)
        return taken > 0 or bool(empty)

    def _lanes(self, queue: str, most: int, reached: float) -> list[Lane]:
        lanes = self._desk.shelf.open_lanes(queue, most)
        if not self._desk.gated:
            return lanes
        reopened = self._desk.shelf.reopened(queue, self._desk.now, most)
        for lane in reopened:  # what was closed gets no more than its share for it
            lane.time = max(lane.time, reached)
        return sorted([*lanes, *reopened], key=lambda lane: (lane.time, lane.id))

    def _gates(self, lane: Lane) -> list[Gate]:
        return self._desk.gates_of(lane.tenant, lane.provider, lane.channel)

    def _room(self, lane: Lane, gates: Sequence[Gate]) -> int:
        """Return how many of a lane may start, and mark it with the gate that closes it."""
        lane.shut, room = "", UNLIMITED
        for gate in gates:
            room = min(room, gate.room(self._desk.now))
            if not room:
                lane.shut = gate.key
                self._desk.touch(gate)
                break
        return room

    def _step(self, lane: Lane) -> int:
        """Return by how much a task moves a lane: a tenant with many of them gets no more for it."""
        if lane.tenant not in self._steps:
            self._steps[lane.tenant] = max(1, self._desk.shelf.siblings(lane.queue, lane.tenant))
        return self._steps[lane.tenant]

    def _from_lane(self, lane: Lane, gates: Sequence[Gate], places: int) -> tuple[int, bool]:
        """Choose from a lane; return how many, and whether that was all that it holds."""
        most = min([places, *(gate.room(self._desk.now) for gate in gates)])
        if most <= 0:
            return 0, False
        rows = self._desk.shelf.ready(lane.id, most)
        chosen = self._choose(rows, most)
        if len(chosen) < len(rows):  # look past some that there is no place for
            more = self._desk.shelf.ready(lane.id, most + MAX_SKIP)
            chosen += self._choose(more[len(rows) :], most - len(chosen))
            rows = more
            is_empty = False
        else:
            is_empty = len(rows) < most
        numbers = [number for number, _, _ in chosen]
        self._unique += [number for number, _, ties in chosen if ties & UNIQUE]
        for gate in gates:
            gate.start(numbers)
            self._desk.touch(gate)
        if gates:
            self._gated += numbers
        else:
            self._free += numbers
        return len(numbers), is_empty

    def _choose(self, rows: Sequence[tuple[int, str, int]], most: int) -> list[tuple[int, str, int]]:
        chosen: list[tuple[int, str, int]] = []
        for row in rows:
            if len(chosen) >= most:
                break
            if place := admit(row[1], self._want, self._slots, self._batch):
                self._slots -= place == "slot"
                self._batch -= place == "batch"
                chosen.append(row)
        return chosen

    def _write(self, queue: str, changed: Sequence[Lane], empty: Sequence[int], reached: float) -> None:
        shelf = self._desk.shelf
        if changed:
            shelf.put_lanes(changed)
        if empty:
            shelf.drop_lanes(empty)
        if changed or empty:
            shelf.put_time(queue, reached)
