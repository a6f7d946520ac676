"""Serve a Python program: its WSGI object by gunicorn, its ASGI object by uvicorn, SQLite files by Datasette.

    web.py wsgi|asgi [--root FOLDER] [--settings MODULE [--static-files]] MODULE:OBJECT
    web.py datasette --root FOLDER [ARGUMENTS of datasette serve]…

One release answers below several prefixes and names at once (/hello/, /hello/1/, an own domain), so a program learns
its prefix with each request, from X-Forwarded-Prefix: as SCRIPT_NAME (PEP 3333), as root_path (ASGI), as Django's
script prefix, as Datasette's base_url. The edge takes the prefix off the path and is the only one that can connect.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from contextvars import ContextVar
from typing import Any

HOST, PORT = "127.0.0.1", int(os.environ.get("PORT", "8000"))
KEEP_ALIVE = 75  # seconds; longer than the edge keeps an idle connection, so that it never meets a closing one
THREADS = 8


def prefix_of(value: str) -> str:
    """Return the prefix without its last slash, "" where it is none: "/hello/1/" becomes "/hello/1"."""
    prefix = value.rstrip("/")
    return prefix if prefix.startswith("/") and not prefix.startswith("//") and prefix.isprintable() else ""


class Wsgi:
    """Set what the edge knows in each request's environment, then call the program."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve one request."""
        environ["SCRIPT_NAME"] = prefix_of(environ.get("HTTP_X_FORWARDED_PREFIX", ""))
        if environ.get("HTTP_X_FORWARDED_PROTO") in {"http", "https"}:
            environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"]
        if client := environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip():
            environ["REMOTE_ADDR"] = client
        return self.app(environ, start_response)


class Asgi:
    """Set root_path for each request and WebSocket; by the specification, path then begins with it."""

    def __init__(self, app: Any, *, whole_path: bool = True) -> None:
        self.app = app
        self.whole_path = whole_path

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one request or WebSocket, or the program's lifespan."""
        if scope["type"] in {"http", "websocket"} and (prefix := prefix_in(scope)):
            scope = {**scope, "root_path": prefix}
            if self.whole_path:
                scope["path"] = prefix + scope["path"]
                scope["raw_path"] = prefix.encode() + scope.get("raw_path", scope["path"].encode())
        await self.app(scope, receive, send)


def prefix_in(scope: dict[str, Any]) -> str:
    """Return the prefix in an ASGI scope's headers."""
    value = next((value for name, value in scope["headers"] if name == b"x-forwarded-prefix"), b"")
    return prefix_of(value.decode("latin-1"))


def load(target: str) -> Any:
    """Import "module:object"; "module:object()" calls it."""
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.removesuffix("()").split("."):
        found = getattr(found, part)
    return found() if name.endswith("()") else found


def serve_wsgi(app: Any) -> None:
    """Serve by gunicorn; WEB_CONCURRENCY says how many processes, as it is wont to."""
    base = importlib.import_module("gunicorn.app.base").BaseApplication

    class Server(base):  # type: ignore[misc, valid-type]  # gunicorn is in the release's environment, not in ours
        def load_config(self) -> None:
            settings = {
                "bind": f"{HOST}:{PORT}",
                "worker_class": "gthread",
                "threads": THREADS,
                "keepalive": KEEP_ALIVE,
                "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108  its heartbeat file
                "graceful_timeout": 30,
                "timeout": 0,
                "forwarded_allow_ips": "*",
                "control_socket_disable": True,  # it would lie in the data folder, which all instances share
            }
            for key, value in settings.items():
                if key in self.cfg.settings:  # an older gunicorn knows fewer
                    self.cfg.set(key, value)

        def load(self) -> Any:
            return app

    Server().run()


def serve_asgi(app: Any) -> None:
    """Serve by uvicorn, WebSockets included."""
    uvicorn = importlib.import_module("uvicorn")
    uvicorn.run(
        app,
        host=HOST,
        port=PORT,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=30,
        proxy_headers=True,
        forwarded_allow_ips="*",
        access_log=False,
        server_header=False,
    )


