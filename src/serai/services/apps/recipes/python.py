"""Python programs: WSGI and ASGI, Django, Datasette; each release has its own virtual environment.

The application server is gunicorn for WSGI and uvicorn for ASGI, inside our launcher (`launchers/web.py`), which tells
the program its prefix for each request: one release answers below several prefixes and names at the same time.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from serai.errors import InvalidError
from serai.services.apps.recipes.contract import APP, LIB, BuildPlan, FolderView, Match, Program, Project, Static, Step
from serai.services.apps.recipes.python_django import Django, find_django
from serai.services.apps.recipes.python_entry import Entry, find_entry
from serai.services.apps.recipes.python_packages import FILES, PYTHON, declared, install

LAUNCHER = f"{LIB}/web.py"
SERVERS = {"wsgi": ("gunicorn",), "asgi": ("uvicorn", "websockets")}
_ASGI = frozenset({"fastapi", "starlette", "quart", "litestar", "sanic", "blacksheep", "channels", "uvicorn"})
_DATABASES = (".db", ".sqlite", ".sqlite3")
_MAGIC = b"SQLite format 3\0"


class Python:
    """Serve a WSGI or ASGI object, or a Django project."""

    NAME: ClassVar[str] = "python"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = (
        "manage.py of a Django project",
        "a WSGI or ASGI object (app, application, create_app…) in wsgi.py, asgi.py, app.py, main.py or a package",
    )

    def detect(self, project: Project) -> Match | None:
        """Fit where there is an object to serve."""
        if project.manifest.entry is not None:
            return Match(self.NAME, f"entry {project.manifest.entry} of app.toml")
        if (django := find_django(project.files)) is not None:
            return Match(self.NAME, f"Django project with {django.settings}")
        entry = find_entry(project.files)
        return Match(self.NAME, f"{entry.kind.upper()} object {entry.target}") if entry else None

    def plan(self, project: Project) -> BuildPlan:
        """Make the virtual environment, collect Django's static files, serve the object."""
        django = None if project.manifest.entry else find_django(project.files)
        entry = django.entry if django else _entry(project)
        plan = install(project, (*SERVERS[entry.kind], *(("django",) if django else ())))
        options = ["--root", f"{APP}/{entry.root}".rstrip("/")]
        if django:
            plan, more = _django(plan, django, declared(project.files))
            options += more
        web = Program(argv=(PYTHON, LAUNCHER, entry.kind, *options, entry.target))
        return replace(plan, processes={"web": web})


class Datasette:
    """Serve SQLite files, to be read."""

    NAME: ClassVar[str] = "datasette"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = (
        "SQLite files (*.db, *.sqlite, *.sqlite3), or datasette among the requirements",
    )

    def detect(self, project: Project) -> Match | None:
        """Fit where Datasette is asked for, or where SQLite files are all there is."""
        databases = _databases(project.files)
        if "datasette" in declared(project.files):
            return Match(self.NAME, "datasette is among the requirements")
        others = any(path.endswith((".py", ".js", ".php", ".pl", ".cgi")) for path in project.files.files())
        return Match(self.NAME, f"SQLite file {databases[0]}") if databases and not others else None

    def plan(self, project: Project) -> BuildPlan:
        """Serve each file as immutable: the release's folder is read-only, and so is theirs."""
        files = project.files
        plan = install(project, ("datasette",))
        argv = [PYTHON, LAUNCHER, "datasette", "--root", APP]
        for path in _databases(files):
            argv += ["--immutable", path]
        for option, names in _DATASETTE_FILES:
            argv += [part for name in names if files.exists(name) for part in (option, name)][:2]
        for option, folder in (("--template-dir", "templates"), ("--plugins-dir", "plugins")):
            argv += [option, folder] if files.folder(folder) else []
        argv += ["--static", "static:static"] if files.folder("static") else []
        return replace(plan, recipe=self.NAME, processes={"web": Program(argv=tuple(argv))})


_DATASETTE_FILES = (
    ("--metadata", ("metadata.json", "metadata.yaml", "metadata.yml")),
    ("--config", ("datasette.yaml", "datasette.yml", "datasette.json")),
)


def packages(project: Project) -> BuildPlan | None:
    """Return how to install what a folder declares for Python, or None where it declares nothing."""
    return install(project) if any(project.files.exists(name) for name in FILES) else None


def _entry(project: Project) -> Entry:
    if project.manifest.entry is None:
        found = find_entry(project.files)
        if found is None:
            raise InvalidError("There is no WSGI or ASGI object to serve.", path="entry")
        return found
    named = find_entry(project.files)
    if named is not None and named.target == project.manifest.entry:
        return named
    root = "src" if project.files.folder("src") else ""
    return Entry(project.manifest.entry, "asgi" if _ASGI & declared(project.files) else "wsgi", root)


def _databases(files: FolderView) -> list[str]:
    names = (path for path in files.files() if "/" not in path and path.lower().endswith(_DATABASES))
    return [path for path in names if files.head(path, 16) == _MAGIC]


def _django(plan: BuildPlan, django: Django, names: frozenset[str]) -> tuple[BuildPlan, list[str]]:
    manage = f"{APP}/{django.root}/manage.py".replace("//", "/")
    options = ["--settings", django.settings]
    steps, static, notes, release = plan.steps, plan.static, plan.notes, plan.release
    if django.collects:
        argv = (PYTHON, manage, "collectstatic", "--noinput")
        steps = (*steps, Step(title="Collect the static files", argv=argv))
        url = (django.static_url or "static/").strip("/")
        if django.static_root and django.static_url and ":" not in url and not _whitenoise(django, names):
            static = (*static, Static(f"/{url}/", django.static_root))
    elif not _whitenoise(django, names):
        options += ["--static-files"]
        notes = (*notes, "STATIC_ROOT is not set: the program's own process serves its static files.")
    if any(path.endswith(_DATABASES) for path in django.persist):
        release = Program(argv=(PYTHON, manage, "migrate", "--noinput"))
        notes = (*notes, f"The SQLite database is kept in the data folder: {', '.join(django.persist)}.")
    plan = replace(plan, steps=steps, static=static, notes=notes, release=release, persist=django.persist)
    return plan, options


def _whitenoise(django: Django, names: frozenset[str]) -> bool:
    return django.whitenoise or "whitenoise" in names
