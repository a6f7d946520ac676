"""A person's commands as argument vectors, and what every recipe's plan gets from the manifest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from msgspec.structs import replace

from serai.errors import InvalidError
from serai.services.apps.manifest import Manifest, Name, ProcessConfig, ReleaseConfig
from serai.services.apps.recipes.contract import APP, LIB, BuildPlan, FolderView, Program, Recurring, Static, Step

PYTHON = ("/usr/bin/python3", "-I", "-S")  # runs our own launchers: the host's, whatever the program uses
PROCFILE_LIMIT = 64 << 10  # octets

# What only a shell understands. A line without any of it is split into words and executed as it is.
_SHELL = re.compile(r"[$`\\|&;<>()*?\[\]{}~#!\n]|^\s*\w+=")
# A simple command with variables may be exec'd by the shell, so that signals reach the program itself.
_COMPOUND = re.compile(r"[`|&;<>()\n]|^\s*\w+=")
_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,31}):\s*(?P<command>\S.*)\Z")


def argv_of(command: str | tuple[str, ...], path: str = "command") -> tuple[str, ...]:
    """Return what to execute for a command of ``app.toml`` or a Procfile.

    A line with a shell's characters is given to ``/bin/sh -c`` whole: it is the tenant's line, the tenant's shell,
    in the tenant's sandbox, and no part of it is ours. Everything else is words; PATH is searched by env(1) inside.
    """
    if not isinstance(command, str):
        return found_on_path(command)
    if _SHELL.search(command):
        return ("/bin/sh", "-c", command if _COMPOUND.search(command) else f"exec {command}")
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise InvalidError(f"{path}: {error}.", path=path) from error
    if not words:
        raise InvalidError(f"{path} is empty.", path=path)
    return found_on_path(words)


def found_on_path(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Put env(1) before a bare name: who executes need not search the sandbox's PATH."""
    return argv if "/" in argv[0] else ("/usr/bin/env", *argv)


def with_procfile(manifest: Manifest, files: FolderView) -> Manifest:
    """Return the manifest with the Procfile's lines where ``app.toml`` says nothing. `InvalidError` names the line."""
    if not files.exists("Procfile"):
        return manifest
    processes = dict(manifest.processes)
    release = manifest.release
    try:
        text = files.read("Procfile", PROCFILE_LIMIT).decode()
    except UnicodeDecodeError as error:
        raise InvalidError("The Procfile is not UTF-8.", path="Procfile") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line.strip())
        name = found["name"].lower().replace("_", "-") if found else ""
        if found is None or not re.match(r"[a-z]", name) or "\0" in line or len(processes) > 32:
            raise InvalidError(f"Line {number} of the Procfile is not NAME: COMMAND.", path=f"Procfile:{number}")
        if name == "release":
            release = release if release.command else ReleaseConfig(command=found["command"])
        elif name not in processes or processes[name].command is None:
            known = processes.get(name, ProcessConfig())
            processes[name] = replace(known, command=found["command"])
    return replace(manifest, processes=processes, release=release)


def finish(plan: BuildPlan, manifest: Manifest) -> BuildPlan:
    """Return a recipe's plan with what the manifest adds to any of them: it has the last word."""
    processes: dict[Name, Program] = dict(plan.processes)
    for name, process in manifest.processes.items():
        if process.command is not None:
            processes[name] = Program(argv=argv_of(process.command, f"processes.{name}.command"))
        elif name != "web":
            raise InvalidError(f"The process {name} has no command.", path=f"processes.{name}.command")
    release = plan.release
    if manifest.release.command is not None:
        release = Program(argv=argv_of(manifest.release.command, "release.command"))
    recurring = tuple(
        Recurring(
            name=item.name,
            program=Program(argv=argv_of(item.command, f"schedule[{index}].command")),
            cron=item.cron,
            every_seconds=item.every_seconds,
            time_zone=item.time_zone,
        )
        for index, item in enumerate(manifest.schedule)
    )
    plan = replace(
        plan,
        steps=(*plan.steps, *_build_command(manifest)),
        processes=processes if plan.target == "instances" else {},
        release=release,
        recurring=recurring,
        env={**plan.env, **manifest.env},
        static=_static(plan.static, manifest.static.paths),
    )
    return _persisting(plan, tuple(dict.fromkeys((*plan.persist, *manifest.persist))))


def _build_command(manifest: Manifest) -> tuple[Step, ...]:
    if manifest.build.command is None:
        return ()
    argv = argv_of(manifest.build.command, "build.command")
    return (Step(title="Run the build command", argv=argv, network=manifest.build.egress),)


def _static(of_recipe: tuple[Static, ...], of_manifest: Mapping[str, str]) -> tuple[Static, ...]:
    paths = {item.path: item.folder for item in of_recipe} | dict(of_manifest)
    return tuple(Static(path, folder) for path, folder in sorted(paths.items()))


def _persisting(plan: BuildPlan, persist: tuple[str, ...]) -> BuildPlan:
    """Keep some paths of the release in the data folder: links made by the build, filled before a program starts."""
    if not persist or plan.target == "static":
        return replace(plan, persist=())
    launcher = (*PYTHON, f"{LIB}/persist.py")
    step = Step(title=f"Keep {', '.join(persist)} in the data folder", argv=(*launcher, "link", APP, *persist))

    def wrap(program: Program) -> Program:
        return replace(program, argv=(*launcher, "run", "--", *program.argv))

    return replace(
        plan,
        steps=(*plan.steps, step),
        processes={name: wrap(program) for name, program in plan.processes.items()},
        release=wrap(plan.release) if plan.release else None,
        recurring=tuple(replace(item, program=wrap(item.program)) for item in plan.recurring),
        persist=persist,
    )
