"""serai.toml with every setting explained, made from the types that read it."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from serai.daemon.settings import GroupSettings, HostSettings, LogSettings, SentrySettings

_SECTIONS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("host", HostSettings),
    ("log", LogSettings),
    ("sentry", SentrySettings),
    ("groups.NAME", GroupSettings),
)
_HEAD = """\
# Settings of this Serai host. Everything has a default; what stands behind a single # is the default.
# `serai reload` applies changes without dropping a connection, and refuses mistakes with their path.

## The cell's database, "postgresql://USER@HOST[:PORT]/DATABASE?passfile=PATH"; empty: a file of this host's own.
# store = ""
"""


def documented(
    values: Mapping[str, Mapping[str, Any]], modules: Mapping[str, type[msgspec.Struct]] | None = None
) -> str:
    """Return a documented serai.toml that sets ``values`` (section, key) and shows all else as comments.

    ``modules`` adds a section for the Config of each module ID.
    """
    parts = [_HEAD]
    for name, kind in _SECTIONS:
        parts.append("\n".join(_section(name, kind, values.get(name, {}))))
    for module_id, kind in (modules or {}).items():
        parts.append("\n".join(_section(f'modules."{module_id}"', kind, {})))
    return "\n".join(parts)


def _section(name: str, kind: type[msgspec.Struct], values: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {(kind.__doc__ or '').strip().splitlines()[0]}" if kind.__doc__ else f"# {name}"
    yield f"[{name}]" if values else f"# [{name}]"
    hints = get_type_hints(kind, include_extras=True)
    beside = _docstrings(kind)
    for field in msgspec.structs.fields(kind):
        sentence = _description(hints[field.name]) or beside.get(field.name, "")
        if sentence:
            yield f"## {sentence}"
        if field.encode_name in values:
            yield f"{field.encode_name} = {_toml(values[field.encode_name])}"
        else:
            yield f"# {field.encode_name} = {_toml(_default(field))}"
    yield ""


def _description(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, msgspec.Meta) and extra.description:
                return extra.description
    return ""


def _docstrings(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the strings that stand below fields in the source, where there is a source."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for above, below in pairwise(statements):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value) if isinstance(below.value, ast.Constant) else ""
            found[above.target.id] = " ".join(str(text).split())
    return found


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return "" if field.default is msgspec.NODEFAULT else field.default


def _toml(value: Any) -> str:
    """Write a value as TOML; JSON's strings, numbers and arrays are TOML's too."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in plain.items()) + " }"
    return json.dumps(plain, ensure_ascii=False)
