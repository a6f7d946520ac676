"""How workloads are stopped, signalled, found again and forgotten."""

from __future__ import annotations

import asyncio

from serai.cloud.drivers.conformance.bench import Bench, Case, expect, said


async def stop_lets_a_program_finish(bench: Bench) -> None:
    """SIGTERM reaches the program, which ends as it wants to."""
    script = "trap 'echo bye; exit 3' TERM; sleep 600 & echo listening; wait"
    async with bench.running("sh", "-c", script) as handle:
        await bench.serving(handle)
        ended = await bench.driver.stop(handle, grace=10)
        expect((ended.code, ended.reason) == (3, "stopped"), (ended.code, ended.reason))
        expect("bye" in said(handle), "bye")


async def stop_kills_what_will_not_end(bench: Bench) -> None:
    """Kill a program that ignores SIGTERM, and its detached children."""
    script = "trap '' TERM; (setsid sleep 1000 &) ; echo listening; while :; do sleep 0.05; done"
    async with bench.running("sh", "-c", script) as handle:
        await bench.serving(handle)
        ended = await bench.driver.stop(handle, grace=0.1)
        expect((ended.code, ended.reason) == (-9, "stopped"), (ended.code, ended.reason))
        expect(not (await bench.driver.usage(handle)).processes)


async def a_signal_reaches_the_first_process(bench: Bench) -> None:
    """signal() sends what it is told, also to a program that handles it."""
    # Nothing in the foreground: dash loses a signal that arrives while it starts a program there (vfork).
    script = "trap 'echo reloaded; exit 0' HUP; sleep 600 & echo listening; wait"
    async with bench.running("sh", "-c", script) as handle:
        await bench.serving(handle)
        await bench.driver.signal(handle, 1)
        await bench.driver.wait(handle)
        expect("reloaded" in said(handle), "reloaded")


async def a_new_agent_finds_what_runs_and_what_ended(bench: Bench) -> None:
    """recover() of another driver object returns both, and wait() tells how the ended one ended."""
    async with bench.running("sleep", "60") as alive, bench.running("sh", "-c", "exit 9") as ended:
        await bench.driver.wait(ended)
        bench.driver = bench.make()
        found = {handle.id: handle for handle in await bench.driver.recover()}
        expect(found[alive.id] == alive, found[alive.id])
        expect((await bench.driver.wait(found[ended.id])).code == 9)
        expect((await bench.driver.usage(found[alive.id])).processes)
        expect((await bench.driver.stop(found[alive.id], grace=5)).reason == "stopped")


async def recovering_leaves_what_is_being_started_alone(bench: Bench) -> None:
    """Have recover() called at any time of a start."""
    starting = asyncio.create_task(bench.driver.start(bench.workload("sleep", "60")))
    while not starting.done():
        await bench.driver.recover()
        await asyncio.sleep(0.001)
    handle = await starting
    expect((await bench.driver.usage(handle)).processes)
    await bench.driver.stop(handle, grace=0)
    await bench.driver.remove(handle)


async def a_cancelled_start_leaves_nothing(bench: Bench) -> None:
    """Cancel start() at several moments; its ID is free again and nothing runs."""
    for moment in (0.0, 0.01, 0.03, 0.06):
        starting = asyncio.create_task(bench.driver.start(bench.workload("sleep", "60", id="cancelled")))
        await asyncio.sleep(moment)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        if not starting.cancelled():
            await bench.driver.stop(starting.result(), grace=0)
            await bench.driver.remove(starting.result())
    async with bench.running("sleep", "60", id="cancelled") as handle:
        expect((await bench.driver.usage(handle)).processes == 1, await bench.driver.usage(handle))


async def removing_twice_is_fine(bench: Bench) -> None:
    """remove() of what is gone does nothing."""
    handle = await bench.driver.start(bench.workload("true"))
    await bench.driver.wait(handle)
    await bench.driver.remove(handle)
    await bench.driver.remove(handle)
    expect(not handle.folder.exists())


CASES: tuple[Case, ...] = (
    stop_lets_a_program_finish,
    stop_kills_what_will_not_end,
    a_signal_reaches_the_first_process,
    a_new_agent_finds_what_runs_and_what_ended,
    recovering_leaves_what_is_being_started_alone,
    a_cancelled_start_leaves_nothing,
    removing_twice_is_fine,
)
