"""Perl programs that speak PSGI; those that speak CGI are the CGI recipe's."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from serai.errors import UnsupportedError
from serai.services.apps.recipes.contract import (
    APP,
    CACHE,
    LIB,
    PATH,
    PORT,
    BuildPlan,
    FolderView,
    Match,
    Program,
    Project,
    Step,
    key_of,
)
from serai.services.apps.recipes.versions import choose, numbers

LOCAL = "local"
_APPS = ("app.psgi", "bin/app.psgi", "script/app.psgi")


class Perl:
    """Serve a PSGI program by plackup."""

    NAME: ClassVar[str] = "perl"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = ("app.psgi",)

    def detect(self, project: Project) -> Match | None:
        """Fit where there is an app.psgi."""
        app = _app(project.files)
        return Match(self.NAME, f"PSGI program {app}") if app else None

    def plan(self, project: Project) -> BuildPlan:
        """Install what the cpanfile declares, serve app.psgi inside our wrapper that knows the prefix."""
        plan = packages(project) or _base(project)
        plackup = choose(project.runtimes, "plackup", ())
        host = ("--host", "127.0.0.1", "--port", str(PORT))
        # Standalone forks a process a connection where it may: nothing else is needed for a release to be served.
        server = ("--env", "deployment", "--server", "Standalone", "--max-workers", "8")
        argv = (plackup.executable, *host, *server, "--app", f"{LIB}/prefix.psgi")
        web = Program(argv=argv, env={"SERAI_PSGI": f"{APP}/{_app(project.files)}"})
        return replace(plan, processes={"web": web})


def packages(project: Project) -> BuildPlan | None:
    """Return how to install what the cpanfile declares, or None where there is none."""
    files = project.files
    if not files.exists("cpanfile"):
        return None
    cpanm = next((item for item in project.runtimes if item.language == "cpanm"), None)
    if cpanm is None:
        if files.folder(LOCAL):
            return _base(project)
        raise UnsupportedError("There is a cpanfile, but this host has no cpanm.", language="perl", wanted="cpanm")
    argv = (cpanm.executable, "--notest", "--local-lib-contained", f"{APP}/{LOCAL}", "--installdeps", APP)
    env = {"PERL_CPANM_HOME": f"{CACHE}/cpanm"}
    steps = (Step(title="Install packages", argv=argv, env=env, network=True, cached=True),)
    base = _base(project)
    key = key_of(files, ("cpanfile", "cpanfile.snapshot"), steps, base.runtime)
    return replace(base, steps=steps, key=key, outputs=(LOCAL,))


def _base(project: Project) -> BuildPlan:
    runtime = project.manifest.runtime or ""
    wanted = [("runtime in app.toml", numbers(runtime))] if runtime.startswith("perl") and numbers(runtime) else []
    perl = choose(project.runtimes, "perl", wanted)
    env = {"PERL5LIB": f"{APP}/{LOCAL}/lib/perl5:{APP}/lib", "PATH": f"{APP}/{LOCAL}/bin:{PATH}"}
    return BuildPlan(recipe="perl", runtime=f"perl{'.'.join(map(str, perl.version))}", env=env)


def _app(files: FolderView) -> str:
    return next((name for name in _APPS if files.exists(name)), "")
