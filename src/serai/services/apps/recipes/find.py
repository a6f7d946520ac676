"""Which recipe fits a folder: one ordered list, and an error that says what was looked for."""

from __future__ import annotations

from serai.errors import InvalidError, UnsupportedError
from serai.services.apps.manifest import MAX_SIZE, Manifest, parse
from serai.services.apps.recipes.cgi import Cgi
from serai.services.apps.recipes.commands import finish, with_procfile
from serai.services.apps.recipes.contract import BuildPlan, FolderView, Match, Project, Recipe, Runtime
from serai.services.apps.recipes.node import Node
from serai.services.apps.recipes.perl import Perl
from serai.services.apps.recipes.php import Php
from serai.services.apps.recipes.procfile import Procfile
from serai.services.apps.recipes.python import Datasette, Python
from serai.services.apps.recipes.static import StaticSite

# The first that fits is taken. What a person says comes before what is found; what is surely a program before what
# may be one's files; a Python object before Datasette, which serves files that any program may have beside it.
RECIPES: tuple[Recipe, ...] = (
    Procfile(),
    Python(),
    Datasette(),
    Node(),
    Perl(),
    Php(),
    Cgi(),
    StaticSite(),
)


def manifest_of(files: FolderView) -> Manifest:
    """Return what ``app.toml`` and the Procfile say, all defaults where there is neither."""
    manifest = parse(files.read("app.toml", MAX_SIZE)) if files.exists("app.toml") else Manifest()
    return with_procfile(manifest, files)


def find(project: Project) -> tuple[Recipe, Match]:
    """Return the recipe that fits, and by what. `UnsupportedError` with ``looked_for`` where none does."""
    named = project.manifest.recipe
    for recipe in RECIPES:
        if named in {None, recipe.NAME} and (match := recipe.detect(project)) is not None:
            return recipe, match
    looked_for = tuple(phrase for recipe in RECIPES if named in {None, recipe.NAME} for phrase in recipe.LOOKS_FOR)
    seen = tuple(path for _, path in zip(range(20), project.files.files(), strict=False))
    raise UnsupportedError(
        "Nothing in this folder says how to run it. Looked for: " + "; ".join(looked_for) + ".",
        looked_for=looked_for,
        found=seen,
    )


def plan(files: FolderView, runtimes: tuple[Runtime, ...]) -> tuple[Manifest, Match, BuildPlan]:
    """Return what a folder's manifest says, which recipe fits by what, and the whole plan.

    ``runtimes`` are the host's (`serai.services.apps.recipes.runtimes.discover`). `InvalidError` with ``path`` for a
    malformed file, `UnsupportedError` with ``looked_for``, or with ``available`` where the host lacks a run time.
    """
    manifest = manifest_of(files)
    project = Project(files, manifest, runtimes)
    recipe, match = find(project)
    made = finish(recipe.plan(project), manifest)
    if made.target == "instances" and "web" not in made.processes:
        raise InvalidError("There is no web process.", path="processes.web")
    return manifest, match, made
