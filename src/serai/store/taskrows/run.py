"""What bots live by: acknowledge what is over, claim what comes next; report; be struck off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from serai.errors import ConflictError
from serai.store.taskrows.claim import claim
from serai.store.taskrows.desk import RUNNING, Desk
from serai.store.taskrows.insert import probe
from serai.store.taskrows.shelf import CHANNEL, GATED, RELEASED, UNIQUE
from serai.store.tasks import (
    MAX_DUE,
    MAX_LINE,
    MAX_LOST,
    Exchange,
    Finish,
    Note,
    State,
    Task,
    Want,
)
from serai.store.tasks_rules import failure, settle

#: When the next row's time comes, and when the next one expires.
Timers = tuple[float | None, float | None]

_PROBES = 16  # providers tried by one exchange


def exchange(desk: Desk, bot: str, finishes: Sequence[Finish], want: Want) -> Exchange:
    """Acknowledge what is over and claim what comes next."""
    look = desk.shelf.look(bot)
    if not look.known:
        raise _lost(bot)
    desk.gated = look.gated
    refused = acknowledge(desk, bot, finishes)
    # What waits again may have a time or an end, too.
    again = desk.timed or any(finish.state == "to_do" for finish in finishes)
    due = wake(desk, want, None if again else (look.due, look.expires))
    desk.close(f"bot:{bot}")  # what this releases may be claimed at once
    claimed = claim(desk, bot, want) if want.slots or want.batch else []
    desk.close(f"bot:{bot}")
    opening = desk.shelf.next_opening(desk.now) if desk.gated else None
    return Exchange(claimed, refused, min([time for time in (*due, opening) if time is not None], default=None))


def check(desk: Desk, bot: str) -> None:
    """Raise `ConflictError` for a bot that was struck off."""
    if not desk.shelf.has_bot(bot):
        raise _lost(bot)


def beat(desk: Desk, bot: str) -> None:
    """Count a beat, or raise `ConflictError` for a bot that was struck off."""
    if not desk.shelf.beat(bot):
        raise _lost(bot)


def acknowledge(desk: Desk, bot: str, finishes: Sequence[Finish]) -> list[int]:
    """Write how runs ended; return the numbers of those that the bot does not hold."""
    quick: set[int] = set()
    channels: dict[str, None] = {}
    for run, numbers in plain(finishes).items():
        for done in desk.shelf.finish(bot, run, numbers, desk.now):
            quick.add(done.number)
            if done.ties & GATED:
                names = (done.tenant, done.provider, done.channel)
                desk.pass_out(done.number, names, well=True, who=f"bot:{bot}")
            if done.ties & CHANNEL:
                channels[done.channel] = None
    if channels:
        desk.advance_all(list(channels))
    results = [(f.number, f.outcome) for f in finishes if f.outcome and f.number in quick]
    if results:
        desk.shelf.keep(results)
    return [f.number for f in finishes if f.number not in quick and not _end(desk, bot, f)]


def plain(finishes: Sequence[Finish]) -> dict[int, list[int]]:
    """Return the numbers of those that just went well, by run."""
    found: dict[int, list[int]] = defaultdict(list)
    for finish in finishes:
        if finish.state == "done" and not finish.why:
            found[finish.run].append(finish.number)
    return found


def wake(desk: Desk, want: Want, known: Timers | None) -> Timers:
    """Make ready what no longer waits: for a function, for its time; end what had to start; try providers.

    ``known`` are the timers, where nothing changed them since they were looked at. Return when the next one's time
    comes, and when the next one has to have started.
    """
    for function in want.known:
        for task in desk.shelf.parked(function, MAX_DUE):
            desk.admit(task)
    timers = desk.shelf.timers() if known is None or desk.timed else known
    if any(timer is not None and timer <= desk.now for timer in timers):
        for late in desk.shelf.expired(desk.now, MAX_DUE):
            why = "it had to start earlier and did not"
            task = desk.row(late.number)  # the end of the one before may have let it into their channel
            desk.move(task, "error", who="system", why=why, failure=failure("deadline", why))
        for task in desk.shelf.due(desk.now, MAX_DUE):
            desk.admit(task)
        timers = desk.shelf.timers()
    for due in desk.shelf.probers_due(desk.now, _PROBES) if desk.gated else ():
        gate = desk.own_gate("provider", due.name)
        gate.probe = probe(desk, gate.prober, gate.name)
        desk.touch(gate)
    return timers


def note(desk: Desk, bot: str, notes: Sequence[Note]) -> None:
    """Keep progress and log lines of runs that the bot holds; those of others are dropped."""
    check(desk, bot)
    for each in notes:
        task = desk.shelf.task(each.number)
        if task is None or not _holds(task, bot, each.run):
            continue
        if each.progress is not None:
            progress = min(max(each.progress, 0.0), 1.0)
            desk.shelf.change(each.number, progress=progress, sentence=each.sentence[:MAX_LINE])
        if each.lines:
            desk.shelf.log(each.number, [(at, text[:MAX_LINE]) for at, text in each.lines])


def bury(desk: Desk, bot: str, beat: int | None, why: str, *, who: str) -> list[str]:
    """Strike a bot off and hand its tasks back; return their ids."""
    if not desk.shelf.drop_bot(bot, beat):
        return []
    held = desk.shelf.held(bot)
    for task in held:
        lost = task.lost + (beat is not None)
        new: State = "canceled" if task.state == "to_cancel" else "to_do"
        said = why
        more: dict[str, Any] = {}
        if new == "to_do" and lost >= MAX_LOST:
            new, said = "error", f"{why}; {lost} bots died while they ran it"
            more["failure"] = failure("internal", said)
        _moved(desk, task, new, who=who, why=said, lost=lost, **more)
    desk.close(who)
    return [task.id for task in held]


def _end(desk: Desk, bot: str, finish: Finish) -> bool:
    task = desk.shelf.task(finish.number)
    if task is None or not _holds(task, bot, finish.run):
        return False
    new = settle(task.state, finish)
    changed: dict[str, Any] = {"not_before": finish.not_before, "failures": task.failures + finish.burn}
    if new == "done":
        changed["progress"] = 1.0
    if finish.error:
        changed["failure"] = finish.error
    if finish.outcome:
        desk.shelf.keep([(finish.number, finish.outcome)])
    if finish.provider and new == "to_do":
        changed["provider"] = finish.provider
    who = f"bot:{bot}"
    parks = finish.park and new == "to_do" and not task.ties & RELEASED
    _moved(desk, task, new, who=who, why=finish.why, parks=parks, **changed)
    if finish.provider:
        desk.fail_provider(finish.provider, task.started, who=who, why=finish.why)
    return True


def _moved(desk: Desk, task: Task, new: State, *, who: str, why: str, parks: bool = False, **changed: Any) -> None:
    if new == "to_do" and task.ties & UNIQUE and not desk.shelf.holder(task.tenant, task.key):
        changed["lock"] = task.key  # one that was to be alone while it waited waits again
    back = desk.move(task, new, who=who, why=why, wait="function" if parks else "", **changed)
    if new == "to_do" and not parks:
        desk.stay(back)


def _lost(bot: str) -> ConflictError:
    return ConflictError(f"The bot {bot} is not enlisted any more: its lease was lost.", bot=bot)


def _holds(task: Task, bot: str, run: int) -> bool:
    return task.bot == bot and task.run == run and task.state in RUNNING
