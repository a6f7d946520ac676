"""Tables that are lists on a phone: each cell says its column's head, which stands far above it there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

Head = str | tuple[str, str]
_STEP = re.compile(r"<tr\b|<t[dh]\b")
_BLANK = re.compile(r"(<td\b[^>]*>)\s+(?=</td>)")


def labelled(rows: Markup, heads: Sequence[Head]) -> Markup:
    """Return a table's rows with each cell's head in its ``data-head``.

    Cells without anything are left quite empty, so that a style sheet can tell. What is in a cell was escaped: where a
    tag begins there is one.
    """
    names = [str(escape(head if isinstance(head, str) else head[0])) for head in heads]
    column = 0

    def step(found: re.Match[str]) -> str:
        nonlocal column
        if found[0] == "<tr":
            column = 0
            return found[0]
        name = names[column] if column < len(names) else ""
        column += 1
        return f'{found[0]} data-head="{name}"' if name else found[0]

    return Markup(_BLANK.sub(r"\1", _STEP.sub(step, str(rows))))  # noqa: S704 - nothing was added that is not escaped
