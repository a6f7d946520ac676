"""What a network-facing worker that was taken over could do to the others by way of the bus: ask to wake an app."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from pathlib import Path

from installation import Installation
from test_day import until

from serai.bus.conformance import expect_error
from serai.bus.open import open_bus
from serai.errors import DeniedError, SeraiError


async def attempts(path: Path) -> None:
    bus = open_bus(f"unix:{path}")

    async def answer(_: object) -> object:
        return {}

    await expect_error(DeniedError, bus.handle("apps.wake", answer))
    await expect_error(DeniedError, bus.handle("apps.logs", answer))
    await expect_error(DeniedError, bus.call("apps.logs", {}))
    await expect_error(DeniedError, bus.subscribe("tasks.*"))
    for subject in ("store.change", "tasks.new", "tasks.cancel", "replica.change"):
        await bus.publish(subject, 1 << 60)
    error = await expect_error(SeraiError, bus.call("apps.wake", {"tenant": "no", "app": "no", "release": 1}))
    assert not isinstance(error, DeniedError), "the edge may ask for that"
    await expect_error(DeniedError, bus.publish("store.change", 1 << 60))
    await bus.close()


def as_user(uid: int, gid: int, path: Path) -> int:
    """Run the attempts as another user; return the exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            asyncio.run(attempts(path))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_edges_user_may_wake_apps_and_nothing_else(own: Installation) -> None:
    own.up()
    path = own.home / "run" / "bus.sock"
    gid = path.stat().st_gid  # the platform's first user ID; the edge's is the next
    assert as_user(gid + 1, gid, path) == 0

    def denied() -> list[dict[str, object]]:
        lines = (own.home / "logs" / "serai.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == "bus.denied"]

    until(lambda: len(denied()) == 8)
    assert {line["uid"] for line in denied()} == {gid + 1}
    assert {(line["verb"], line["subject"]) for line in denied()} >= {
        ("serve", "apps.wake"),
        ("publish", "store.change"),
        ("subscribe", "tasks.*"),
    }
    told = own.json("status")
    assert told["ok"], told["reasons"]
