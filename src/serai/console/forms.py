"""Forms: what a browser sent, read strictly, typed by a struct, with a sentence beside each field that does not fit.

A form is a frozen msgspec Struct. Its fields are str, int, float, bool (a checkbox), a Literal or Enum (a choice), an
optional one of these, or ``tuple[…, …]`` (a field that may come several times). Bounds are `msgspec.Meta`; what must
not be repeated on a page is a `Secret`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from serai.api.problems import STATUS
from serai.errors import DeniedError, InvalidError, SeraiError

T = TypeVar("T", bound=msgspec.Struct)

MAX_FORM = 256 << 10  # octets of a form's body
MAX_BODY = 4 * MAX_FORM  # octets of one that has a whole form within it, as the page of signing in
MAX_FIELDS = 500
MAX_NAME = 100  # characters of a field's name
TOKEN = "csrf"  # noqa: S105 - the field's name
MEDIA_TYPE = "application/x-www-form-urlencoded"

#: A text that is never shown again; where a session ends under an open form, it is carried along sealed.
Secret = Annotated[str, msgspec.Meta(max_length=4096, extra={"secret": True})]
#: One line of text.
Short = Annotated[str, msgspec.Meta(max_length=300)]

Pairs = tuple[tuple[str, str], ...]


class Empty(msgspec.Struct, frozen=True):
    """A form that is only a button."""


def parse(body: bytes) -> Pairs:
    """Return the fields of a body in their order; `InvalidError` where it is no form. Its size was seen to."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
            strict_parsing=bool(body),
        )
    except UnicodeDecodeError:
        raise InvalidError("The form is not UTF-8.") from None
    except ValueError:
        raise InvalidError(f"That is no form, or one of more than {MAX_FIELDS} fields.") from None
    if any(len(name) > MAX_NAME for name, _ in pairs):
        raise InvalidError("A field's name is too long.")
    if any("\0" in value for _, value in pairs):
        raise InvalidError("A field holds a NUL.")
    # Browsers end lines of what is typed with CRLF, whatever the machine.
    return tuple((name, value.replace("\r\n", "\n")) for name, value in pairs)


