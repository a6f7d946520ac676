"""The suite that every driver passes: what the contract promises, tried on a running driver.

A driver's tests make a `Bench` and run every case of `CASES` with it::

    @pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.__name__)
    async def test_it_keeps_the_contract(case, bench):
        await case(bench)

The programs of the cases are shell and Python as the sandbox has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from serai.cloud import connector
from serai.cloud.drivers.contract import Driver, Exit, Handle, Limits, Mount, Workload
from serai.errors import AlreadyExistsError, InvalidError, UnavailableError

PORT = 8000
SMALL = Limits(memory_mb=96, processes=24, tmp_mb=4, log_mb=1)
SERVER = f"""
import socket
server = socket.create_server(("127.0.0.1", {PORT}))
print("listening", flush=True)
kept = []
while True:
    client, _ = server.accept()
    client.sendall(b"hello")
    kept.append(client)
"""


class Bench:
    """A driver under test, and how to make another one on the same state, as a restarted agent would.

    Workloads run as ``uid``, for whom ``folder`` (empty, for mounts) can be reached.
    """

    def __init__(self, make: Callable[[], Driver], uid: int | None, folder: Path) -> None:
        self.make = make
        self.driver = make()
        self.uid = uid
        self.folder = folder
        self._number = 0

    def workload(self, *argv: str, **changes: Any) -> Workload:
        """Return a workload with an ID of its own."""
        self._number += 1
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        base = Workload(id=f"case.{self._number}", uid=self.uid, argv=argv, env=env, limits=SMALL)
        return msgspec.structs.replace(base, **changes)

    @contextlib.asynccontextmanager
    async def running(self, *argv: str, **changes: Any) -> AsyncIterator[Handle]:
        """Run a workload, and leave nothing of it."""
        handle = await self.driver.start(self.workload(*argv, **changes))
        try:
            yield handle
        finally:
            await self.driver.stop(handle, grace=0)
            await self.driver.remove(handle)

    async def output(self, *argv: str, **changes: Any) -> tuple[Exit, str]:
        """Run a program to its end; return how it ended and what it said."""
        async with self.running(*argv, **changes) as handle:
            ended = await self.driver.wait(handle)
            return ended, said(handle)

    async def serving(self, handle: Handle) -> None:
        """Return when the workload has said that it listens."""
        async with asyncio.timeout(10):
            while "listening" not in said(handle):  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0.01)


def expect(condition: object, *seen: object) -> None:
    """Fail with what was seen instead."""
    if not condition:
        raise AssertionError(f"seen: {seen}")


def said(handle: Handle) -> str:
    """Return the text of a workload's newest log, without times and marks."""
    try:
        lines = handle.log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(line.split(" ", 3)[3] for line in lines)


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


async def too_much_memory_ends_it(bench: Bench) -> None:
    """End a program that takes more than its share."""
    script = "kept = []\nwhile True: kept.append(bytearray(1 << 20))"
    ended, text = await bench.output("python3", "-c", script)
    # One process alone may meet its own limit first: then the allocation fails, in Python as a MemoryError.
    expect(ended.reason == "out_of_memory" or "MemoryError" in text, (ended, text))


async def a_fork_bomb_stays_within_its_limit(bench: Bench) -> None:
    """Forks beyond the limit fail."""
    script = (
        "import os, time\nmade = 0\ntry:\n  while made < 1000:\n    if not os.fork(): time.sleep(60)\n    made += 1\n"
        "except OSError: pass\nprint('made', made)"
    )
    _, text = await bench.output("python3", "-c", script)
    expect(0 < int(text.split()[1]) <= SMALL.processes, text)


async def logs_are_bounded_and_keep_the_newest(bench: Bench) -> None:
    """Much output keeps the log's files within their limit; the last line is there."""
    script = "for number in range(60000): print(f'{number:08} ' + 'x' * 56)\nprint('last')"
    async with bench.running("python3", "-c", script) as handle:
        await bench.driver.wait(handle)
        size = sum(path.stat().st_size for path in handle.log.parent.glob("log*"))
        expect(size <= SMALL.log_mb << 20, size)
        expect(said(handle).endswith("last"))


