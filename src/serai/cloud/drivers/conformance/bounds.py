"""What a program can't exceed: memory, processes, its log, its network."""

from __future__ import annotations

import socket

from serai.cloud.drivers.conformance.bench import SMALL, Bench, Case, expect, said


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


CASES: tuple[Case, ...] = (
    too_much_memory_ends_it,
    a_fork_bomb_stays_within_its_limit,
    logs_are_bounded_and_keep_the_newest,
    any_octets_may_be_said,
    a_private_network_has_no_way_out,
)
