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

_SPARE = 8  # lanes looked at beyond the places that there are: some turn out empty or closed


class Places:
    """What a bot has room for, and what was chosen for it."""

    def __init__(self, want: Want) -> None:
        self._want = want
        self.slots = want.slots
        self.batch = want.batch
        self.free: list[int] = []  # numbers of those that pass no gate
        self.gated: list[int] = []

    @property
    def left(self) -> int:
        """Return how many more there is room for."""
        return self.slots + self.batch

    def fit(self, function: str) -> bool:
        """Tell whether there is a place for a task."""
        return bool(admit(function, self._want, self.slots, self.batch))

    def take(self, function: str) -> bool:
        """Take a place for a task, if there is one for its sort."""
        place = admit(function, self._want, self.slots, self.batch)
        self.slots -= place == "slot"
        self.batch -= place == "batch"
        return bool(place)


class Source:
    """A lane during a claim: what was read of it, and what was chosen."""

    def __init__(self, desk: Desk, lane: Lane, step: int) -> None:
        self.lane = lane
        self.step = step
        self.gates: Sequence[Gate] = desk.gates_of(lane.tenant, lane.provider, lane.channel)
        self.chosen = 0
        self.spent = False
        self._desk = desk
        self._rows: list[tuple[int, str]] = []
        self._at = 0
        self._unfit = 0
        self._whole = False  # all that the lane holds was read

    @property
    def empty(self) -> bool:
        """Tell whether all that the lane holds was chosen."""
        return self._whole and self._at == len(self._rows) and not self._unfit

    def room(self) -> int:
        """Return how many more may start, and mark the lane with the gate that closes it."""
        self.lane.shut, room = "", UNLIMITED
        for gate in self.gates:
            room = min(room, gate.room(self._desk.now))
            if not room:
                self.lane.shut = gate.key
                self._desk.touch(gate)
                break
        return room

    def choose(self, places: Places, most: int) -> int:
        """Choose so many at most, past few that there is no place for; return how many."""
        most = min(most, self.room())
        numbers: list[int] = []
        while len(numbers) < most and not self.spent:
            if self._at == len(self._rows) and not self._read(most - len(numbers)):
                self.spent = True
                break
            number, function = self._rows[self._at]
            self._at += 1
            if places.take(function):
                numbers.append(number)
            else:
                self._unfit += 1
                self.spent = self._unfit >= MAX_SKIP or not self._goes_on(places)
        for gate in self.gates:
            gate.start(numbers)
            self._desk.touch(gate)
        (places.gated if self.gates else places.free).extend(numbers)
        self.chosen += len(numbers)
        self.spent = self.spent or not self.room()
        return len(numbers)

    def _goes_on(self, places: Places) -> bool:
        """Tell whether there is a place for any of the next tasks, before all of them are read."""
        if self._unfit > 1:
            return True
        left = {function for _, function in self._rows[self._at :]}
        left |= set() if self._whole else self._desk.shelf.functions(self.lane.id, MAX_SKIP, len(self._rows))
        return any(places.fit(function) for function in left)

    def _read(self, wanted: int) -> bool:
        if self._whole:
            return False
        limit = MAX_SKIP if self._unfit else wanted
        rows = self._desk.shelf.ready(self.lane.id, limit, len(self._rows))
        self._rows += rows
        self._whole = len(rows) < limit
        return bool(rows)


def claim(desk: Desk, bot: str, want: Want) -> list[Task]:
    """Claim what a bot has room for, of its queues in their order."""
    places = Places(want)
    for queue in want.queues:
        if places.left:
            _choose(desk, queue, places)
    started = desk.shelf.take(places.free, bot, desk.now, 0) if places.free else []
    if places.gated:
        started += desk.shelf.take(places.gated, bot, desk.now, GATED)
    for task in started:
        if task.app:
            desk.counts.add(task.tenant, task.app, -1)
        if task.ties & UNIQUE and task.chosen.unique == "waiting":
            desk.shelf.change(task.number, lock=None)
    return started


def width(places: int) -> int:
    """Return how many lanes of a queue a claim looks at."""
    return min(MAX_LANES, places + _SPARE)


def _choose(desk: Desk, queue: str, places: Places) -> None:
    shelf = desk.shelf
    sources, reached = _sources(desk, queue, width(places.left))
    if len(sources) == 1 and not desk.gated:  # what follows would come to the same
        [source] = sources
        source.choose(places, places.left)
        if source.empty:
            shelf.drop_lanes([source.lane.id])
        return
    while places.left:
        turns = [Turn(s.lane.time + s.step * s.chosen, s.step, 0 if s.spent else s.room()) for s in sources]
        parts = share(turns, places.left)
        if not sum([source.choose(places, part) for source, part in zip(sources, parts, strict=True) if part]):
            break
    # A lane without rivals needs no time, and writing it would cost as much as a task.
    rivals = sources if len(sources) > 1 or desk.gated else []
    for source in rivals:
        if source.chosen:
            reached = max(reached, source.lane.time + source.step * (source.chosen - 1))
            source.lane.time += source.step * source.chosen
    empty = [source.lane.id for source in sources if source.empty]
    changed = [source.lane for source in rivals if not source.empty and (source.chosen or source.lane.shut)]
    if changed:
        shelf.put_lanes(changed)
    if empty:
        shelf.drop_lanes(empty)
    if changed:
        shelf.put_time(queue, reached)


def _sources(desk: Desk, queue: str, most: int) -> tuple[list[Source], float]:
    """Return the lanes that are next, those whose gate opens among them, and the time that their queue has reached."""
    lanes = desk.shelf.open_lanes(queue, most)
    if len(lanes) < 2 and not desk.gated:  # a lane without rivals needs no time
        return [Source(desk, lane, 1) for lane in lanes], 0.0
    reached = desk.shelf.time(queue)
    if desk.gated:
        reopened = desk.shelf.reopened(queue, desk.now, most)
        for lane in reopened:  # it gets its share from now on, and nothing for the time when it was closed
            lane.time = max(lane.time, reached)
        lanes = sorted([*lanes, *reopened], key=lambda lane: (lane.time, lane.id))
    if len(lanes) == 1:
        return [Source(desk, lanes[0], 1)], reached
    steps = {tenant: desk.shelf.siblings(queue, tenant) for tenant in {lane.tenant for lane in lanes}}
    for lane in lanes:
        steps[lane.tenant] += bool(lane.shut)
    return [Source(desk, lane, steps[lane.tenant]) for lane in lanes], reached
