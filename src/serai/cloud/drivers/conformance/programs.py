"""What a program gets and how its end is told."""

from __future__ import annotations

import signal

from serai.cloud.drivers.conformance.bench import Bench, Case, expect
from serai.cloud.drivers.contract import Mount
from serai.errors import AlreadyExistsError, InvalidError

SIGNALS = "grep -E '^Sig(Blk|Ign)' /proc/self/status"  # what is blocked and ignored
#: The C library's own (signal(7)), which it lets nobody set: they are as whoever started us all had them.
INTERNAL = 1 << 32 - 1 | 1 << 33 - 1


def told(text: str) -> dict[str, int]:
    """Return what `SIGNALS` told, as masks."""
    words = text.split()
    return {words[at]: int(words[at + 1], 16) & ~INTERNAL for at in (0, 2)}


async def a_program_runs_with_its_arguments_and_nothing_but_its_environment(bench: Bench) -> None:
    """Arguments arrive as they are, whatever is in them; no variable of the platform leaks in."""
    odd = "a b'\"$(id);\n*\\ é"
    script = "import os, sys; print(sys.argv[1:], sorted(os.environ.items()))"
    env = {"PATH": "/usr/bin:/bin", "KEY": odd, "LC_ALL": "C.UTF-8"}
    ended, text = await bench.output("python3", "-I", "-c", script, odd, env=env)
    expect((ended.code, ended.reason) == (0, "exited"), text)
    expect(text == f"{[odd]} {sorted(env.items())}", text)


async def an_exit_status_is_told(bench: Bench) -> None:
    """Take the program's status as the workload's."""
    ended, _ = await bench.output("sh", "-c", "exit 7")
    expect((ended.code, ended.reason) == (7, "exited"), (ended.code, ended.reason))


async def a_deadly_signal_is_told(bench: Bench) -> None:
    """Give a program that a signal ended the negative number."""
    ended, _ = await bench.output("sh", "-c", "kill -SEGV $$")
    expect((ended.code, ended.reason) == (-11, "signal"), (ended.code, ended.reason))


async def a_missing_program_is_refused(bench: Bench) -> None:
    """start() raises, and nothing of the workload is left."""
    workload = bench.workload("/usr/bin/there-is-no-such-program")
    try:
        await bench.driver.start(workload)
    except InvalidError:
        pass
    else:
        raise AssertionError("it started")
    expect(workload.id not in {handle.id for handle in await bench.driver.recover()}, workload.id)


async def signals_do_what_they_do_by_themselves(bench: Bench) -> None:
    """Ignore and block nothing, whatever who starts it does: a pipe that nobody reads any more ends who writes."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        _, text = await bench.output("sh", "-c", f"{SIGNALS}; yes | head -n 1; echo end")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in zip((signal.SIGHUP, signal.SIGQUIT), before, strict=True):
            signal.signal(number, handler)
    expect(told(text) == {"SigBlk:": 0, "SigIgn:": 0}, text)
    expect(text.split()[4:] == ["y", "end"], text)


async def an_id_is_taken_once(bench: Bench) -> None:
    """Refuse a second workload of the same ID; the first goes on."""
    async with bench.running("sleep", "60", id="twice") as handle:
        try:
            await bench.driver.start(bench.workload("sleep", "60", id="twice"))
        except AlreadyExistsError:
            pass
        else:
            raise AssertionError("it started twice")
        usage = await bench.driver.usage(handle)
        expect(usage.processes)


async def mounts_are_seen_and_only_writable_ones_take_files(bench: Bench) -> None:
    """Leave what is mounted read-only as it is."""
    folder = bench.folder
    (folder / "code").mkdir()
    (folder / "data").mkdir(mode=0o777)
    (folder / "data").chmod(0o777)
    (folder / "code" / "file").write_text("code")
    mounts = (Mount(folder / "code", "/app"), Mount(folder / "data", "/data", writable=True))
    script = "cat /app/file; echo new > /data/file && echo wrote; echo new > /app/file || echo refused"
    _, text = await bench.output("sh", "-c", script, mounts=mounts, cwd="/app")
    expect("code" in text, "code")
    expect("wrote" in text, "wrote")
    expect("refused" in text, "refused")
    expect((folder / "data" / "file").read_text() == "new\n", (folder / "data" / "file").read_text())


CASES: tuple[Case, ...] = (
    a_program_runs_with_its_arguments_and_nothing_but_its_environment,
    an_exit_status_is_told,
    a_deadly_signal_is_told,
    a_missing_program_is_refused,
    signals_do_what_they_do_by_themselves,
    an_id_is_taken_once,
    mounts_are_seen_and_only_writable_ones_take_files,
)