async def any_octets_may_be_said(bench: Bench) -> None:
    """Output that is no text, and a line without an end, arrive in the log."""
    script = r"import sys; sys.stdout.buffer.write(b'\xff\x00\x1b[2J' + b'y' * 40000)"
    async with bench.running("python3", "-c", script) as handle:
        await bench.driver.wait(handle)
        data = handle.log.read_bytes()
        expect(b"\xff\x00\x1b[2J" in data, b"\xff\x00\x1b[2J")
        expect(data.count(b"y") == 40000, data.count(b"y"))
        expect(max(map(len, data.splitlines())) < 17 << 10, max(map(len, data.splitlines())))


async def stop_lets_a_program_finish(bench: Bench) -> None:
    """SIGTERM reaches the program, which ends as it wants to."""
    script = "trap 'echo bye; exit 3' TERM; echo listening; while :; do sleep 0.05; done"
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
    script = "trap 'echo reloaded; exit 0' HUP; echo listening; while :; do sleep 0.05; done"
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


async def connector_sockets_reach_the_program(bench: Bench) -> None:
    """Sockets of the connector are made inside; connections() counts the established ones."""
    async with bench.running("python3", "-c", SERVER, port=PORT) as handle:
        await bench.serving(handle)
        expect(await bench.driver.connections(handle) == 0)
        loop = asyncio.get_running_loop()
        made = await connector.sockets(str(handle.connector), 3)
        try:
            for one in made:
                await loop.sock_connect(one, ("127.0.0.1", PORT))
                expect(await loop.sock_recv(one, 5) == b"hello")
            expect(await bench.driver.connections(handle) == 3)
        finally:
            for one in made:
                one.close()
        await bench.driver.stop(handle, grace=0)
        try:
            await connector.sockets(str(handle.connector))
        except UnavailableError:
            return
        raise AssertionError("a dead workload hands out sockets")


async def a_private_network_has_no_way_out(bench: Bench) -> None:
    """Nothing but the workload's own loopback answers: not this host, not the internet."""
    with socket.create_server(("0.0.0.0", 0)) as listening:  # noqa: S104  the host's, which must stay out of reach
        port = listening.getsockname()[1]
        script = (
            "import socket\nfor name in ('127.0.0.1', '192.0.2.1', '8.8.8.8', '100.64.0.0', '169.254.169.254'):\n"
            f"  one = socket.socket(); one.settimeout(1)\n  print(one.connect_ex((name, {port})) != 0)"
        )
        _, text = await bench.output("python3", "-c", script)
    expect(text.split() == ["True"] * 5, text.split())


async def a_command_runs_inside_as_confined_as_the_program(bench: Bench) -> None:
    """command() sees the same files and processes, has the same user and environment, and no more rights."""
    script = "id -u; echo $KEY; cat /proc/1/comm; grep -E 'NoNewPrivs|Seccomp:|CapEff|CapBnd' /proc/self/status"
    env = {"PATH": "/usr/bin:/bin", "KEY": "value"}
    async with bench.running("sleep", "60", env=env) as handle:
        argv = await bench.driver.command(handle, ("sh", "-c", script))
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        words = output.decode().split()
        expect(words[:3] == ["1000", "value", "bwrap"], output)
        expect(words[words.index("NoNewPrivs:") + 1] == "1", words[words.index("NoNewPrivs:") + 1])
        expect(words[words.index("Seccomp:") + 1] == "2", words[words.index("Seccomp:") + 1])
        expect(int(words[words.index("CapEff:") + 1], 16) == 0)
        failing = await bench.driver.command(handle, ("sh", "-c", "exit 5"))
        expect(await (await asyncio.create_subprocess_exec(*failing)).wait() == 5)


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


Case = Callable[[Bench], Awaitable[None]]

CASES: tuple[Case, ...] = (
    a_program_runs_with_its_arguments_and_nothing_but_its_environment,
    an_exit_status_is_told,
    a_deadly_signal_is_told,
    a_missing_program_is_refused,
    an_id_is_taken_once,
    mounts_are_seen_and_only_writable_ones_take_files,
    too_much_memory_ends_it,
    a_fork_bomb_stays_within_its_limit,
    logs_are_bounded_and_keep_the_newest,
    any_octets_may_be_said,
    stop_lets_a_program_finish,
    stop_kills_what_will_not_end,
    a_signal_reaches_the_first_process,
    a_new_agent_finds_what_runs_and_what_ended,
    connector_sockets_reach_the_program,
    a_private_network_has_no_way_out,
    a_command_runs_inside_as_confined_as_the_program,
    recovering_leaves_what_is_being_started_alone,
    a_cancelled_start_leaves_nothing,
    removing_twice_is_fine,
)