def django(kind: str, app: Any, *, static_files: bool) -> Any:
    """Make a Django project's static files work below any prefix, and serve them where nothing else does."""
    _django_urls()
    if not static_files:
        return app
    if not importlib.import_module("django.apps").apps.is_installed("django.contrib.staticfiles"):
        return app
    handlers = importlib.import_module("django.contrib.staticfiles.handlers")
    serve = importlib.import_module("django.contrib.staticfiles.views").serve

    # Django's own look for static files in the whole path, the prefix included, where they never are.
    class WsgiFiles(handlers.StaticFilesHandler):  # type: ignore[misc, name-defined]  # Django is the release's
        def serve(self, request: Any) -> Any:
            return serve(request, self.file_path(request.path_info), insecure=True)

    class AsgiFiles(handlers.ASGIStaticFilesHandler):  # type: ignore[misc, name-defined]
        def serve(self, request: Any) -> Any:
            return serve(request, self.file_path(request.path_info), insecure=True)

        async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
            path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
            if scope["type"] == "http" and self._should_handle(path):
                await handlers.ASGIHandler.__call__(self, scope, receive, send)
            else:
                await self.application(scope, receive, send)

    return WsgiFiles(app) if kind == "wsgi" else AsgiFiles(app)


def _django_urls() -> None:
    """Let STATIC_URL and MEDIA_URL follow each request's prefix; Django keeps that of the first one for good."""
    conf = importlib.import_module("django.conf")
    script_prefix = importlib.import_module("django.urls").get_script_prefix

    def url(name: str) -> property:
        def get(settings: Any) -> Any:
            if settings._wrapped is conf.empty:
                settings._setup(name)
            value = getattr(settings._wrapped, name)
            # Below a prefix, a path from the root ("/static/") leads to somebody else's program.
            if not isinstance(value, str) or "://" in value or value.startswith("//"):
                return value
            return script_prefix() + value.lstrip("/")

        return property(get)

    for name in ("STATIC_URL", "MEDIA_URL"):
        setattr(conf.LazySettings, name, url(name))
    storage = importlib.import_module("django.contrib.staticfiles.storage").StaticFilesStorage
    storage.base_url = property(lambda _: conf.settings.STATIC_URL)


def datasette(arguments: list[str]) -> None:
    """Serve by ``datasette serve``; its base_url is one for a whole process, so ours answers for each request."""
    module = importlib.import_module("datasette.app")
    cli = importlib.import_module("datasette.cli").cli
    current: ContextVar[str] = ContextVar("prefix", default="")
    make_app, setting = module.Datasette.app, module.Datasette.setting

    def app(self: Any) -> Any:
        inner = make_app(self)

        async def outer(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http" and (prefix := prefix_in(scope)):
                current.set(f"{prefix}/")
                scope = {**scope, "path": prefix + scope["path"]}
                scope["raw_path"] = prefix.encode() + scope["raw_path"]
            await inner(scope, receive, send)

        return outer

    module.Datasette.app = app
    module.Datasette.setting = lambda self, key: (key == "base_url" and current.get()) or setting(self, key)
    cli(["serve", "--host", HOST, "--port", str(PORT), *arguments])


def old_starlette() -> bool:
    """Say whether Starlette is older than 0.33, which took root_path for what is missing from path."""
    try:
        version = importlib.import_module("importlib.metadata").version("starlette")
    except ImportError:
        return False
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < (0, 33)


def main(argv: list[str]) -> None:
    """Serve what the arguments say."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("kind", choices=("wsgi", "asgi", "datasette"))
    parser.add_argument("--root", default=".")
    parser.add_argument("--settings", default="")
    parser.add_argument("--static-files", action="store_true")
    options, rest = parser.parse_known_args(argv)
    # The first entry is this script's own folder: nothing of it may be imported in a program's module's stead.
    sys.path[0] = os.path.realpath(options.root)
    if options.kind == "datasette":
        datasette(rest)
        return
    app = load(rest[-1])
    if options.settings:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", options.settings)
        app = django(options.kind, app, static_files=options.static_files)
    if options.kind == "wsgi":
        serve_wsgi(Wsgi(app))
    else:
        serve_asgi(Asgi(app, whole_path=not old_starlette()))


if __name__ == "__main__":
    main(sys.argv[1:])
