"""What a Django project says about itself: its settings, its static files, the database beside its code."""

from __future__ import annotations

import ast
import re

import msgspec

from serai.services.apps.recipes.contract import FolderView
from serai.services.apps.recipes.python_entry import Entry, parse

_SETTINGS = re.compile(rb"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([A-Za-z_][\w.]{0,200})['\"]")


class Django(msgspec.Struct, frozen=True, kw_only=True):
    """A project: ``root`` is the folder with manage.py ("" for the release's own), ``settings`` its module.

    ``static_root`` and ``databases`` (SQLite files) are relative to the release's folder, where they can be read off
    the settings; ``collects`` says that STATIC_ROOT is set at all.
    """

    entry: Entry
    root: str
    settings: str
    collects: bool
    static_root: str | None
    static_url: str | None
    whitenoise: bool
    persist: tuple[str, ...]


def find_django(files: FolderView) -> Django | None:
    """Return the project with a manage.py in the folder, or one level below."""
    for path in files.files():
        if path.count("/") > 1:
            return None
        if path.rsplit("/", 1)[-1] == "manage.py" and (found := _SETTINGS.search(files.head(path, 16384))):
            return _project(files, path.removesuffix("manage.py").rstrip("/"), found[1].decode())
    return None


def _project(files: FolderView, root: str, settings: str) -> Django:
    base = f"{root}/" if root else ""
    module = base + settings.replace(".", "/")
    names = [name for name in files.files() if name == f"{module}.py" or name.startswith(f"{module}/")]
    values: dict[str, ast.expr] = {}
    text = b""
    for name in names:
        if name.endswith(".py") and (tree := parse(files, name)) is not None:
            text += files.read(name)
            values |= {
                target.id: node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
    package = settings.partition(".")[0]
    channels = "ASGI_APPLICATION" in values and b"channels" in text
    served = _text(values.get("ASGI_APPLICATION" if channels else "WSGI_APPLICATION"))
    served = served or f"{package}.{'asgi' if channels else 'wsgi'}.application"
    databases = _databases(values.get("DATABASES"))
    media = _below_base(values.get("MEDIA_ROOT"))
    static_root = _below_base(values.get("STATIC_ROOT"))
    return Django(
        entry=Entry(":".join(served.rpartition(".")[::2]), "asgi" if channels else "wsgi", root),
        root=root,
        settings=settings,
        collects="STATIC_ROOT" in values,
        static_root=None if static_root is None else base + static_root,
        static_url=_text(values.get("STATIC_URL")),
        whitenoise=b"whitenoise" in text,
        persist=tuple(base + path for path in (*databases, *([media] if media else []))),
    )


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _databases(node: ast.expr | None) -> tuple[str, ...]:
    """Return the SQLite files named below BASE_DIR in ``DATABASES``."""
    found: list[str] = []
    for inner in node.values if isinstance(node, ast.Dict) else ():
        if not isinstance(inner, ast.Dict):
            continue
        keys = {_text(key): value for key, value in zip(inner.keys, inner.values, strict=True)}
        engine = _text(keys.get("ENGINE")) or ""
        if engine.endswith((".sqlite3", ".spatialite")) and (path := _below_base(keys.get("NAME"))):
            found.append(path)
    return tuple(found)


def _below_base(node: ast.expr | None) -> str | None:
    """Return "a/b" for ``BASE_DIR / "a" / "b"``, ``os.path.join(BASE_DIR, "a", "b")`` or a str() of these."""
    parts: list[str] = []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        node = node.args[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"join", "joinpath"}:
        first, *rest = node.args if node.func.attr == "join" else (node.func.value, *node.args)
        parts, node = [_text(part) or "" for part in rest], first
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts.insert(0, _text(node.right) or "")
        node = node.left
    if not (isinstance(node, ast.Name) and node.id in {"BASE_DIR", "PROJECT_DIR", "ROOT_DIR"} and parts):
        return None
    path = "/".join(part.strip("/") for part in parts)
    sound = all(parts) and not any(part in {"", ".", ".."} for part in path.split("/")) and "\0" not in path
    return path if sound else None
