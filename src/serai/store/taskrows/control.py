"""What people ask for: cancel, retry, pause, resume, limits, providers."""

from __future__ import annotations

from typing import Any

from serai.errors import ConflictError
from serai.store.contract import Holding
from serai.store.taskrows.desk import Desk
from serai.store.taskrows.gates import Gate
from serai.store.taskrows.shelf import FOLLOWED, UNIQUE
from serai.store.tasks import FINAL, MAX_AFTER, MAX_DUE, Pause, Rule, Scope, State, Task, Wait
from serai.store.tasks_rules import check_rule


def cancel(desk: Desk, task: Task, *, who: str, why: str) -> State:
    """Cancel what waits, its waiting children included; ask for it where it runs."""
    if task.state in {"to_cancel", "canceled"}:
        return task.state
    if task.state not in {"to_do", "is_processing"}:
        raise ConflictError(f"The task is over: {task.state}.", state=task.state)
    new: State = "canceled" if task.state == "to_do" else "to_cancel"
    desk.move(task, new, who=who, why=why)
    parents, left = [task], MAX_AFTER
    while parents and left > 0:
        parent = parents.pop()
        for found in desk.shelf.children(parent.id, left):
            child = desk.row(found.number)  # the end of the one before may have let it into their channel
            if child.state == "to_do" and child.tenant == parent.tenant:
                left -= 1
                desk.move(child, "canceled", who=who, why=f"its parent {parent.id} was canceled")
                parents.append(child)
    return new


def retry(desk: Desk, task: Task, *, who: str, why: str) -> None:
    """Put a task that ended in error or canceled back to to_do, with all its retries."""
    if task.state not in {"error", "canceled"}:
        raise ConflictError(f"Only what ended in error or canceled is run again, not {task.state}.", state=task.state)
    again: dict[str, Any] = {"failures": 0, "lost": 0, "not_before": 0.0, "expires": 0.0, "progress": 0.0}
    if task.ties & UNIQUE:
        if holder := desk.shelf.holder(task.tenant, task.key):
            raise ConflictError(f"Its key was given to the task {holder}.", task=holder)
        again["lock"] = task.key
    firsts = desk.shelf.firsts(task.number)
    bad = next((first for first in firsts if first.state in {"error", "canceled"}), None)
    if bad and task.chosen.on_error == "fail":
        raise ConflictError(f"The task {bad.id} before it ended in {bad.state}: run that again first.", task=bad.id)
    awaits = sum(first.state not in FINAL for first in firsts)
    wait: Wait = "tasks" if awaits else "channel"
    again |= {"awaits": awaits, "sentence": ""}
    back = desk.move(task, "to_do", who=who, why=why, wait=wait, **again)
    if not awaits:
        desk.enter(back)
    if task.ties & FOLLOWED:
        for follower in desk.shelf.followers(task.number):
            desk.shelf.change(follower.number, awaits=follower.awaits + 1)


def unpark(desk: Desk, tenant: str, app: str) -> int:
    """Let tasks of an app go that wait for somebody who knows their function; return how many.

    What runs now may have looked for it just before, and is not parked either when it says so.
    """
    desk.shelf.release_running(tenant, app)
    found = desk.shelf.parked_of(tenant, app, MAX_DUE)
    for task in found:
        desk.admit(task)
    return len(found)


def pause(desk: Desk, channel: str, *, who: str, why: str) -> None:
    """Start nothing more of a channel; what runs goes on."""
    desk.shelf.put_pause(Pause(channel, who, desk.now, why))
    _refresh(desk, channel)


def resume(desk: Desk, channel: str) -> bool:
    """End a pause; return whether there was one."""
    if not desk.shelf.drop_pause(channel):
        return False
    _refresh(desk, channel)
    return True


def limit(desk: Desk, scope: Scope, name: str, rule: Rule, *, who: str, why: str) -> None:
    """Set what is allowed at most in a scope; an empty rule ends it."""
    check_rule(scope, name, rule)
    gate = desk.own_gate(scope, name)
    was = gate.in_force
    gate.set(rule, who, why, desk.now)
    desk.touch(gate, was_in_force=was)
    if scope == "channel":
        _refresh(desk, name)
        desk.advance(name)


def declare(desk: Desk, name: str, *, up: bool, who: str, why: str) -> None:
    """Take a person's word for a provider's condition."""
    gate = desk.own_gate("provider", name)
    was = gate.in_force
    if not up:
        gate.fail(who, why, desk.now, declared=True)
    elif gate.state == "down":
        gate.resume(who, why, desk.now)
    desk.touch(gate, was_in_force=was)


def hold(desk: Desk, what: Holding, *, who: str, why: str) -> None:
    """Do what an operation of a transaction says."""
    if what.verb == "pause":
        pause(desk, what.name, who=who, why=why)
    elif what.verb == "resume":
        resume(desk, what.name)
    elif what.verb == "limit":
        limit(desk, what.scope, what.name, what.rule, who=who, why=why)
    else:
        declare(desk, what.name, up=what.verb == "up", who=who, why=why)


def set_prober(desk: Desk, name: str, function: str) -> None:
    """Keep the function that tries whether a provider is up."""
    gate = desk.own_gate("provider", name)
    gate.prober = function
    desk.touch(gate, was_in_force=gate.in_force)


def shown(desk: Desk, gate: Gate) -> int:
    """Return how many run under a limit, or are inside a channel."""
    return desk.shelf.inside(gate.name) if gate.scope == "channel" else gate.running


def _refresh(desk: Desk, channel: str) -> None:
    """Let what is inside a channel wait for what it has to now; the last ones go out where there are too many."""
    inside = desk.shelf.waiting_inside(channel)
    surplus = desk.shelf.inside(channel) - desk.window(channel)
    for task in reversed(inside):
        if surplus > 0:
            surplus -= 1
            desk.shelf.change(task.number, wait="channel", lane=None)
        elif task.wait != "function":
            desk.admit(task)
