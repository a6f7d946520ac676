"""What a driver promises that is `Enterable`: programs run inside of what runs, no freer and no longer than that."""

from __future__ import annotations

import asyncio
import contextlib

from serai.cloud.drivers.conformance.bench import SMALL, Bench, Case, expect, said
from serai.cloud.drivers.conformance.talk import enterable, entering
from serai.cloud.drivers.contract import Entry
from serai.cloud.visiting import Caller, Said
from serai.errors import ConflictError, InvalidError, NotFoundError, SeraiError

FIELDS = "NoNewPrivs|Seccomp:|Sig(Blk|Ign)|Cap(Eff|Prm|Inh|Bnd|Amb)|^Groups"
STATUS = f"grep -E '{FIELDS}' /proc/self/status; readlink /proc/self/ns/*"


async def what_enters_is_as_confined_as_the_program(bench: Bench) -> None:
    """See the same files, user, limits, filter and namespaces, no capability, and the environment asked for."""
    script = f"{STATUS}; id; ulimit -n; umask; pwd; ls -l /proc/self/fd | wc -l"
    both = f"cat /proc/1/comm; {script}; echo listening; exec sleep 60"
    env = {"PATH": "/usr/bin:/bin", "KEY": "odd \u00e9 'value'"}
    async with bench.running("sh", "-c", both, env=env) as handle:
        await bench.serving(handle)
        wanted = said(handle).splitlines()
        async with entering(bench, handle, "sh", "-c", f"cat /proc/1/comm; {script}; echo $KEY", env=env) as talk:
            ended = await talk.hear()
            got = talk.output.decode().splitlines()
    expect(ended is not None and (ended.code, ended.reason) == (0, "exited"), ended, talk.errors)
    expect(got[-1] == env["KEY"], got)
    # Its bounding set may be smaller yet; under no_new_privs it gains nothing either way.
    expect(_without(got[:-1], "CapBnd") == _without(wanted[:-1], "CapBnd"), got, wanted)


def _without(lines: list[str], word: str) -> list[str]:
    return [line for line in lines if not line.startswith(word)]


async def streams_are_apart_and_input_ends(bench: Bench) -> None:
    """Without a terminal: input with its end, output and errors apart, the status as it is."""
    async with (
        bench.running("sleep", "60") as handle,
        entering(bench, handle, "sh", "-c", "cat; echo oops >&2; tty; exit 5") as talk,
    ):
        await talk.type(b"one\n")
        await talk.type(b"two\n", last=True)
        ended = await talk.hear()
        expect(ended is not None and (ended.code, ended.reason) == (5, "exited"), ended)
        expect((talk.output, talk.errors) == (b"one\ntwo\nnot a tty\n", b"oops\n"), talk.output, talk.errors)


async def a_terminal_is_its_own(bench: Bench) -> None:
    """Give it a name inside and a size that can be changed; it is the controlling one, and its keys make signals."""
    script = "tty; stty size; trap 'stty size; echo resized' WINCH; echo ready > /dev/tty; while :; do sleep 0.1; done"
    async with (
        bench.running("sleep", "60") as handle,
        entering(bench, handle, "sh", "-c", script, size=(33, 77)) as talk,
    ):
        await talk.hear(b"ready")
        expect(b"/dev/pts/0\r\n33 77\r\n" in talk.output, talk.output)
        with contextlib.closing(await Caller.call(talk.visit.door)) as caller:
            await caller.resize(50, 200)
        await talk.hear(b"resized")
        expect(b"50 200\r\n" in talk.output, talk.output)
        await talk.type(b"\x03")
        ended = await talk.hear()
        expect(ended is not None and (ended.code, ended.reason) == (-2, "signal"), ended)


async def a_shell_is_there_without_a_name(bench: Bench) -> None:
    """Run a shell for an empty argument vector."""
    async with bench.running("sleep", "60") as handle, entering(bench, handle, size=(24, 80)) as talk:
        await talk.type(b"echo $((6 * 7))$0 | tr 0-9 A-J\n")
        await talk.hear(b"EC")
        await talk.type(b"exit 3\n")
        ended = await talk.hear()
        expect(ended is not None and ended.code == 3, ended)


async def what_is_not_read_waits(bench: Bench) -> None:
    """Hold a flood back until it is read; it is read whole, and again from where a reading was cut."""
    script = "import sys, time\nfor n in range(400000): sys.stdout.write('%07d\\n' % n)\n"
    async with bench.running("sleep", "60") as handle, entering(bench, handle, "python3", "-c", script) as talk:
        await asyncio.sleep(0.3)
        with contextlib.closing(await Caller.call(talk.visit.door)) as caller:
            await caller.begin(0)
            first = await anext(aiter(caller.pieces()))
        expect(isinstance(first, Said) and first.data.startswith(b"0000000\n0000001\n"), first)
        ended = await talk.hear()
        expect(ended is not None and ended.code == 0, ended, talk.errors)
        expect(talk.output == b"".join(b"%07d\n" % n for n in range(400000)), len(talk.output))


async def input_that_comes_twice_is_taken_once(bench: Bench) -> None:
    """Repeat and overlap input; say some that is ahead of what came, and read what is not there."""
    async with bench.running("sleep", "60") as handle, entering(bench, handle, "cat") as talk:
        for at, data in ((0, b"abc"), (0, b"abc"), (1, b"bcde"), (5, b"")):
            with contextlib.closing(await Caller.call(talk.visit.door)) as caller:
                expect(await caller.type(at, data) == (3 if data == b"abc" else 5), at, data)
        for wrong in ("type", "read"):
            try:
                with contextlib.closing(await Caller.call(talk.visit.door)) as caller:
                    await (caller.type(77, b"x") if wrong == "type" else caller.begin(77))
            except ConflictError:
                continue
            raise AssertionError(wrong)
        talk.taken = 5
        await talk.type(b"", last=True)
        await talk.hear()
        expect(talk.output == b"abcde", talk.output)


