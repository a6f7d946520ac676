"""Who may do what on the bus, from what modules say they need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from serai.bus.policy import EVERYTHING, NOTHING, Rights
from serai.daemon import config, plan
from serai.daemon.module import Needs
from serai.daemon.registry import Registry
from serai.daemon.service import Service


class Config(msgspec.Struct, frozen=True):
    """Nothing to set."""


class Web:
    ID: ClassVar[str] = "web.http"
    Config: ClassVar = Config
    NEEDS: ClassVar = Needs(bus=Rights(call=("apps.wake",)))


class Mail(Web):
    ID: ClassVar[str] = "mail.mx"
    NEEDS: ClassVar = Needs(bus=Rights(call=("mail.sort",), publish=("mail.came",)))


class Boss(Web):
    ID: ClassVar[str] = "web.boss"
    NEEDS: ClassVar = Needs(privilege="control", copies="one", bus=Rights(serve=("boss",)))


GROUPS = """
[groups.net]
modules = ["web.http", "mail.mx"]
[groups.boss]
modules = ["web.boss"]
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr("serai.daemon.registry.load", lambda path: globals()[path])
    return Registry(
        {"t": Service(name="t", summary="", modules={each.ID: each.__name__ for each in (Web, Mail, Boss)})}
    )


def groups(registry: Registry, text: str) -> dict[str, plan.GroupPlan]:
    settings = config.read(f"[host]\nuid_base = 5000\n{text}".encode(), (), registry.ids(), root=True)
    return {group.name: group for group in plan.build(settings, registry, Path("/srv"))}


def test_network_facing_workers_get_what_their_modules_need_and_no_more(registry: Registry) -> None:
    policy = plan.bus_policy(groups(registry, GROUPS)["boss"], root=True)
    assert policy.of(5001) == Rights(call=("apps.wake", "mail.sort"), publish=("mail.came",))
    assert policy.of(5000) == policy.of(os.geteuid()) == EVERYTHING
    assert policy.of(6000) == policy.of(65534) == NOTHING  # tenants, nobody


def test_a_module_more_at_the_network_is_a_new_plan_for_those_behind_only(registry: Registry) -> None:
    before = groups(registry, GROUPS)
    after = groups(registry, GROUPS.replace(', "mail.mx"', ""))
    assert before["boss"] != after["boss"]
    with_boss = groups(registry, GROUPS + '[groups.more]\nmodules = ["web.boss@more"]\n')
    assert before["net"] == with_boss["net"]


def test_modules_of_a_group_that_was_given_more_privilege_are_not_the_edges(registry: Registry) -> None:
    policy = plan.bus_policy(groups(registry, GROUPS + 'privilege = "control"\n')["boss"], root=True)
    assert policy.of(5001) == Rights(call=("apps.wake", "mail.sort"), publish=("mail.came",))
    alone = GROUPS.replace('"mail.mx"]', '"mail.mx"]\nprivilege = "control"')
    assert plan.bus_policy(groups(registry, alone)["boss"], root=True).of(5001) == NOTHING


def test_a_plain_users_processes_are_all_that_user(registry: Registry) -> None:
    assert plan.bus_policy(groups(registry, GROUPS)["boss"], root=False).users == {os.geteuid(): EVERYTHING}
