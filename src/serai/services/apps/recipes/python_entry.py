"""Find the object that a Python program serves, by reading its source. Nothing of the program is ever imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal

import msgspec

from serai.errors import SeraiError
from serai.services.apps.recipes.contract import FolderView

MAX_SOURCE = 256 << 10  # octets of one file
MAX_MODULES = 200

Kind = Literal["wsgi", "asgi"]

# Callables whose result is served, by the name that they are imported from.
_CALLABLES: dict[str, Kind] = {
    "flask.Flask": "wsgi",
    "apiflask.APIFlask": "wsgi",
    "bottle.Bottle": "wsgi",
    "bottle.default_app": "wsgi",
    "falcon.App": "wsgi",
    "falcon.API": "wsgi",
    "django.core.wsgi.get_wsgi_application": "wsgi",
    "webapp2.WSGIApplication": "wsgi",
    "fastapi.FastAPI": "asgi",
    "starlette.applications.Starlette": "asgi",
    "starlette.routing.Router": "asgi",
    "quart.Quart": "asgi",
    "litestar.Litestar": "asgi",
    "sanic.Sanic": "asgi",
    "blacksheep.Application": "asgi",
    "falcon.asgi.App": "asgi",
    "socketio.ASGIApp": "asgi",
    "channels.routing.ProtocolTypeRouter": "asgi",
    "django.core.asgi.get_asgi_application": "asgi",
}
_METHODS: dict[str, Kind] = {"make_wsgi_app": "wsgi", "wsgifunc": "wsgi", "asgi_app": "asgi"}
_FACTORIES = ("create_app", "make_app", "build_app", "get_app")
_NAMES = ("app", "application", "api", "server", "handler")
_PROTOCOL_NAMES = frozenset({"app", "application"})  # their arguments may have any names: servers pass them by position
_FILES = ("wsgi.py", "asgi.py", "app.py", "main.py", "application.py", "server.py", "api.py", "web.py", "index.py")
_PLACES = ("", "src/")
_NOT_PROGRAMS = frozenset({"tests", "test", "docs", "examples", "migrations", "scripts", "conftest.py", "setup.py"})


class Entry(msgspec.Struct, frozen=True):
    """What is served: ``target`` is "package.module:name", or "…:name()" for a factory without arguments.

    ``root`` is the folder below the release's that imports begin at ("" or "src").
    """

    target: str
    kind: Kind
    root: str = ""


def find_entry(files: FolderView) -> Entry | None:
    """Return the most likely object, or None: by the file's name first, then by the object's."""
    best: tuple[tuple[int, int, int], Entry] | None = None
    for index, path in enumerate(_modules(files)):
        if index >= MAX_MODULES:
            break
        tree = parse(files, path)
        if tree is None:
            continue
        root = "src" if path.startswith("src/") else ""
        module = path[len(root) + 1 if root else 0 :].removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for rank, name, kind in _objects(tree):
            order = (_file_rank(path), path.count("/"), rank)
            if best is None or order < best[0]:
                best = (order, Entry(f"{module}:{name}", kind, root))
    return best[1] if best else None


def parse(files: FolderView, path: str) -> ast.Module | None:
    """Return a file's syntax tree, or None where it is too large, or no Python that this interpreter reads."""
    try:
        return ast.parse(files.read(path, MAX_SOURCE))
    except (SeraiError, SyntaxError, ValueError, RecursionError, MemoryError):
        # MemoryError is how the parser says "nested too deeply".
        return None


def _modules(files: FolderView) -> Iterator[str]:
    for path in files.files():
        parts = path.removeprefix("src/").split("/")
        importable = all(part.removesuffix(".py").isidentifier() for part in parts)
        if path.endswith(".py") and importable and len(parts) <= 3 and not _NOT_PROGRAMS.intersection(parts):
            yield path


def _file_rank(path: str) -> int:
    name = path.rsplit("/", 1)[-1]
    if name in _FILES:
        # A wsgi.py or asgi.py is there to be served, wherever it lies.
        return 0 if name in _FILES[:2] else 1
    return 2 if name == "__init__.py" else 3


def _objects(tree: ast.Module) -> Iterator[tuple[int, str, Kind]]:
    imports = _imports(tree)
    served: dict[str, Kind] = {}
    factories: dict[str, Kind] = {}
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _function(node, imports, served, factories)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            kind = _value_kind(node.value, imports, factories)
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and kind is not None:
                    served[target.id] = kind
    for name, kind in served.items():
        yield _NAMES.index(name) if name in _NAMES else len(_NAMES), name, kind
    for name, kind in factories.items():
        if name in _FACTORIES:
            yield 100 + _FACTORIES.index(name), f"{name}()", kind


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.Try):
            yield from node.body
        elif isinstance(node, ast.If) and "__main__" not in ast.dump(node.test):
            yield from (*node.body, *node.orelse)
        else:
            yield node


def _imports(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in _top_level(tree.body):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
    return names


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _value_kind(value: ast.expr, imports: dict[str, str], factories: dict[str, Kind]) -> Kind | None:
    if not isinstance(value, ast.Call):
        return None
    name = _dotted(value.func)
    first, _, rest = name.partition(".")
    full = f"{imports.get(first, first)}.{rest}".rstrip(".")
    if full in _CALLABLES:
        return _CALLABLES[full]
    if isinstance(value.func, ast.Attribute) and value.func.attr in _METHODS:
        return _METHODS[value.func.attr]
    return factories.get(name)


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    imports: dict[str, str],
    served: dict[str, Kind],
    factories: dict[str, Kind],
) -> None:
    arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    if isinstance(node, ast.AsyncFunctionDef):
        if arguments[:3] == ["scope", "receive", "send"] or (node.name in _PROTOCOL_NAMES and len(arguments) == 3):
            served[node.name] = "asgi"
        return
    if len(arguments) == 2 and (node.name in _PROTOCOL_NAMES or arguments[1] == "start_response"):
        served[node.name] = "wsgi"
        return
    if len(arguments) > len(node.args.defaults) or any(item is None for item in node.args.kw_defaults):
        return
    inner = imports | _imports(ast.Module(body=node.body, type_ignores=[]))
    for child in ast.walk(node):
        if isinstance(child, ast.Call) and (kind := _value_kind(child, inner, {})) is not None:
            factories[node.name] = kind
            return