class Form(Generic[T]):
    """A form of the struct ``kind``, as it was sent or as it is shown first.

    ``errors`` are sentences by field, ``error`` is about the whole. ``result`` is what `send` brought.
    """

    def __init__(self, kind: type[T], pairs: Pairs = (), *, sent: bool = False) -> None:
        self.kind = kind
        self.errors: dict[str, str] = {}
        self.error = ""
        self.status = 200
        self.result: Any = None
        self._fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        self._values: dict[str, list[str]] = {}
        self._data: T | None = None
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        if sent:
            self._read()

    @classmethod
    def of(cls, kind: type[T], **values: Any) -> Form[T]:
        """Return a form as a page shows it first; values that are not given are the struct's defaults."""
        form = cls(kind)
        for name, field in form._fields.items():
            value = values.get(name, field.default)
            if value is not msgspec.NODEFAULT and value is not None and value is not False:
                many = value if isinstance(value, (list, tuple)) else [value]
                form._values[name] = ["on" if one is True else str(one) for one in many]
        return form

    @property
    def ok(self) -> bool:
        """Tell whether all that was sent fits."""
        return self._data is not None and not self.errors and not self.error

    @property
    def data(self) -> T:
        """Return what was sent; `InvalidError` where it does not fit."""
        if self._data is None:
            raise InvalidError(next(iter(self.errors.values()), "That form was not sent."))
        return self._data

    async def send(self, action: Callable[[T], Awaitable[Any]]) -> bool:
        """Do with the data what the form is for; return whether that went well.

        A refusal ends up beside the field that it is about. Only that nobody is signed in, or that the platform is
        silent, goes further: that has a page of its own, and nothing typed is lost.
        """
        if not self.ok:
            return False
        try:
            self.result = await action(self.data)
        except SeraiError as error:
            if error.fields.get("silent") or (isinstance(error, DeniedError) and error.fields.get("need") == "sign-in"):
                raise
            self.refuse(error)
            return False
        return True

    def refuse(self, error: SeraiError) -> None:
        """Show an error of the API, beside the field that it names where there is one."""
        self.status = STATUS[error.code]
        steps = re.split(r"[.\[\]]", str(error.fields.get("path", "")).removeprefix("$."))
        # A field may stand for what is within it: "scale" for "scale.web", and "health.path" for itself.
        paths = (".".join(steps[:end]) for end in range(len(steps), 0, -1))
        found = next((path for path in paths if path in self._fields), None)
        if found is None:
            self.error = error.public
        else:
            self.errors[found] = error.public

    def fill(self, name: str, value: str) -> None:
        """Show a value in a field."""
        self._values[name] = [value]

    # What templates ask:

    def value(self, name: str) -> str:
        """Return what a field shows: what was typed, secrets left out."""
        return "" if self.is_secret(name) else next(iter(self._values.get(name, ())), "")

    def values(self, name: str) -> list[str]:
        """Return all values of a field that may come several times."""
        return [] if self.is_secret(name) else self._values.get(name, [])

    def is_on(self, name: str, value: str = "on") -> bool:
        """Tell whether a checkbox is ticked, or a choice is made."""
        return value in self._values.get(name, ())

    def is_required(self, name: str) -> bool:
        """Tell whether a field has to be filled."""
        field = self._fields.get(name)
        return field is not None and field.required and field.type is not bool

    def is_secret(self, name: str) -> bool:
        """Tell whether a field is never shown again."""
        return bool(self._meta(name, "extra") and self._meta(name, "extra").get("secret"))

    def longest(self, name: str) -> int | None:
        """Return how many characters a field takes, None for any number."""
        found: int | None = self._meta(name, "max_length")
        return found

    def choices(self, name: str) -> list[str]:
        """Return the values that a choice has."""
        info = msgspec.inspect.type_info(self._fields[name].type)
        found = getattr(info, "values", None) or [one.value for one in getattr(info, "cls", ())]
        return [str(one) for one in found]

    def typed(self, *, secret: bool = False) -> Pairs:
        """Return what was typed but the token: all that is no secret, or with ``secret`` all that is."""
        return tuple(
            (name, value)
            for name, values in self._values.items()
            for value in values
            if name != TOKEN and (self.is_secret(name) and value != "") == secret
        )

    def _meta(self, name: str, what: str) -> Any:
        field = self._fields.get(name)
        # Of an optional field the bounds stand within: ``Annotated[int, Meta(ge=1)] | None``.
        types = () if field is None else (field.type, *get_args(field.type))
        bounded = next((one for one in types if get_origin(one) is Annotated), None)
        metas = [each for each in get_args(bounded)[1:] if isinstance(each, msgspec.Meta)]
        return next((value for each in metas if (value := getattr(each, what)) is not None), None)

    def _read(self) -> None:
        read: dict[str, Any] = {}
        for name, field in self._fields.items():
            values = self._values.get(name, [])
            many = isinstance(
                msgspec.inspect.type_info(field.type), (msgspec.inspect.VarTupleType, msgspec.inspect.ListType)
            )
            if len(values) > 1 and not many:
                raise InvalidError(f"The field {name} came {len(values)} times.", path=name)
            try:
                found = _convert(field, values, many=many)
            except msgspec.ValidationError as error:
                self.errors[name] = sentence(str(error))
                continue
            if found is not msgspec.UNSET:
                read[name] = found
        for name in self._values:
            if name not in self._fields and name != TOKEN:
                raise InvalidError(f"The form has no field {name[:40]}.", path=name[:40])
        if self.errors:
            self.status = 400
            return
        try:
            self._data = msgspec.convert(read, self.kind)
        except msgspec.ValidationError as error:  # of the struct's own __post_init__
            self.error, self.status = sentence(str(error)), 400


def _convert(field: msgspec.structs.FieldInfo, values: list[str], *, many: bool) -> Any:
    """Return a field's value, UNSET where its default holds."""
    if many:
        return msgspec.convert([one for one in values if one], field.type, strict=False)
    if field.type is bool:
        return bool(values) and values[0] not in {"", "0", "false", "off"}
    text = values[0] if values else ""
    if not text and not field.required:
        return msgspec.UNSET
    if not text:
        raise msgspec.ValidationError("This is needed.")
    return msgspec.convert(text, field.type, strict=False)


_SENTENCES: Mapping[re.Pattern[str], str] = {
    re.compile(r"Expected `str` of length <= (\d+)"): r"This has at most \1 characters.",
    re.compile(r"Expected `str` of length >= (\d+)"): r"This has at least \1 characters.",
    re.compile(r"Expected `str` matching regex .*"): "This does not have the form that is asked for.",
    re.compile(r"Expected `(?:int|float)` >= (\S+)"): r"This is at least \1.",
    re.compile(r"Expected `(?:int|float)` <= (\S+)"): r"This is at most \1.",
    re.compile(r"Expected `(?:int|float)` > (\S+)"): r"This is more than \1.",
    re.compile(r"Expected `int(?: \| null)?`, got .*"): "This is a whole number.",
    re.compile(r"Expected `float(?: \| null)?`, got .*"): "This is a number.",
    re.compile(r"Invalid enum value .*"): "This is none of the choices.",
}


def sentence(error: str) -> str:
    """Return a decoder's message as a person reads it."""
    message = error.partition(" - at ")[0]
    for form, text in _SENTENCES.items():
        if found := form.fullmatch(message):
            return found.expand(text)
    return message if message.endswith(".") else f"{message}."
