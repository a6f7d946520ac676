"""Each argument and each option with a value, of each command that there is: hostile text never becomes our mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from serai.cli.exit import STATUS
from serai.cli.main import app

HOSTILE = {
    "substitution": "$(reboot)",
    "commands": "a;b|c&d`e`",
    "traversal": "../../etc",
    "absolute": "/etc/passwd",
    "emoji": "😀",
    "NUL": "a\x00b",
    "escape": "\x1b[2J",
    "large": "x" * (1 << 20),
    "option": "-x-",
    "empty": "",
    "surrogate": "\udc80",
}
#: What makes sense for an argument while another one is hostile; what is not named is "hello".
SOUND = {"count": "2", "number": "1", "version": "3.12", "language": "python", "pairs": "A=1", "host": "www.a.test",
         "shell": "bash"}  # fmt: skip
#: It never ends by itself, and reads what `task list` reads.
ENDLESS = {("task", "watch")}
#: What would change this machine, or ask a registry, is only planned.
PLANNED = {("up",), ("runtime", "add")}


def commands(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that has no others below it."""
    if not hasattr(found, "list_commands"):
        yield path, found
        return
    context = typer.Context(found)
    for name in found.list_commands(context):
        yield from commands(found.get_command(context, name), (*path, name))


def lines(value: str, folder: Path) -> Iterator[list[str]]:
    """Yield command lines that have the value in one place each, and what makes sense in all others."""
    sound = {**SOUND, "path": str(folder)}
    for path, command in commands(get_command(app)):
        if path in ENDLESS:
            continue
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option" and not one.is_flag]
        flags = {option for one in command.params if one.param_type_name == "option" for option in one.opts}
        fixed = [*path, *(["--dry-run"] if path in PLANNED else []), *(["--no-wait"] if "--wait" in flags else [])]
        usual = [sound.get(one.name, "hello") for one in arguments]
        for index in range(len(arguments)):
            yield [*fixed, "--", *usual[:index], value, *usual[index + 1 :]]
        for option in options:
            yield [*fixed, f"{option.opts[0]}={value}", "--", *usual]


def test_the_walk_finds_what_services_bring_too() -> None:
    found = {path for path, _ in commands(get_command(app))}
    assert {("up",), ("deploy",), ("app", "env", "set"), ("release", "delete"), ("runtime", "add")} <= found
    assert found >= ENDLESS | PLANNED


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_value_anywhere_is_text_or_one_clear_sentence(
    api: Any, serai: Any, tmp_path: Path, value: str
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("hello")
    serai("tenant", "create", "demo")
    assert serai("deploy", str(folder), "--app", "hello", "--no-wait").status == 0
    count = 0
    for words in lines(value, folder):
        done = serai(*words)
        shown = [word[:40] for word in words]
        assert done.status not in {1, STATUS["internal"]}, (shown, done.err[:500])
        assert "Traceback" not in done.err, shown
        assert "own mistake" not in done.err, (shown, done.err[:500])
        # The parser of arguments repeats what it can't read, as it was typed.
        assert len(done.err) < 5000 or done.status == 2, shown
        assert not {"\x00", "\x1b"} & set(done.out + done.err), shown
        count += 1
    assert count > 60
    assert [one["name"] for one in json.loads(serai("tenant", "list", "--json").out)] in (["demo"], ["demo", "hello"])
    assert [one["name"] for one in json.loads(serai("app", "list", "--tenant=demo", "--json").out)] == ["hello"]
