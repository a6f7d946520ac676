"""Anything whose web process is given as a command: in a Procfile, or in ``app.toml``.

Whatever its language, the packages that its folder declares (requirements.txt, package.json, …) are installed first.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from serai.services.apps.recipes.contract import PATH, BuildPlan, Match, Project, key_of
from serai.services.apps.recipes.node import packages as node_packages
from serai.services.apps.recipes.perl import packages as perl_packages
from serai.services.apps.recipes.python import packages as python_packages


class Procfile:
    """Run what a person wrote."""

    NAME: ClassVar[str] = "procfile"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = ("a Procfile with a line web: COMMAND", "processes.web.command in app.toml")

    def detect(self, project: Project) -> Match | None:
        """Fit where the web process has a command."""
        web = project.manifest.processes.get("web")
        if web is None or web.command is None:
            return None
        source = "a Procfile" if project.files.exists("Procfile") else "app.toml"
        return Match(self.NAME, f"web process of {source}")

    def plan(self, project: Project) -> BuildPlan:
        """Install what each language's files declare; the commands themselves come from the manifest."""
        parts = [
            part
            for packages in (node_packages, python_packages, perl_packages)
            if (part := packages(project)) is not None
        ]
        steps = tuple(step for part in parts for step in part.steps)
        # Cached steps first: what they leave is kept before anything else has touched it.
        steps = tuple(sorted(steps, key=lambda step: not step.cached))
        env: dict[str, str] = {}
        for part in parts:
            env |= part.env
        folders = [part.env["PATH"].removesuffix(PATH) for part in parts if "PATH" in part.env]
        if folders:
            env["PATH"] = "".join(folders) + PATH
        plan = BuildPlan(
            recipe=self.NAME,
            runtime=" ".join(part.runtime for part in parts if part.runtime),
            steps=steps,
            key=key_of(project.files, (), steps, *(part.key for part in parts)) if parts else "",
            outputs=tuple(output for part in parts for output in part.outputs),
            env=env,
            mounts=tuple(mount for part in parts for mount in part.mounts),
            notes=tuple(note for part in parts for note in part.notes),
        )
        return replace(plan, processes={})
