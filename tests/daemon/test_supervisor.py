"""A whole host in processes of its own: replaced, killed, reloaded and upgraded while it is being used."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from serai.cli import machine
from serai.daemon import linux
from serai.errors import AlreadyExistsError, InvalidError, UnavailableError

ROUNDS = 5


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
    with pytest.raises(UnavailableError):
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


def test_reloads_under_load_drop_nobody(host: Any, load: Any) -> None:
    host.up()
    with load:
        for number in range(ROUNDS):
            host.configure(f"round{number}")
            assert machine.reload(host.folder) == {"changed": ["echo"]}
            host.until(lambda text=f"round{number}": text in host.get())
    assert load.failures == []
    assert load.done > 100


def test_upgrades_under_load_drop_nobody_and_run_the_new_code(host: Any, load: Any) -> None:
    pid = host.up()["pid"]
    with load:
        for number in range(2, 2 + ROUNDS):
            module = host.code / "echoes/module.py"
            module.write_text(module.read_text().replace(f'"v{number - 1}"', f'"v{number}"'))
            assert machine.upgrade(host.folder)["version"]
            host.until(lambda text=f"v{number}": host.get().startswith(text))
    assert load.failures == []
    assert machine.status(host.folder)["pid"] == pid
    host.until(lambda: len(host.pids()) == 3)


def test_new_code_that_does_not_start_is_refused_and_the_old_serves_on(host: Any) -> None:
    host.up()
    (host.code / "echoes/module.py").write_text("this is no Python")
    before = host.pids()
    with pytest.raises(InvalidError, match="SyntaxError"):
        machine.upgrade(host.folder)
    assert host.pids() == before
    assert host.get().startswith("v1")


def test_new_code_whose_modules_refuse_leaves_the_old_workers_in_service(host: Any) -> None:
    host.up()
    module = host.code / "echoes/module.py"
    module.write_text(module.read_text().replace("if self.config.refuse:", "if True:").replace('"v1"', '"v2"'))
    workers = host.pids()[1:]
    with pytest.raises(InvalidError, match="I refuse"):
        machine.upgrade(host.folder)
    assert host.pids()[1:] == workers
    assert host.get().startswith("v1")
    module.write_text(module.read_text().replace("if True:", "if False:").replace('"v2"', '"v3"'))
    machine.upgrade(host.folder)
    host.until(lambda: host.get().startswith("v3"))


def test_a_reload_that_a_module_refuses_is_rolled_back_with_its_path(host: Any) -> None:
    host.up()
    before = host.pids()
    host.configure("new", more="refuse = true\n")
    with pytest.raises(InvalidError) as refused:
        machine.reload(host.folder)
    assert refused.value.fields["path"] == 'modules."echo.http".refuse'
    assert host.pids() == before
    assert "new" not in host.get()


def test_a_reload_with_a_mistyped_key_touches_nothing(host: Any) -> None:
    host.up()
    before = host.pids()
    host.configure("new", more="txet = 1\n")
    with pytest.raises(InvalidError) as refused:
        machine.reload(host.folder)
    assert refused.value.fields["path"] == 'modules."echo.http".txet'
    assert host.pids() == before


def test_a_reload_whose_address_is_taken_closes_what_it_opened(host: Any) -> None:
    host.up()
    fds = host.descriptors()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = host.port
        text = (host.folder / "serai.toml").read_text()
        free = f'"tcp://127.0.0.2:0", "tcp://127.0.0.1:{taken.getsockname()[1]}", "http://127.0.0.1:{port}"'
        (host.folder / "serai.toml").write_text(text.replace(f'"http://127.0.0.1:{port}"', free))
        with pytest.raises(AlreadyExistsError, match="another program"):
            machine.reload(host.folder)
    assert host.descriptors() == fds
    assert host.get().startswith("v1")


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


def test_no_zombies_and_no_descriptors_are_left_by_reloads(host: Any) -> None:
    supervisor = host.up()["pid"]
    fds = host.descriptors()
    for number in range(3):
        host.configure(f"r{number}")
        machine.reload(host.folder)
    host.until(lambda: len(host.pids()) == 3)
    host.until(lambda: len(host.descriptors()) <= len(fds))
    assert host.descriptors() == fds
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    assert len(children) == 2


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
