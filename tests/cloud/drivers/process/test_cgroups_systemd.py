import os
from pathlib import Path

import pytest

from serai.cloud.drivers.contract import Limits
from serai.cloud.drivers.process import cgroups_systemd
from serai.cloud.drivers.process.cgroups_systemd import Systemd, manages, scope
from serai.cloud.drivers.process.cgroups_v2 import Unified

LIMITS = Limits(memory_mb=64, cpu=0.25, processes=10, weight=50)


class Manager:
    """A systemd in memory: units with a folder each, as its two commands see them."""

    def __init__(self, root: Path, *, refuses: bool = False) -> None:
        self.root, self.refuses = root, refuses
        self.settings: dict[str, list[str]] = {}

    def __call__(self, program: str, *words: str) -> str:
        if program == "systemd-run" and not self.refuses:
            unit = next(word.partition("=")[2] for word in words if word.startswith("--unit="))
            self.settings[unit] = [word.partition("=")[2] for word in words if word.startswith("--property=")]
            folder = self.root / "system.slice" / unit
            folder.mkdir(parents=True)
            (folder / "cgroup.procs").write_text("4711")
        elif words[0] == "show":
            active = words[-1] in self.settings
            return f"ActiveState={'active' if active else 'inactive'}\nControlGroup=/system.slice/{words[-1]}\n"
        elif words[0] == "stop":
            del self.settings[words[1]]
        return ""


def test_a_home_gets_a_unit_that_hands_its_controllers_on(tmp_path):
    systemd = Manager(tmp_path)
    group = Systemd("serai_1", tmp_path, systemd).folder()
    assert group == tmp_path / "system.slice/serai_1.service"
    assert {"Delegate=yes", "OOMPolicy=continue", "TasksMax=infinity"} <= set(systemd.settings["serai_1.service"])
    # The unit's own process is out of the way: else the kernel would refuse to hand controllers on.
    assert (group / "idle/cgroup.procs").read_text() == "4711"


def test_a_unit_that_runs_is_found_again(tmp_path):
    systemd = Manager(tmp_path)
    first = Systemd("serai_1", tmp_path, systemd).folder()
    assert Systemd("serai_1", tmp_path, systemd).folder() == first


def test_a_systemd_that_refuses_gives_nothing(tmp_path):
    assert Systemd("serai_1", tmp_path, Manager(tmp_path, refuses=True)).folder() is None


async def test_groups_are_made_in_the_unit_and_end_with_it(tmp_path):
    systemd = Manager(tmp_path)
    unit = Systemd("serai_1", tmp_path, systemd)
    groups = Unified(unit.folder(), unit)
    assert groups.create("shop.1", LIMITS) == (tmp_path / "system.slice/serai_1.service/work/shop.1/cgroup.procs",)
    await groups.retire()
    assert systemd.settings == {}


def test_a_unit_that_someone_stopped_is_started_again(tmp_path):
    systemd = Manager(tmp_path)
    unit = Systemd("serai_1", tmp_path, systemd)
    groups = Unified(unit.folder(), unit)
    systemd("systemctl", "stop", "serai_1.service")
    (tmp_path / "system.slice").rename(tmp_path / "gone")
    groups.create("shop.1", LIMITS)
    assert (tmp_path / "system.slice/serai_1.service/work/shop.1/memory.max").read_text() == "67108864"


@pytest.fixture
def plain(monkeypatch, tmp_path):
    """Be a plain user with the ID 1000, with a systemd of one's own that has ``tmp_path`` as its control groups."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cgroups_systemd, "_run", lambda argv: "")
    monkeypatch.setattr(cgroups_systemd, "_lingers", lambda uid: False)
    own = tmp_path / "user.slice/user-1000.slice/user@1000.service"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpu memory pids")
    return own


SESSION = "/user.slice/user-1000.slice/session-7.scope"


def test_a_plain_users_host_moves_below_the_users_own_systemd(plain, tmp_path):
    argv = scope(SESSION, lasting=False, root=tmp_path)
    assert argv[1:4] == ("XDG_RUNTIME_DIR=/run/user/1000", "systemd-run", "--user")


def test_it_stays_where_it_already_is_there(plain, tmp_path):
    inside = "/user.slice/user-1000.slice/user@1000.service/app.slice/serai.service"
    assert manages(inside)
    assert scope(inside, lasting=True, root=tmp_path) == ()


def test_it_stays_where_the_users_systemd_has_no_controllers_to_give(plain, tmp_path):
    (plain / "cgroup.controllers").write_text("pids")
    assert scope(SESSION, lasting=False, root=tmp_path) == ()


def test_a_host_that_shall_outlive_the_login_needs_a_systemd_that_does(plain, tmp_path, monkeypatch):
    assert scope(SESSION, lasting=True, root=tmp_path) == ()
    monkeypatch.setattr(cgroups_systemd, "_lingers", lambda uid: True)
    assert scope(SESSION, lasting=True, root=tmp_path) != ()


def test_it_stays_where_the_users_systemd_does_not_answer(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(cgroups_systemd, "_run", lambda argv: None)
    assert scope(SESSION, lasting=False, root=tmp_path) == ()
