"""CGI programs of any language (RFC 3875), behind our own small HTTP server inside the sandbox."""

from __future__ import annotations

import re
from typing import ClassVar

from serai.services.apps.recipes.commands import PYTHON
from serai.services.apps.recipes.contract import APP, LIB, PORT, BuildPlan, FolderView, Match, Program, Project

GATEWAY = (*PYTHON, f"{LIB}/gateway", "--port", str(PORT))
_FOLDER = "cgi-bin"
_SHEBANG = re.compile(rb"#!\s*/\S+")


class Cgi:
    """Run each request's program: those in cgi-bin/, and *.cgi and *.pl files that begin with #!."""

    NAME: ClassVar[str] = "cgi"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = ("programs in cgi-bin/", "*.cgi or *.pl files that begin with #!")

    def detect(self, project: Project) -> Match | None:
        """Fit where there is a program to run."""
        program = _program(project.files)
        return Match(self.NAME, f"CGI program {program}") if program else None

    def plan(self, project: Project) -> BuildPlan:
        """Serve the folder; programs are run, cgi-bin/ is never shown, other files are sent."""
        root = next((name for name in ("public", "htdocs", "html") if project.files.folder(name)), "")
        argv = [*GATEWAY, "--root", f"{APP}/{root}".rstrip("/"), "--programs", ".cgi,.pl"]
        if project.files.folder(_FOLDER):
            argv += ["--cgi-bin", f"{APP}/{_FOLDER}"]
        return BuildPlan(recipe=self.NAME, runtime="cgi", processes={"web": Program(argv=tuple(argv))})


def _program(files: FolderView) -> str:
    for path in files.files():
        inside = path.startswith(f"{_FOLDER}/")
        if inside and (files.executable(path) or _SHEBANG.match(files.head(path, 128))):
            return path
        if path.endswith((".cgi", ".pl")) and path.count("/") <= 2 and _SHEBANG.match(files.head(path, 128)):
            return path
    return ""
