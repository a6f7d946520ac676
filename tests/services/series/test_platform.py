"""The platform's own numbers, of what a supervisor tells; workers come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serai.daemon import figures as f
from serai.services.series.platform import Platform


def status(*workers: tuple[int, dict[str, Any]]) -> dict[str, Any]:
    return {"memory": 1000, "workers": [{"pid": pid, "modules": modules} for pid, modules in workers]}


def test_what_grows_is_told_by_the_second_and_new_workers_count_from_nothing() -> None:
    platform = Platform(Path("/nowhere"))
    first = status((1, {"tasks.bot": {"running": 2, "done": 100, "failed": 0}, "tasks.bot@host": {"done": 5}}))
    told = platform._gauges(first, 10.0)
    assert told == {f.PLATFORM_MEMORY: 1000, f.PLATFORM_WORKERS: 1, f.TASKS_RUNNING: 2}
    second = status(
        (1, {"tasks.bot": {"running": 1, "done": 120, "failed": 1}, "tasks.bot@host": {"done": 5}}),
        (2, {"tasks.bot": {"running": 3, "done": 10, "failed": True}, "edge.http": {"connections": 4}}),
    )
    told = platform._gauges(second, 20.0)
    assert (told[f.TASKS_RUNNING], told[f.TASKS_DONE], told[f.CONNECTIONS]) == (4, 3000, 4)
    third = status((2, {"tasks.bot": {"running": 0, "done": 10}}))
    assert platform._gauges(third, 30.0)[f.TASKS_DONE] == 0


async def test_without_a_supervisor_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert await Platform(tmp_path / "control.sock").look(1.0) == {}
