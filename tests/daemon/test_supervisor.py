"""A whole host in processes of its own: started, killed, taken over and ended while it is being used."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serai.cli import machine
from serai.daemon import linux
from serai.errors import AlreadyExistsError, InvalidError, UnavailableError


def test_a_host_starts_answers_tells_its_status_and_ends(host: Any) -> None:
    told = host.up()
    assert told["home"] == str(host.folder)
    assert host.get().startswith("v1")
    status = machine.status(host.folder)
    assert status["ok"], status["reasons"]
    assert [worker["state"] for worker in status["workers"]] == ["serving", "serving"]
    assert all(worker["memory"] > 0 for worker in status["workers"])
    pids = host.pids()
    machine.down(host.folder)
    host.until(lambda: not any(linux.start_ticks(pid) for pid in pids))
    with pytest.raises(UnavailableError, match="No Serai host runs"):
        machine.status(host.folder)


def test_a_second_supervisor_on_one_home_is_refused(host: Any) -> None:
    host.up()
    with pytest.raises(AlreadyExistsError):
        host.up()
    assert machine.status(host.folder)["ok"]


def test_two_homes_run_side_by_side(host: Any, code: Any) -> None:
    other = type(host)(host.folder.parent / "other", code)
    other.configure("other", uid_base=400_000)
    try:
        host.up()
        other.up()
        assert "other" in other.get()
        assert "other" not in host.get()
        machine.down(host.folder)
        assert "other" in other.get()
    finally:
        other.end()


def test_a_killed_worker_is_replaced_and_no_connection_is_refused(host: Any, load: Any) -> None:
    host.up()
    with load:
        for _ in range(3):
            victim = host.record().workers[0].pid
            os.kill(victim, signal.SIGKILL)
            host.until(lambda gone=victim: gone not in host.pids() and len(host.pids()) == 3)
            host.until(lambda: machine.status(host.folder)["ok"])
    # Connections that the victim had accepted die with it; nobody is turned away at the door.
    assert not [failure for failure in load.failures if "Refused" in failure]
    assert load.done > 100
    assert machine.status(host.folder)["restarts"] == {"echo": 3}


def test_a_host_whose_module_refuses_does_not_start(host: Any) -> None:
    host.configure(more="refuse = true\n")
    with pytest.raises(InvalidError, match="I refuse"):
        host.up()
    host.configure()
    host.up()
    assert host.get().startswith("v1")


def test_a_killed_supervisor_leaves_workers_that_serve_until_the_next_takes_over(host: Any, load: Any) -> None:
    supervisor = host.up()["pid"]
    orphans = host.pids()[1:]
    with load:
        os.kill(supervisor, signal.SIGKILL)
        host.until(lambda: not linux.start_ticks(supervisor))
        with pytest.raises(UnavailableError, match="was killed: `serai up`"):
            machine.down(host.folder)
        assert host.get().startswith("v1")
        told = host.up()
        assert told["pid"] != supervisor
        host.until(lambda: not any(linux.start_ticks(pid) for pid in orphans))
        assert host.get().startswith("v1")
    assert load.failures == []
    assert machine.status(host.folder)["ok"]


def test_a_crashing_module_is_restarted_with_pauses_and_makes_the_status_red(host: Any) -> None:
    host.configure(more="crash = true\n", processes=1)
    host.up()
    host.until(lambda: machine.status(host.folder)["restarts"].get("echo", 0) >= 2)
    status = machine.status(host.folder)
    assert not status["ok"]
    assert "missing" in status["reasons"][0]
    log = [json.loads(line) for line in (host.folder / "logs/serai.jsonl").read_text().splitlines()]
    assert any(line["event"] == "module.bug" and "crash" in line["error"] for line in log)


def test_a_bug_in_a_callback_ends_the_worker_and_another_takes_its_place(host: Any) -> None:
    host.configure(processes=1)
    host.up()
    victim = host.pids()[1]
    with pytest.raises(OSError, match=r".*"):
        host.get("/crash")
    host.until(lambda: victim not in host.pids() and len(host.pids()) == 2)
    assert host.get().startswith("v1")


def test_metrics_of_all_workers_are_summed(host: Any) -> None:
    host.up()
    for _ in range(20):
        host.get()
    assert "echo_requests_total 20.0" in machine.metrics(host.folder)


def test_every_module_has_metrics_also_one_that_makes_none(host: Any) -> None:
    host.up()
    told = machine.metrics(host.folder).splitlines()
    modules = {ref for worker in machine.status(host.folder)["workers"] for ref in worker["modules"]}
    assert modules
    for module in modules:
        assert f'serai_module_ok{{module="{module}"}} 2.0' in told
        assert f'serai_module_workers{{module="{module}"}} 2.0' in told


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_network_facing_workers_have_their_own_user_and_can_gain_nothing(host: Any) -> None:
    host.up()
    assert host.get().split()[-1] == "300001"
    facts = Path(f"/proc/{host.pids()[1]}/status").read_text()
    assert "Uid:\t300001\t300001\t300001\t300001" in facts
    assert "Gid:\t300000\t300000\t300000\t300000" in facts
    assert "Groups:\t \n" in facts
    assert "NoNewPrivs:\t1" in facts
    assert "CapEff:\t0000000000000000" in facts


def test_a_module_of_which_one_may_serve_never_serves_twice(host: Any) -> None:
    single = '[groups.single]\nmodules = ["echo.single"]\n[modules."echo.single"]\ntext = '
    host.configure(more=single + '"0"\n')
    host.up()
    notes = host.folder / "logs/single.txt"
    for number in range(1, 4):
        host.configure(more=f'{single}"{number}"\n')
        machine.reload(host.folder)
        host.until(lambda count=number + 1: notes.read_text().count("begin") == count)
    os.kill(host.pids()[0], signal.SIGKILL)
    host.up()
    host.until(lambda: notes.read_text().count("begin") == 5)
    machine.down(host.folder)
    words = [line.split()[0] for line in notes.read_text().splitlines()]
    assert words == ["begin", "end"] * 5


def test_a_drained_worker_finishes_what_it_accepted(host: Any) -> None:
    host.up()
    old = host.pids()[1:]
    with socket.create_connection(("127.0.0.1", host.port), timeout=5) as open_connection:
        open_connection.sendall(b"GET / HTTP/1.1\r\n")
        host.until(
            lambda: sum(w["modules"]["echo.http"]["sessions"] for w in machine.status(host.folder)["workers"]) == 1
        )
        host.configure("new")
        machine.reload(host.folder)
        assert "new" in host.get()
        open_connection.sendall(b"\r\n")
        answer = open_connection.recv(1000).decode()
    assert answer.startswith("HTTP/1.1 200")
    assert int(answer.split()[-2]) in old
    host.until(lambda: not any(linux.start_ticks(pid) for pid in old))


def test_a_worker_that_does_not_drain_is_ended_at_the_deadline(host: Any) -> None:
    text = (host.folder / "serai.toml").read_text().replace("drain_seconds = 5", "drain_seconds = 0.2")
    (host.folder / "serai.toml").write_text(text)
    host.up()
    old = host.pids()[1:]
    with socket.create_connection(("127.0.0.1", host.port), timeout=5) as stuck:
        stuck.sendall(b"GET / HTTP/1.1\r\n")
        (host.folder / "serai.toml").write_text(text.replace('text = ""', 'text = "new"'))
        machine.reload(host.folder)
        host.until(lambda: not any(linux.start_ticks(pid) for pid in old))


def test_the_foreground_tells_when_it_is_ready_and_ends_on_sigterm(host: Any) -> None:
    script = (
        "from pathlib import Path; from serai.cli import machine;"
        f"machine.up(Path({str(host.folder)!r}), on_ready=lambda told: print('ready', told['pid'], flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode() == f"ready {process.pid}\n"
        assert host.get().startswith("v1")
        process.terminate()
        assert process.wait(10) == 0
    with pytest.raises(UnavailableError):
        machine.status(host.folder)


def test_the_log_is_rotated_while_workers_write(host: Any) -> None:
    host.configure(more="[log]\nmax_mib = 1\nfiles = 1\n")
    host.up()
    log = host.folder / "logs/serai.jsonl"
    with log.open("ab") as file:
        file.write(b"x" * (1 << 20) + b"\n")
    host.until(lambda: log.stat().st_size < 1 << 20 and log.with_name("serai.jsonl.1").exists())


def test_a_module_that_misses_something_for_a_moment_is_asked_again(host: Any) -> None:
    host.configure(more="wait = 3\n")
    host.up()
    assert host.get().startswith("v1")


def test_a_start_that_fails_over_orphans_leaves_them_to_the_next(host: Any, load: Any) -> None:
    supervisor = host.up()["pid"]
    orphans = host.pids()[1:]
    os.kill(supervisor, signal.SIGKILL)
    with load:
        host.configure(more="refuse = true\n")
        with pytest.raises(InvalidError, match="I refuse"):
            host.up()
        assert all(linux.start_ticks(pid) for pid in orphans)
        host.configure("next")
        host.up()
        host.until(lambda: "next" in host.get())
    assert load.failures == []


def test_a_worker_that_is_asked_to_end_is_replaced(host: Any, load: Any) -> None:
    host.up()
    victim = host.pids()[1]
    with load:
        os.kill(victim, signal.SIGTERM)
        host.until(lambda: not linux.start_ticks(victim) and len(host.pids()) == 3)
    assert load.failures == []
