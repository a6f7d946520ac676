"""Colours of lines: what programs write becomes classes, nothing else gets through, and scripts see it the same way."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.console.ink import inked, plain, runs

ASSETS = Path(__file__).parents[2] / "src/serai/console/assets"
PROGRAM = """
import { readFileSync } from "node:fs";
import { runs } from "./ink.js";
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(runs)));
"""
CODES = st.lists(st.integers(0, 110) | st.sampled_from([5, 2, 255, 196, 38, 48]), max_size=6).map(
    lambda codes: "\x1b[" + ";".join(map(str, codes)) + "m"
)
ODD = (
    "\x1b[38;5;208m", "\x1b[38;2;9;99;199m", "\x1b[2K", "\x1b]8;;x\x07", "\x1b(B", "\r", "\x1b", "\x9b", "\x1b[1:31m",
)  # fmt: skip
LINES = st.lists(
    CODES | st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(ODD),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("well", "well"),
        ("\x1b[1;31m500\x1b[0m <b>", '<span class="strong f1">500</span> &lt;b&gt;'),
        ("\x1b[2ma\x1b[22mb", '<span class="dim">a</span>b'),
        ("\x1b[93;41;7mloud", '<span class="f11">loud</span>'),
        ("\x1b[38;5;196mx\x1b[39my", '<span class="f9">x</span>y'),
        ("\x1b[38;2;255;255;255mx", '<span class="f15">x</span>'),
        ("\x1b[48;2;1;2;3;32mx", '<span class="f2">x</span>'),
        ("\x1b[2K\x1b]0;title\x07\x1b(Bx\x07\x00\ty", "x\ty"),
        (" 10 %\r 50 %\r100 %\r", "100 %"),
        ('\x1b[31m"><script>', '<span class="f1">&#34;&gt;&lt;script&gt;</span>'),
        ("\x1b[" + "1" * 100 + "mx", "1" * 100 + "mx"),
    ],
)
def test_colours_are_classes_and_all_else_is_text(line: str, shown: str) -> None:
    assert inked(line) == shown


@given(LINES)
def test_no_line_becomes_anything_but_text_in_known_classes(line: str) -> None:
    tags = set(re.findall(r"<[^>]*>", inked(line)))
    assert all(re.fullmatch(r'</span>|<span class="(?:(?:strong|dim|italic|under|f\d+) ?)+">', tag) for tag in tags)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", plain(line))


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, min_size=20, max_size=60))
def test_scripts_show_lines_as_the_page_does(tmp_path: Path, lines: list[str]) -> None:
    for name in ("ink.js", "pen.js"):
        shutil.copy(ASSETS / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "run.js").write_text(PROGRAM)
    done = subprocess.run(
        [shutil.which("node") or "", "run.js"], cwd=tmp_path, input=json.dumps(lines), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    here = [[list(run) for run in runs(line.rstrip("\r").rpartition("\r")[2])] for line in lines]
    assert json.loads(done.stdout) == here
