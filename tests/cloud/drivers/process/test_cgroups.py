import os

import pytest

from serai.cloud.drivers.contract import Limits
from serai.cloud.drivers.process.cgroups import NoGroups
from serai.cloud.drivers.process.cgroups_open import open_groups
from serai.cloud.drivers.process.cgroups_v1 import Legacy, settings_v1
from serai.cloud.drivers.process.cgroups_v2 import Unified, settings_v2

LIMITS = Limits(memory_mb=64, cpu=0.25, processes=10, weight=50)


def test_limits_of_version_2():
    assert settings_v2(LIMITS) == {
        "memory.max": "67108864",
        "pids.max": "13",
        "cpu.max": "25000 100000",
        "cpu.weight": "50",
    }


def test_limits_of_version_1():
    assert settings_v1(LIMITS) == {
        "memory": {"memory.limit_in_bytes": "67108864"},
        "pids": {"pids.max": "13"},
        "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "25000", "cpu.shares": "512"},
    }


async def test_version_2_writes_its_files(tmp_path):
    groups = Unified(tmp_path / "serai")
    assert groups.create("shop.1", LIMITS) == (tmp_path / "serai" / "work" / "shop.1" / "cgroup.procs",)
    group = tmp_path / "serai" / "work" / "shop.1"
    assert {path.name: path.read_text() for path in group.iterdir()} == {**settings_v2(LIMITS), "memory.swap.max": "0"}
    assert (tmp_path / "serai" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert groups.shims() == (tmp_path / "serai" / "shims" / "cgroup.procs",)
    for name, text in {"memory.current": "4096", "cpu.stat": "usage_usec 1500000", "pids.current": "5"}.items():
        (group / name).write_text(text)
    usage = groups.usage("shop.1")
    assert (usage.memory, usage.cpu, usage.processes) == (4096, 1.5, 3)
    await groups.kill("shop.1")
    assert (group / "cgroup.kill").read_text() == "1"
    assert groups.usage("other") is None


def hierarchy(root, *, unified):
    if unified:
        (root / "cgroup.controllers").write_text("cpuset cpu io memory pids")
        (root / "cgroup.subtree_control").write_text("")
    else:
        for name in ("memory", "pids", "cpu", "cpuacct", "freezer"):
            (root / name).mkdir()
            (root / name / "cgroup.procs").write_text("")


def test_version_2_is_preferred(tmp_path):
    hierarchy(tmp_path, unified=True)
    assert isinstance(open_groups("home", tmp_path), Unified)


def test_version_1_is_taken_where_it_has_the_controllers(tmp_path):
    hierarchy(tmp_path, unified=False)
    assert isinstance(open_groups("home", tmp_path), Legacy)


async def test_a_host_without_groups_limits_nothing_by_them(tmp_path):
    groups = open_groups("home", tmp_path)
    assert isinstance(groups, NoGroups)
    assert groups.create("shop.1", LIMITS) == groups.shims() == groups.entrances("shop.1") == ()
    assert groups.usage("shop.1") is None
    await groups.kill("shop.1")
    await groups.remove("shop.1")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_the_groups_of_this_host_can_be_made_and_removed():
    groups = open_groups(f"serai_test_{os.getpid()}")
    if groups.NAME == "none":
        pytest.skip("there are none")
    entrances = groups.create("trial", LIMITS)
    assert all(path.exists() for path in entrances)
    await groups.remove("trial")
    await groups.remove("trial")
    await groups.retire()
    assert not any(path.parent.parent.exists() for path in entrances)
