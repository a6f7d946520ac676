"""JSON Schemas of the Structs that the API takes and gives, as OpenAPI 3.1 wants them (JSON Schema 2020-12)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from serai.api.sentences import Sentences
from serai.store import Spec

Schema = dict[str, Any]

PLACE = "#/components/schemas/"

_AHEAD = re.compile(r"\(\?[=!](?:[^()]|\([^()]*\))*\)")

#: What examples have in fields of these names.
EXAMPLES = {
    "actions": ["app.read"], "app": "hello", "blob": "0" * 64, "function": "apps.check", "host": "one",
    "role": "viewer", "tenant": "demo", "when": "0 3 * * *",
}  # fmt: skip


class Schemas:
    """Schemas by the types that they are made from; all types are named at once, so that each has one name."""

    def __init__(self, types: Sequence[Any]) -> None:
        unique = list(dict.fromkeys(types))
        made, self.components = msgspec.json.schema_components(unique, ref_template=PLACE + "{name}")
        self._made: dict[Any, Schema] = dict(zip(unique, made, strict=True))
        structs = {name: kind for kind in _structs(unique) for name in _names(kind)}
        sentences = Sentences()
        for name, schema in self.components.items():
            if name in structs:
                _describe(schema, structs[name], sentences.of(structs[name]))
            mend(schema)

    def of(self, kind: Any) -> Schema:
        """Return the schema of one of the types, a reference where it is a Struct."""
        return mend(dict(self._made[kind]))

    def add(self, name: str, schema: Schema) -> Schema:
        """Keep a schema under a name; return the reference to it."""
        self.components[name] = schema
        return {"$ref": PLACE + name}

    def found(self, schema: Schema) -> Schema:
        """Return what a schema refers to, or itself."""
        ref = schema.get("$ref")
        return schema if ref is None else self.components[ref.removeprefix(PLACE)]

    def strict(self, schema: Schema) -> Schema:
        """Return a copy without references that admits no field which its Structs do not have."""
        whole = {key: value for key, value in self.found(schema).items() if key != "title"}
        for key in ("properties", "patternProperties"):
            if key in whole:
                whole[key] = {name: self.strict(value) for name, value in whole[key].items()}
        for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
            if key in whole:
                whole[key] = [self.strict(one) for one in whole[key]]
        for key in ("items", "additionalProperties"):
            if isinstance(whole.get(key), dict):
                whole[key] = self.strict(whole[key])
        if "properties" in whole:
            whole["additionalProperties"] = False
        return whole

    def patch(self, schema: Schema) -> Schema:
        """Return the schema of a JSON merge patch (RFC 7396) of what a strict schema describes."""
        if schema.get("type") != "object":
            return schema
        whole = {key: value for key, value in schema.items() if key not in {"required", "examples"}}
        if "properties" in whole:
            whole["properties"] = {name: self._gone(value) for name, value in whole["properties"].items()}
        if isinstance(whole.get("additionalProperties"), dict):
            whole["additionalProperties"] = self._gone(whole["additionalProperties"])
        return whole

    def _gone(self, schema: Schema) -> Schema:
        return {"anyOf": [self.patch(schema), {"type": "null"}]}


def mend(schema: Schema) -> Schema:
    """Write Python's regular expressions as ECMA-262 has them, which JSON Schema refers to."""
    for value in schema.values():
        for below in value if isinstance(value, list) else [value]:
            if isinstance(below, dict):
                mend(below)
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = ecma(schema["pattern"])
    return schema


def prose(text: str) -> str:
    """Return a docstring as Markdown, one paragraph a line."""
    return "\n\n".join(" ".join(part.split()) for part in text.replace("``", "`").strip().split("\n\n"))


def ecma(pattern: str) -> str:
    """Return a pattern as ECMA-262 has it."""
    return re.sub(r"\(\?P<\w+>", "(", pattern).replace(r"\A", "^").replace(r"\Z", "$").replace(r"\0", r"\u0000")


def name_schema(kind: type[Spec]) -> Schema:
    """Return what a kind's names look like; what only looks ahead is left out, since generators can't read it."""
    plain = _AHEAD.sub("", kind.NAME.pattern)
    return {"type": "string", "pattern": f"^(?:{ecma(plain).removesuffix('$')})$"}


def example(schemas: Schemas, schema: Schema, name: str = "") -> Any:
    """Return something that fits: all fields, with their defaults or else the first thing that each may be."""
    schema = schemas.found(schema)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if name in EXAMPLES:
        return EXAMPLES[name]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schemas, schema["anyOf"][0])
    match schema.get("type"):
        case "object":
            return {name: example(schemas, one, name) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [example(schemas, schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    return "example"


def _describe(schema: Schema, kind: type[msgspec.Struct], told: Mapping[str, str]) -> None:
    if "description" in schema:
        schema["description"] = prose(schema["description"])
    for field, name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        below = schema.get("properties", {}).get(name)
        if below is not None and field in told and "description" not in below:
            below["description"] = told[field]


def _structs(types: Sequence[Any]) -> Iterator[type[msgspec.Struct]]:
    """Yield the Structs among types, and all below them."""
    seen: set[Any] = set()
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(types))
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            yield info.cls
            waiting += [field.type for field in info.fields]
        elif isinstance(info, msgspec.Struct):
            for value in (getattr(info, name) for name in info.__struct_fields__):
                waiting += [one for one in (value if isinstance(value, tuple) else (value,)) if _is_type(one)]


def _is_type(value: Any) -> bool:
    return isinstance(value, msgspec.inspect.Type)


def _names(kind: type) -> tuple[str, str]:
    """Return how msgspec names a component: plainly, or in full where another has that name, too."""
    return kind.__name__, f"{kind.__module__}.{kind.__qualname__}"
