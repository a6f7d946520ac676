"""Templates: compiled once, escaped always, strict about names that are not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from serai.api.answers import segment
from serai.console.assets import Assets
from serai.console.compiled import Compiled
from serai.console.ink import inked
from serai.console.tables import labelled
from serai.console.wording import browser, is_time, pretty, prose, who

FOLDER = Path(__file__).parent / "templates"
PART = "part_"  # what the names of blocks begin with that are also answered alone
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_AGO = ((90, 1, "second"), (90 * 60, 60, "minute"), (36 * 3600, 3600, "hour"), (float("inf"), 86400, "day"))


class Templates:
    """Render pages. ``now`` in seconds since the epoch."""

    def __init__(self, assets: Assets, now: Callable[[], float], folder: Path = FOLDER) -> None:
        self._now = now
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            ago=self.ago,
            moment=moment,
            octets=octets,
            count=count,
            plural=plural,
            segment=segment,
            text=text,
            packed=packed,
            lasted=lasted,
            amount=amount,
            labelled=labelled,
            who=who,
            browser=browser,
            prose=prose,
            pretty=pretty,
            inked=inked,
        )
        self._environment.tests["time"] = is_time
        if folder == FOLDER:
            self._environment.bytecode_cache = Compiled(self._environment.filters.values())
        self._environment.globals.update(asset=assets.url)
        # Blocks that are rendered alone see globals only, so what they all use is one.
        self._environment.globals["ui"] = self._environment.get_template("ui.html").module
        self._compiled = {name: self._environment.get_template(name) for name in self._environment.list_templates()}

    def render(self, name: str, values: Mapping[str, Any], part: str = "") -> str:
        """Return a page, or only its block ``part_PART`` where it has one."""
        template = self._compiled[name]
        if part and PART + part in template.blocks:
            return self._block(template, PART + part, values)
        return template.render(values)

    @staticmethod
    def _block(template: Template, name: str, values: Mapping[str, Any]) -> str:
        context = template.new_context(dict(values))
        return "".join(template.blocks[name](context))

    def ago(self, seconds: float | None) -> Markup:
        """Return a time as a person says it, with the exact one behind it."""
        if not seconds:
            return Markup("never")
        passed = self._now() - seconds
        text = "just now" if abs(passed) < 2 else f"{_span(abs(passed))} {'ago' if passed > 0 else 'from now'}"
        return _time(seconds, text)


def moment(seconds: float | None) -> Markup:
    """Return a time in UTC; a browser that runs scripts shows it in its own zone."""
    if not seconds:
        return Markup("never")
    return _time(seconds, f"{_date(seconds):%Y-%m-%d %H:%M:%S} UTC", local=True)


def octets(number: float) -> str:
    """Return a number of octets in the unit that suits it."""
    size = float(number)
    for unit in _UNITS:
        if abs(size) < 1024 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def count(number: float) -> str:
    """Return a number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def lasted(seconds: float) -> str:
    """Return how long something took, or may take."""
    return "under a second" if seconds < 1 else _span(seconds)


def amount(number: float) -> str:
    """Return a number without a fraction where it has none."""
    return count(int(number)) if number == int(number) else f"{number:g}"


def text(value: Any) -> str:
    """Return a value of a descriptor as a person reads it: text as it is, all else as JSON."""
    return value if isinstance(value, str) else packed(value)


def packed(value: Any) -> str:
    """Return a value as JSON, for an attribute or a text; escaping is the template's."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


def _span(seconds: float) -> str:
    for below, unit, name in _AGO:
        if seconds < below:
            return plural(round(seconds / unit), name)
    raise AssertionError


def _time(seconds: float, text: str, *, local: bool = False) -> Markup:
    exact = _date(seconds).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
        exact, exact, Markup(" data-local") if local else "", text
    )


def _date(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
