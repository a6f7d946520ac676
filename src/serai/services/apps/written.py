"""What a build found becomes part of its Release: pure, from manifest and plan."""

from __future__ import annotations

from msgspec.structs import replace

from serai.services.apps.addresses import check_static
from serai.services.apps.builder import Built
from serai.services.apps.descriptors import Bind, Command, Health, Process, Recurring, Release
from serai.services.apps.manifest import Manifest, ProcessConfig
from serai.services.apps.recipes.contract import Program

DATA_MB, TIMEOUT = 1024, 600.0
_DEFAULT = Process(argv=("-",))


def written(release: Release, built: Built, now: float) -> Release:
    """Return the release as built. `InvalidError` for a static path that no Route can express."""
    plan, manifest = built.plan, built.manifest
    static = {item.path: item.folder for item in plan.static}
    check_static(release.app, static)
    health = manifest.health
    return replace(
        release,
        state="built",
        reason="",
        tail="",
        built=now,
        recipe=plan.recipe,
        runtime=plan.runtime,
        notes=plan.notes,
        folder=str(built.folder),
        static=static,
        env=dict(plan.env),
        binds=tuple(Bind(str(mount.source), mount.target) for mount in plan.mounts),
        processes={name: _process(program, name, manifest) for name, program in plan.processes.items()},
        port=plan.port,
        health=Health(
            path=health.path,
            start=health.start_seconds,
            interval=health.interval_seconds,
            timeout=health.timeout_seconds,
            failures=health.failures,
        ),
        before_live=_command(plan.release, manifest.release.timeout_seconds) if plan.release else None,
        recurring=_recurring(built),
        keep=manifest.keep_releases,
        push=manifest.push,
        data_mb=manifest.resources.disk_mb or DATA_MB,
    )


def _recurring(built: Built) -> dict[str, Recurring]:
    timeouts = {item.name: item.timeout_seconds for item in built.manifest.schedule}
    return {
        item.name: Recurring(
            argv=item.program.argv,
            env=dict(item.program.env),
            timeout=timeouts.get(item.name, TIMEOUT),
            when=item.cron or f"every {item.every_seconds}s",
            zone=item.time_zone,
        )
        for item in built.plan.recurring
    }


def _command(program: Program, timeout: float) -> Command:
    return Command(argv=program.argv, env=dict(program.env), timeout=timeout)


def _process(program: Program, name: str, manifest: Manifest) -> Process:
    config = manifest.processes.get(name, ProcessConfig(command="-"))
    own, common = config.resources, manifest.resources
    return Process(
        argv=program.argv,
        env=dict(program.env),
        count=config.instances,
        memory_mb=own.memory_mb or common.memory_mb or _DEFAULT.memory_mb,
        cpu=own.cpu or common.cpu or _DEFAULT.cpu,
        processes=own.processes or common.processes or _DEFAULT.processes,
    )
