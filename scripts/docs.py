"""Write the reference pages below docs/reference from the code itself; with ``--check``, fail where one is stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent))

import fields
import msgspec
from typer.main import get_command

from serai import api, console, errors
from serai.api import problems
from serai.api.app import build
from serai.api.desk import Desk, site_of
from serai.api.guard import table as guarded
from serai.api.nudge import Nudge
from serai.cli import exit as ends
from serai.cli.machine import installed
from serai.cli.main import app
from serai.daemon import config, modules, settings
from serai.daemon.context import SystemClock
from serai.daemon.module import Context
from serai.daemon.service import Service, load
from serai.identity.seal import Keyring
from serai.services.apps import manifest
from serai.services.registry import services
from serai.store.open import open_store

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by `make docs` from the code: change that, not this page. -->\n"
FORMS: Mapping[str, str] = vars(manifest)["_FORMS"]
SECTIONS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("host", settings.HostSettings),
    ("groups.NAME", settings.GroupSettings),
    ("log", settings.LogSettings),
    ("sentry", settings.SentrySettings),
)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), []]
    lines[1] = ["---"] * len(lines[0])
    lines += [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def struct(kind: type[msgspec.Struct]) -> str:
    """Return the table of a Struct's fields."""
    return table(
        ("key", "takes", "default", "means"),
        ((f"`{key}`", takes, default, means) for key, takes, default, means in fields.rows(kind, FORMS)),
    )


def intro(kind: Any) -> str:
    """Return a docstring's text as Markdown, one paragraph a line; names of this very module get their values."""
    text = (kind.__doc__ or "").strip().replace("``", "`")
    for name, value in vars(kind).items() if isinstance(kind, ModuleType) else ():
        text = text.replace(f"`{name}`", f"{value:,}") if name.isupper() and isinstance(value, int) else text
    paragraphs = text.split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) + "\n"


def config_page() -> str:
    """Return the page of serai.toml."""
    parts = [
        "# serai.toml\n",
        (
            "In the home folder, read by `serai up` and `serai reload`. Every key is optional; unknown keys and "
            "values out of bounds are errors, told with their path, and nothing is changed then. `--set KEY=VALUE` of "
            "`serai up` and `serai plan` lays a value over the file.\n"
        ),
    ]
    for name, kind in SECTIONS:
        parts += [f"## [{name}]\n", intro(kind), struct(kind)]
    parts += ["## Groups and ports where the file is silent\n", *_defaults()]
    registry = installed()
    for module_id in registry.ids():
        kind = registry.get(module_id).Config
        parts += [f'## [modules."{module_id}"]\n', intro(kind)]
        parts += [struct(kind) if kind.__struct_fields__ else "It has no settings.\n"]
    return "\n".join(parts)


def _defaults() -> Iterator[str]:
    plain = config.defaults(installed().ids(), root=False, host="NAME")
    root = config.defaults(installed().ids(), root=True, host="NAME")
    rows = (
        (f"`{name}`", " ".join(f"`{each}`" for each in group["modules"]), str(group.get("processes", 1)))
        for name, group in plain["groups"].items()
    )
    yield table(("group", "modules", "processes"), rows)
    for title, found in (("As a plain user", plain), ("As root", root)):
        edge = found["modules"]["edge.http"]
        yield f"{title} the edge listens at {' '.join(f'`{one}`' for one in (*edge['http'], *edge['https']))}.\n"


def app_toml_page() -> str:
    """Return the page of app.toml."""
    kinds = (
        ("(top level)", manifest.Manifest),
        ("processes.NAME", manifest.ProcessConfig),
        ("health", manifest.Health),
        ("release", manifest.ReleaseConfig),
        ("[[schedule]]", manifest.Schedule),
        ("static", manifest.StaticConfig),
        ("build", manifest.BuildConfig),
    )
    parts = ["# app.toml\n", intro(manifest), struct(manifest.Manifest)]
    for name, kind in kinds:
        parts += [f"## {name}\n", intro(kind)]
    return "\n".join(parts)


def cli_page() -> str:
    """Return the page of the command line."""
    root = get_command(app)
    parts = [
        "# The command line\n",
        "Results go to stdout, everything else to stderr. Exit status: [errors](errors.md).\n",
        _parameters(root.params),
    ]
    for path, command in _commands(root, "serai"):
        words = [one.metavar or one.name.upper() for one in command.params if one.param_type_name == "argument"]
        parts += [f"## {' '.join([path, *words])}\n", f"{command.help}\n", _parameters(command.params)]
    return "\n".join(part for part in parts if part)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    names: Callable[[Any], list[str]] | None = getattr(command, "list_commands", None)
    if names is None:
        yield path, command
        return
    for name in names(None):
        yield from _commands(command.get_command(None, name), f"{path} {name}")


