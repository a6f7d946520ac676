"""Find out what this host can do by doing it, and choose a network for a workload by that."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Protocol

from serai.cloud.drivers.contract import Exit, Handle, Limits, Probe, Workload
from serai.cloud.drivers.process.cgroups import Groups
from serai.cloud.drivers.process.egress import Egress
from serai.cloud.drivers.process.facts import Facts
from serai.cloud.drivers.process.options import Options
from serai.cloud.drivers.process.shim import landlock
from serai.errors import SeraiError

NOBODY = 65534
UNLIMITED = (
    "no control group is ours: limits per process, memory watched; systemd gives a plain user one in the foreground of "
    "a login of its own, or anywhere after `loginctl enable-linger`"
)
# Settings below /proc/sys, the value that forbids, and what to do about it.
NAMESPACES = (
    ("user/max_user_namespaces", "0", "As root: sysctl user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "As root: sysctl kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "As root: scripts/setup (permits bwrap), or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


class Runs(Protocol):
    """What a probe needs of the driver."""

    async def start(self, workload: Workload) -> Handle:
        """Start a workload."""
        ...

    async def stop(self, handle: Handle, *, grace: float = 10.0) -> Exit:
        """Stop it."""
        ...

    async def wait(self, handle: Handle) -> Exit:
        """Wait for its end."""
        ...

    async def remove(self, handle: Handle) -> None:
        """Remove it."""
        ...


async def probe(facts: Facts, groups: Groups, egress: Egress, options: Options, driver: Runs) -> list[Probe]:
    """Try everything; the sandbox is required, the rest makes it tighter or gives it more."""
    root = os.geteuid() == 0
    limited = "ok" if groups.NAME != "none" else UNLIMITED
    abi = await asyncio.to_thread(landlock.version)
    sandbox, way_out = await asyncio.gather(_sandbox(facts, driver), _egress(facts, options, egress if root else None))
    return [
        sandbox,
        Probe("limits", limited),
        Probe("landlock", "ok" if abi else "the kernel has no Landlock"),
        Probe("users", "ok" if root else "not root: all workloads have the platform's own user ID"),
        Probe("egress", way_out),
    ]


async def network_kind(workload: Workload, facts: Facts, options: Options, *, root: bool) -> str:
    """Return how ``workload`` is connected: "private", "routed", "slirp" or "host" (builds of a plain user only)."""
    if workload.network == "private":
        return "private"
    if root:
        return "routed"
    if slirp_missing(facts) == "":
        return "slirp"
    return "host" if workload.build and options.share_network_for_builds else "private"


def slirp_missing(facts: Facts) -> str:
    """Return "" where a plain user's workloads can have a way out by slirp4netns, else what is missing."""
    if not facts.slirp:
        return "slirp4netns not found"
    if not facts.nft:
        return "nft not found"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    return ""


def slirp_denied(options: Options) -> tuple[str, ...]:
    """Return what slirp4netns's guests can't reach: the denied networks, and every address of this host."""
    return (*options.deny, *local_addresses())


def local_addresses(table: Path = Path("/proc/net/fib_trie")) -> tuple[str, ...]:
    """Return the IPv4 addresses of this host."""
    found, last = set(), ""
    for line in table.read_text().splitlines():
        words = line.split()
        if words and words[0] == "|--":
            last = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.add(last)
    return tuple(sorted(found))


async def _egress(facts: Facts, options: Options, routed: Egress | None) -> str:
    if routed is not None:
        return await routed.probe()
    missing = slirp_missing(facts)
    if not missing:
        return "ok"
    shared = ": builds use this host's network, instances have none" if options.share_network_for_builds else ""
    return missing + shared


async def _sandbox(facts: Facts, driver: Runs) -> Probe:
    """Run a program that does nothing."""
    if not facts.bwrap:
        return Probe("sandbox", "bwrap not found", required=True)
    uid = NOBODY if os.geteuid() == 0 else None
    limits = Limits(memory_mb=64, log_mb=1, tmp_mb=1)
    workload = Workload(id=f"probe-{os.getpid()}-{time.monotonic_ns()}", uid=uid, argv=("/bin/true",), limits=limits)
    try:
        handle = await driver.start(workload)
        try:
            ended = await driver.wait(handle)
        finally:
            await driver.stop(handle, grace=0)
            await driver.remove(handle)
    except SeraiError as error:
        said = " ".join(filter(None, (str(error), forbidden(), str(error.fields.get("log", "")).strip())))
        return Probe("sandbox", said, required=True)
    return Probe("sandbox", "ok" if ended.code == 0 else f"a program ended with {ended.code}", required=True)


def forbidden(settings: Path = Path("/proc/sys")) -> str:
    """Return what to do where this host's settings keep unprivileged users from user namespaces, else ""."""
    for name, value, remedy in NAMESPACES:
        try:
            found = (settings / name).read_text().strip()
        except OSError:
            continue
        if found == value:
            return f"This host forbids user namespaces ({name.replace('/', '.')} = {value}). {remedy}."
    return ""
