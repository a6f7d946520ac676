"""Forms made from a kind's own struct: one field for each thing that it says, and no second list of them anywhere.

What is plain (text, numbers, yes or no, a choice) has a field of its own, also within structs: ``health.path``. All
else is JSON in a box. What was not touched stays as it is, to the octet: browsers change line ends, and nobody wants
that.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from serai.console.forms import Form
from serai.errors import InvalidError

MAX_JSON = 64 << 10  # characters of a field that is JSON
_LONG = 300  # characters from which on a text gets a box
_FEW_ROWS, _MOST_ROWS = 3, 16  # of a box

_inspect = msgspec.inspect
_PLAIN = (_inspect.StrType, _inspect.IntType, _inspect.FloatType, _inspect.BoolType, _inspect.LiteralType)


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A field: its dotted ``name``, what a form decodes it as, and what it shows in the beginning."""

    name: str
    type: Any
    how: Literal["line", "number", "check", "choice", "json"]
    needed: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """Return the keys that lead to it in a spec."""
        return tuple(self.name.split("."))

    @property
    def label(self) -> str:
        """Return what people read beside it."""
        return self.name.replace("_", " ").replace(".", " · ")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Return the values of a choice with what people read."""
        return [(one, one.replace("_", " ")) for one in self.choices]

    def of(self, spec: Mapping[str, Any]) -> Any:
        """Return its value in a spec, the default where there is none."""
        found: Any = spec
        for key in self.path:
            if not isinstance(found, Mapping) or key not in found:
                return self.default
            found = found[key]
        return found

    def text(self, value: Any) -> str:
        """Return a value as a form shows it."""
        if self.how == "json":
            return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        return "" if value is None or value is False else "on" if value is True else str(value)

    def rows(self, text: str) -> int:
        """Return how many lines a box for a text has, 0 where it wants none."""
        if self.how == "json" or "\n" in text or len(text) > _LONG:
            return min(_MOST_ROWS, max(_FEW_ROWS, text.count("\n") + 1 + len(text) // _LONG))
        return 0


def leaves(kind: type[msgspec.Struct], prefix: str = "", inherited: Any = msgspec.NODEFAULT) -> Iterator[Leaf]:
    """Yield the fields of a struct, those of structs within it among them."""
    for field in msgspec.structs.fields(kind):
        default = _default(field) if inherited is msgspec.NODEFAULT else getattr(inherited, field.name)
        bare = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        name = prefix + field.encode_name
        if inspect.isclass(bare) and issubclass(bare, msgspec.Struct):
            yield from leaves(bare, f"{name}.", default)
        else:
            yield _leaf(name, field.type, default)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def _leaf(name: str, type_: Any, default: Any) -> Leaf:
    info = _inspect.type_info(type_)
    if isinstance(info, _inspect.Metadata):
        info = info.type
    types = info.types if isinstance(info, _inspect.UnionType) else (info,)
    optional = any(isinstance(one, _inspect.NoneType) for one in types)
    plain = [one for one in types if not isinstance(one, _inspect.NoneType)]
    needed = default is msgspec.NODEFAULT
    shown = None if needed else msgspec.to_builtins(default)
    more: dict[str, Any] = {"name": name, "needed": needed and not optional, "default": shown, "optional": optional}
    if len(plain) != 1 or not isinstance(plain[0], _PLAIN):
        return Leaf(type=Annotated[str, msgspec.Meta(max_length=MAX_JSON)] | None, how="json", **more)
    if isinstance(plain[0], _inspect.BoolType) and not optional:
        return Leaf(type=bool, how="check", **more)
    if isinstance(plain[0], _inspect.LiteralType):
        choices = tuple(str(one) for one in plain[0].values)
        return Leaf(type=str | None, how="choice", choices=choices, **more)
    how: Any = "line" if isinstance(plain[0], _inspect.StrType) else "number"
    return Leaf(type=type_ | None, how=how, **more)


def form_kind(fields: tuple[Leaf, ...], base: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the struct of a form with these fields and those of ``base``, which are called ``.NAME`` in the form.

    All may be left out: the API says what is needed.
    """
    names = {f"f{number}": leaf.name for number, leaf in enumerate(fields)}
    parts = [(f"f{n}", leaf.type, False if leaf.type is bool else None) for n, leaf in enumerate(fields)]
    return msgspec.defstruct("KindForm", parts, bases=(base,), rename=names, frozen=True, kw_only=True)


def shown(kind: type[msgspec.Struct], fields: tuple[Leaf, ...], spec: Mapping[str, Any], **more: Any) -> Form[Any]:
    """Return a form that shows a spec."""
    form = Form(kind)
    for name, value in more.items():
        form.fill(f".{name}", str(value))
    for leaf in fields:
        text = leaf.text(leaf.of(spec))
        if text:
            form.fill(leaf.name, text)
    return form


def changed(form: Form[Any], fields: tuple[Leaf, ...], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with what was typed; what says the same as before stays as it was.

    `InvalidError` with the field's name where JSON is none.
    """
    data = msgspec.to_builtins(form.data)
    result = copy.deepcopy(dict(spec))
    for leaf in fields:
        if form.value(leaf.name).strip("\n") != leaf.text(leaf.of(spec)).replace("\r\n", "\n").strip("\n"):
            _put(result, leaf, data.get(leaf.name))
    return result


def _put(spec: dict[str, Any], leaf: Leaf, value: Any) -> None:
    if leaf.how == "json" and value is not None:
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            raise InvalidError("This is not JSON.", path=leaf.name) from None
    if value is None and not leaf.optional:  # emptied
        value = "" if leaf.how == "line" else leaf.default
    where = spec
    for key in leaf.path[:-1]:
        where = where.setdefault(key, {})
    if value is None and not leaf.optional:
        where.pop(leaf.path[-1], None)
    else:
        where[leaf.path[-1]] = value
