"""The machine as data: from settings and registry to groups, users, sockets and processes. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import msgspec

from serai.bus.policy import EVERYTHING, NOTHING, Policy, Rights
from serai.daemon.address import SCHEMES, Address, parse
from serai.daemon.config import module_id
from serai.daemon.decode import decode, invalid, join
from serai.daemon.module import Needs
from serai.daemon.registry import Registry
from serai.daemon.settings import (
    PRIVILEGES,
    GroupSettings,
    HostSettings,
    LogSettings,
    Privilege,
    SentrySettings,
    Settings,
)
from serai.errors import InvalidError, NotFoundError


class ModulePlan(msgspec.Struct, frozen=True):
    """One module of a group: its reference, ID, configuration, needs, and its addresses by field of Config."""

    ref: str
    id: str
    config: Any
    needs: Needs
    addresses: dict[str, tuple[Address, ...]]


class GroupPlan(msgspec.Struct, frozen=True):
    """One worker group. Equal plans are the same to a reload: such a group is left alone.

    ``edge_rights`` are what network-facing workers of the host may do on the bus; the groups that they face know it.
    """

    name: str
    processes: int
    privilege: Privilege
    modules: tuple[ModulePlan, ...]
    host: HostSettings
    log: LogSettings
    sentry: SentrySettings
    store: str = ""
    edge_rights: Rights = NOTHING

    def addresses(self) -> list[Address]:
        """Return all addresses that the group listens on."""
        return [address for module in self.modules for each in module.addresses.values() for address in each]


class Row(msgspec.Struct, frozen=True):
    """One line of `serai plan`; ``tls`` are those of its sockets at which TLS is spoken."""

    group: str
    module: str
    user: str
    sockets: tuple[str, ...]
    processes: int
    copies: str
    tls: tuple[str, ...] = ()


def build(settings: Settings, registry: Registry, home: Path) -> tuple[GroupPlan, ...]:
    """Check everything that can be checked without touching the machine; raise `InvalidError` with a path."""
    used = {ref for group in settings.groups.values() for ref in group.modules}
    for ref in settings.modules:
        if module_id(ref) not in registry:
            raise invalid(join("modules", ref), "no installed service brings this module")
        if ref not in used:  # a section must be right even where nothing runs it yet
            _module(ref, settings, registry, home, join("modules", ref))
    groups = [
        _group(name, group, settings, registry, home)
        for name, group in settings.groups.items()
        if group.processes != 0 and group.modules
    ]
    _refuse_shared_addresses(groups)
    rights = _edge_rights(groups)
    return tuple(
        group if group.privilege == "edge" else msgspec.structs.replace(group, edge_rights=rights) for group in groups
    )


def _group(name: str, group: GroupSettings, settings: Settings, registry: Registry, home: Path) -> GroupPlan:
    path = join("groups", name)
    if len(set(group.modules)) != len(group.modules):
        raise invalid(f"{path}.modules", "a module is named twice; ID@LABEL makes one more")
    modules = tuple(
        _module(ref, settings, registry, home, f"{path}.modules[{index}]") for index, ref in enumerate(group.modules)
    )
    needed = max((module.needs.privilege for module in modules), key=PRIVILEGES.index)
    privilege = group.privilege or needed
    if PRIVILEGES.index(privilege) < PRIVILEGES.index(needed):
        raise invalid(f"{path}.privilege", f"a module of the group needs {needed}")
    processes = (os.cpu_count() or 1) if group.processes == "cores" else group.processes
    if processes > 1:
        for module in modules:
            if module.needs.copies == "one":
                raise invalid(f"{path}.processes", f"only one process may run {module.id}")
    return GroupPlan(name, processes, privilege, modules, settings.host, settings.log, settings.sentry, settings.store)


def _module(ref: str, settings: Settings, registry: Registry, home: Path, where: str) -> ModulePlan:
    try:
        cls = registry.get(module_id(ref))
    except NotFoundError as error:
        raise invalid(where, error.public) from None
    section = join("modules", ref)
    config = decode(settings.modules.get(ref, {}), cls.Config, section)
    addresses = {field: _addresses(getattr(config, field), home, join(section, field)) for field in cls.NEEDS.listen}
    return ModulePlan(ref, cls.ID, config, cls.NEEDS, addresses)


def _addresses(value: str | Sequence[str], home: Path, path: str) -> tuple[Address, ...]:
    if isinstance(value, str):
        return (_address(value, home, path),)
    return tuple(_address(text, home, f"{path}[{index}]") for index, text in enumerate(value))


def _address(text: str, home: Path, path: str) -> Address:
    try:
        return parse(text).resolve(home)
    except InvalidError as error:
        raise invalid(path, error.public) from None


def _refuse_shared_addresses(groups: Sequence[GroupPlan]) -> None:
    owners: dict[str, str] = {}
    for group in groups:
        for module in group.modules:
            for field, addresses in module.addresses.items():
                path = join(join("modules", module.ref), field)
                for address in addresses:
                    if owners.setdefault(address.text, path) != path or addresses.count(address) > 1:
                        raise invalid(path, f"{address.text} is taken by {owners[address.text]}")


def _edge_rights(groups: Sequence[GroupPlan]) -> Rights:
    needed = (module.needs.bus for group in groups if group.privilege == "edge" for module in group.modules)
    return reduce(or_, needed, NOTHING)


def bus_policy(group: GroupPlan, *, root: bool) -> Policy:
    """Return who may do what on the bus that a group serves; without users of their own, all are trusted alike."""
    users = {os.geteuid(): EVERYTHING}
    if edge := user("edge", group.host, root=root):
        users[edge[0]] = group.edge_rights
    if control := user("control", group.host, root=root):
        users[control[0]] = EVERYTHING
    return Policy(users)


def user(privilege: Privilege, host: HostSettings, *, root: bool) -> tuple[int, int] | None:
    """Return (uid, gid) that a group's processes take, or None where they stay what the supervisor is."""
    if not root or privilege == "agent":
        return None
    return (host.uid_base + (1 if privilege == "edge" else 0), host.uid_base)


def rows(groups: Sequence[GroupPlan], *, root: bool) -> list[Row]:
    """Return the machine on one screen: a row for each module of each group."""
    return [
        Row(
            group=group.name,
            module=module.ref,
            user=_user_name(group, root=root),
            sockets=tuple(address.text for each in module.addresses.values() for address in each),
            processes=group.processes,
            copies=module.needs.copies,
            tls=tuple(
                address.text
                for field, each in module.addresses.items()
                for address in each
                if address.tls or _speaks_tls(field)
            ),
        )
        for group in groups
        for module in group.modules
    ]


def _speaks_tls(field: str) -> bool:
    """Tell whether a field of Config is named like a scheme over TLS (``https``): then it says so for all in it."""
    return field in SCHEMES and SCHEMES[field][1]


def _user_name(group: GroupPlan, *, root: bool) -> str:
    ids = user(group.privilege, group.host, root=root)
    if ids is None:
        return "root" if root else str(os.geteuid())
    return f"{group.privilege} ({ids[0]}:{ids[1]})"