def _parameters(params: Iterable[Any]) -> str:
    rows = []
    for one in params:
        if one.name == "help" or (one.param_type_name == "argument" and not one.help):
            continue
        if one.param_type_name == "argument":
            rows.append((one.metavar or one.name.upper(), "", one.help))
            continue
        names = " / ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
        flag = getattr(one, "is_flag", False)
        shown = "" if one.default is None or callable(one.default) or (flag and not one.secondary_opts) else one.default
        if flag and one.secondary_opts:
            shown = one.opts[0] if one.default else one.secondary_opts[0]
        rows.append((names, f"`{shown}`" if shown != "" else "", one.help or ""))
    return table(("option", "default", "means"), rows) if rows else ""


def errors_page() -> str:
    """Return the page of error codes."""
    rows = [
        (f"`{code}`", intro(kind).strip(), str(problems.STATUS[code]), str(ends.STATUS[code]))
        for code, kind in errors.BY_CODE.items()
    ]
    return "\n".join(
        (
            "# Errors\n",
            (
                "Ten codes, the same in the API's problem details (`code`, RFC 9457), in tasks and in the log. Act on "
                "the code, never on the message.\n"
            ),
            table(("code", "means", "HTTP status of the API", "exit status of `serai`"), rows),
            (
                f"Besides, `serai` ends with {ends.OK} where all went well, {ends.USAGE} for wrong usage, "
                f"{ends.INTERRUPTED} when it was interrupted; `serai status` with 9 where the host is not well.\n"
            ),
        )
    )


def modules_page() -> str:
    """Return the page of services: what each brings."""
    registry = installed()
    parts = ["# Services and their modules\n"]
    for service in (modules.SERVICE, api.SERVICE, console.SERVICE, *services().values()):
        parts += [f"## {service.name}\n", f"{service.summary}.\n"]
        rows = []
        for module_id in sorted(service.modules):
            kind = registry.get(module_id)
            needs = kind.NEEDS
            fits = "one process of the host" if needs.copies == "one" else "each process of its group"
            listens = " ".join(f"`{name}`" for name in needs.listen)
            rows.append((f"`{module_id}`", intro(kind).strip(), needs.privilege, fits, listens))
        if rows:
            parts.append(table(("module", "does", "privilege", "runs in", "addresses in"), rows))
        parts += _brings(service)
    return "\n".join(parts)


def _brings(service: Service) -> Iterator[str]:
    kinds = load(service.kinds) if service.kinds else ()
    if kinds:
        rows = ((f"`{kind.KIND}`", "yes" if kind.PUBLIC else "no", _first(kind)) for kind in kinds)
        yield table(("kind", "seen by the edge", "is"), rows)
    if service.tasks:
        yield table(("task", "does"), ((f"`{name}`", _first(_task(path))) for name, path in service.tasks.items()))


def _task(path: str) -> Any:
    found = load(path)
    return getattr(found, "call", None) or getattr(found, "function", None) or found


def _first(thing: Any) -> str:
    return intro(thing).split("\n", 1)[0]


def api_page() -> str:
    """Return the page of the API's entry points."""
    # No request is answered: nothing looks further than this.
    ctx = cast("Context", SimpleNamespace(store=open_store("memory:"), clock=SystemClock()))
    desk = Desk(ctx, Keyring({"none": bytes(32)}), site_of("localhost"))
    application = build(ctx, services().values(), desk, owner=0, nudge=Nudge(), max_upload=1)
    said = {
        (method, route.path_format): handler.summary or ""
        for route in application.routes
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods
    }
    rows = sorted((path, method, action) for method, path, action in guarded(application) if (method, path) in said)
    return "\n".join(
        (
            "# Entry points of the API\n",
            (
                "On the Unix socket `run/api.sock` of the home; `serai.api.client` speaks to it. `GET "
                "/v1/openapi.json` has the types. See [the API](../api.md).\n"
            ),
            table(
                ("method", "path", "does", "action"),
                ((method, f"`{path}`", said[method, path], f"`{action}`") for path, method, action in rows),
            ),
        )
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": api_page,
    "app-toml.md": app_toml_page,
    "cli.md": cli_page,
    "config.md": config_page,
    "errors.md": errors_page,
    "modules.md": modules_page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them."""
    stale = []
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        path = FOLDER / name
        text = MADE + "\n" + make()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text)
    for name in stale:
        print(f"docs/reference/{name}: {'out of date, run make docs' if '--check' in arguments else 'written'}")
    return bool(stale) and "--check" in arguments


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.exit(code)
