"""A static site: files that the edge serves by itself. No process, nothing to build."""

from __future__ import annotations

from typing import ClassVar

from serai.errors import InvalidError
from serai.services.apps.recipes.contract import BuildPlan, FolderView, Match, Project, Static

_FOLDERS = ("", "public", "dist", "build", "site", "_site", "docs", "html", "htdocs")


class StaticSite:
    """Serve a folder with an index.html."""

    NAME: ClassVar[str] = "static"
    LOOKS_FOR: ClassVar[tuple[str, ...]] = ("index.html, or public/index.html", "static.folder in app.toml")

    def detect(self, project: Project) -> Match | None:
        """Fit where there is a first page, or where app.toml says which folder to serve."""
        files, manifest = project.files, project.manifest
        if manifest.static.folder is not None:
            return Match(self.NAME, "static.folder of app.toml")
        folder = _folder(files)
        return None if folder is None else Match(self.NAME, f"{folder}/index.html".lstrip("/"))

    def plan(self, project: Project) -> BuildPlan:
        """Serve it at "/"."""
        files, manifest = project.files, project.manifest
        folder = manifest.static.folder if manifest.static.folder is not None else _folder(files)
        if folder is None:
            raise InvalidError("There is no index.html to serve.", path="static.folder")
        if folder and manifest.build.command is None and not files.folder(folder):
            raise InvalidError(f"There is no folder {folder}.", path="static.folder")
        return BuildPlan(recipe=self.NAME, runtime="", target="static", static=(Static("/", folder),))


def _folder(files: FolderView) -> str | None:
    return next((name for name in _FOLDERS if files.exists(f"{name}/index.html".lstrip("/"))), None)