async def it_ends_with_the_workload(bench: Bench) -> None:
    """Stop the workload: everything that was entered is gone, and says so."""
    async with (
        bench.running("sleep", "60") as handle,
        entering(bench, handle, "sh", "-c", "trap '' HUP TERM; echo in; sleep 60; sleep 60") as talk,
    ):
        await talk.hear(b"in")
        await bench.driver.stop(handle, grace=0)
        ended = await talk.hear()
        expect(ended is not None and ended.reason == "stopped", ended)
        try:
            await enterable(bench).enter(handle, Entry(folder=talk.visit.folder))
        except ConflictError:
            return
        raise AssertionError("what has ended was entered")


async def leaving_ends_its_whole_session(bench: Bench) -> None:
    """leave() ends what ignores a hang-up and its children; the workload does not notice."""
    script = "trap '' HUP TERM; sleep 1000 & echo in; while :; do sleep 0.1; done"
    async with bench.running("sh", "-c", "echo listening; exec sleep 60") as handle:
        await bench.serving(handle)
        before = (await bench.driver.usage(handle)).processes
        for size in (None, (24, 80)):
            async with entering(bench, handle, "sh", "-c", script, size=size) as talk:
                await talk.hear(b"in")
                ended = await enterable(bench).leave(talk.visit)
                expect(ended.reason == "ended", ended)
                expect((await bench.driver.usage(handle)).processes == before, await bench.driver.usage(handle))


async def nobody_there_ends_it(bench: Bench) -> None:
    """Without a reader, without a word, and after its time it is ended, each with its reason."""
    async with bench.running("sleep", "60") as handle:
        for reason in ("detached", "idle"):
            async with entering(bench, handle, "sleep", "50", **{reason: 1}) as talk:
                ended = await (enterable(bench).left(talk.visit) if reason == "detached" else talk.hear())
                expect(ended is not None and ended.reason == reason, ended, reason)
        async with entering(bench, handle, "sh", "-c", "while :; do echo on; sleep 0.1; done", seconds=1) as talk:
            ended = await talk.hear()
            expect(ended is not None and ended.reason == "expired", ended)


async def a_new_agent_finds_visits(bench: Bench) -> None:
    """visits() of another driver object returns them, and left() tells how an ended one ended."""
    async with (
        bench.running("sleep", "60") as handle,
        entering(bench, handle, "cat") as talk,
        entering(bench, handle, "sh", "-c", "exit 9") as ended,
    ):
        await ended.hear()
        bench.driver = bench.make()
        await bench.driver.recover()
        found = {visit.folder: visit for visit in await enterable(bench).visits(talk.visit.folder.parent)}
        expect(found[talk.visit.folder] == talk.visit, found)
        expect((await enterable(bench).leave(found[ended.visit.folder])).code == 9)
        await talk.type(b"still\n", last=True)
        await talk.hear()
        expect(talk.output == b"still\n", talk.output)


async def garbage_at_the_door_harms_nobody(bench: Bench) -> None:
    """Messages that make no sense are answered or passed over; the visit goes on."""
    async with bench.running("sleep", "60") as handle, entering(bench, handle, "cat") as talk:
        garbage = (b"\0", b"o", b"w12", b"i" + b"\xff" * 8, b"z" * 1000, b"h", b"k", b"x" * 60000, b"o" + b"\xff" * 30)
        for message in garbage:
            with contextlib.closing(await Caller.call(talk.visit.door)) as caller, contextlib.suppress(SeraiError):
                await caller._ask(message)
        await talk.type(b"well\n", last=True)
        await talk.hear()
        expect(talk.output == b"well\n", talk.output)


async def what_can_not_be_run_is_refused(bench: Bench) -> None:
    """Tell a program that is not there (`InvalidError`), and a door that is not (`NotFoundError`)."""
    async with bench.running("sleep", "60") as handle:
        before = (await bench.driver.usage(handle)).processes
        for argv in (("/no/such/program",), ("a\0b",), ("/etc",)):
            try:
                async with entering(bench, handle, *argv):
                    raise AssertionError(argv)
            except InvalidError:
                continue
        after = (await bench.driver.usage(handle)).processes
        expect(after == before, after, before)
    try:
        await Caller.call(bench.folder / "nothing")
    except NotFoundError:
        return
    raise AssertionError("nobody was there")


async def what_enters_counts_against_the_limits(bench: Bench) -> None:
    """Hold a fork bomb inside within the workload's limit."""
    script = (
        "import os, time\nmade = 0\ntry:\n  while made < 1000:\n    if not os.fork(): time.sleep(60)\n    made += 1\n"
        "except OSError: pass\nprint('made', made)"
    )
    async with bench.running("sleep", "60") as handle, entering(bench, handle, "python3", "-c", script) as talk:
        await talk.hear(b"\n")
        expect(0 < int(talk.output.split()[1]) <= SMALL.processes, talk.output)


CASES: tuple[Case, ...] = (
    what_enters_is_as_confined_as_the_program,
    streams_are_apart_and_input_ends,
    a_terminal_is_its_own,
    a_shell_is_there_without_a_name,
    what_is_not_read_waits,
    input_that_comes_twice_is_taken_once,
    it_ends_with_the_workload,
    leaving_ends_its_whole_session,
    nobody_there_ends_it,
    a_new_agent_finds_visits,
    garbage_at_the_door_harms_nobody,
    what_can_not_be_run_is_refused,
    what_enters_counts_against_the_limits,
)
