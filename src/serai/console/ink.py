"""What programs colour their lines with (SGR of ECMA-48), as classes of the style sheet; all other control is dropped.

`assets/ink.js` does the same with the lines that come while somebody looks on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from markupsafe import Markup, escape

#: A sequence (its parameters and last character where it is a CSI), or a character that controls something.
_CONTROL = re.compile(
    r"\x1b\[([0-?]{0,64})[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"
    r"|\x1b[ -/]*[0-~]|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)
_LOOKS = {1: "strong", 2: "dim", 3: "italic", 4: "under"}
_ENDS = {22: ("strong", "dim"), 23: ("italic",), 24: ("under",)}
_GREY, _DARK, _MIDDLE, _LIGHT, _BRIGHT = 40, 64, 144, 208, 200  # of 255


class _Pen(msgspec.Struct):
    looks: set[str] = msgspec.field(default_factory=set)
    colour: int = -1


def inked(text: str) -> Markup:
    """Return a line as HTML: what is coloured stands in a `span`; after a bare carriage return it begins anew."""
    found = Markup()
    for name, run in runs(_last(text)):
        found += Markup('<span class="{}">{}</span>').format(name, run) if name else escape(run)
    return found


def plain(text: str) -> str:
    """Return a line without its colours."""
    return "".join(run for _, run in runs(_last(text)))


def runs(line: str) -> Iterator[tuple[str, str]]:
    """Yield (classes, text) of each piece of a line that looks the same throughout."""
    pen, name, run, at = _Pen(), "", "", 0
    for found in _CONTROL.finditer(line):
        run += line[at : found.start()]
        at = found.end()
        if found[2] != "m":
            continue
        _dip(pen, [int(part) if part.isdigit() else 0 for part in (found[1] or "").replace(":", ";").split(";")])
        now = _name(pen)
        if now != name and run:
            yield name, run
            run = ""
        name = now
    if run + line[at:]:
        yield name, run + line[at:]


def _last(text: str) -> str:
    return text.rstrip("\r").rpartition("\r")[2]


def _name(pen: _Pen) -> str:
    return " ".join((*sorted(pen.looks), *([f"f{pen.colour}"] if pen.colour >= 0 else [])))


def _dip(pen: _Pen, codes: Sequence[int]) -> None:
    """Change a pen as a sequence says. Grounds are left out: lines keep that of the page, on which all can be read."""
    at = 0
    while at < len(codes):
        code, rest = codes[at], codes[at + 1 :]
        at += 1
        if code == 0:
            pen.looks, pen.colour = set(), -1
        elif code in _LOOKS:
            pen.looks.add(_LOOKS[code])
        elif code in _ENDS:
            pen.looks.difference_update(_ENDS[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            pen.colour = code - (30 if code < 90 else 82)
        elif code == 39:
            pen.colour = -1
        elif code in {38, 48}:
            if code == 38:
                pen.colour = _far(rest, pen.colour)
            at += 2 if rest[:1] == [5] else 4


def _far(rest: Sequence[int], otherwise: int) -> int:
    """Return which of the sixteen colours is next to one of 256, or of millions."""
    given = [*rest, 0, 0, 0, 0]
    how = given.pop(0)
    if how != 5:
        return _near(*given[:3]) if how == 2 else otherwise
    number = given[0] & 255
    if number < 16:
        return number
    if number > 231:
        return _near(*(8 + 10 * (number - 232),) * 3)
    cube = number - 16
    return _near(*(55 + 40 * step if step else 0 for step in (cube // 36, cube // 6 % 6, cube % 6)))


def _near(red: int, green: int, blue: int) -> int:
    most, least = max(red, green, blue), min(red, green, blue)
    if most - least < _GREY:
        return 0 if most < _DARK else 8 if most < _MIDDLE else 7 if most < _LIGHT else 15
    bits = [int(2 * value > most + least) for value in (red, green, blue)]
    return bits[0] + 2 * bits[1] + 4 * bits[2] + (8 if most > _BRIGHT else 0)
