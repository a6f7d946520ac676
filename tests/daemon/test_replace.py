"""Reloads and upgrades of a whole host while it is being used, and those that are refused."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from serai.cli import machine
from serai.errors import AlreadyExistsError, InvalidError

ROUNDS = 5


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
    host.until(lambda: "pipe" not in host.descriptors())
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
    host.until(lambda: host.descriptors() == fds)
    assert host.get().startswith("v1")


def test_no_zombies_and_no_descriptors_are_left_by_reloads(host: Any) -> None:
    supervisor = host.up()["pid"]
    host.until(lambda: "pipe" not in host.descriptors())
    fds = host.descriptors()
    for number in range(3):
        host.configure(f"r{number}")
        machine.reload(host.folder)
    host.until(lambda: len(host.pids()) == 3)
    host.until(lambda: host.descriptors() == fds)
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    assert len(children) == 2


def test_each_worker_reads_its_own_udp_socket_over_reloads(host: Any) -> None:
    port = free_port()
    more = f'udp = ["udp://127.0.0.1:{port}"]\n'
    host.configure(more=more)
    host.up()
    answered: set[bytes] = set()
    for number in range(3):
        host.configure(f"{number}", more=more)
        machine.reload(host.folder)
        host.until(lambda: len(host.pids()) == 3)
        for _ in range(30):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(2)
                client.sendto(b"hi", ("127.0.0.1", port))
                answered.add(client.recv(100))
    assert answered == {b"0 hi", b"1 hi"}


def test_a_host_taken_over_twice_and_upgraded_between_drops_nobody(host: Any, load: Any) -> None:
    host.up()
    with load:
        for _ in range(2):
            os.kill(host.pids()[0], signal.SIGKILL)
            host.up()
            machine.upgrade(host.folder)
    assert load.failures == []
    host.until(lambda: len(host.pids()) == 3)


def test_a_removed_group_ends_and_an_added_one_starts_while_others_are_left_alone(host: Any) -> None:
    host.up()
    echo = host.pids()[1:]
    host.configure(more='[groups.single]\nmodules = ["echo.single"]\n')
    assert machine.reload(host.folder) == {"changed": ["single"]}
    assert set(echo) < set(host.pids())
    host.configure()
    assert machine.reload(host.folder) == {"changed": ["single"]}
    host.until(lambda: host.pids()[1:] == echo)


def test_settings_given_at_the_start_outlive_reloads_and_upgrades(host: Any) -> None:
    host.up(sets=['modules."echo.http".text=kept'])
    assert "kept" in host.get()
    machine.upgrade(host.folder)
    host.configure("file")
    machine.reload(host.folder)
    assert "kept" in host.get()


def test_a_plan_that_is_not_the_running_hosts_is_known_as_such(host: Any) -> None:
    assert not machine.differs(host.folder, [])  # nothing runs
    host.configure()
    host.up()
    assert not machine.differs(host.folder, machine.planned(host.folder))
    host.configure(processes=3)
    assert machine.differs(host.folder, machine.planned(host.folder))
    machine.reload(host.folder)
    assert not machine.differs(host.folder, machine.planned(host.folder))
