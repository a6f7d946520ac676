"""The page of shells, and the screen of its terminal."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from browsing import unclean
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.cloud.descriptors import Instance
from serai.console.assets import FOLDER
from serai.identity.descriptors import Tenant
from serai.services.apps.descriptors import App
from serai.services.apps.shell import Shell

PAGE = "/tenants/demo/apps/shop/shell"
PROGRAM = """
import { Screen } from "./screen.js";
const input = JSON.parse(await new Promise((done) => {
  let text = "";
  process.stdin.on("data", (piece) => { text += piece; }).on("end", () => done(text));
}));
const answers = [];
const told = input.map(({ rows, columns, pieces }) => {
  const screen = new Screen(rows, columns, (text) => answers.push(text));
  for (const piece of pieces) if (typeof piece === "string") screen.write(piece); else screen.resize(...piece);
  const text = (line) => line.cells.map(([one]) => one).join("").trimEnd();
  return { lines: screen.lines.map(text), history: screen.history.map(text), x: screen.x, y: screen.y,
    looks: screen.lines[0].cells.map(([, look]) => look) };
});
console.log(JSON.stringify({ told, answers }));
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


async def some(house: Any, role: str = "developer") -> Any:
    await house.store.put("user:root", "test", "demo", "demo", Tenant(uid=1))
    await house.store.put("user:root", "test", "demo", "shop", App(host="test"))
    return await house.visitor("ada", ("demo", role))


async def test_a_shell_is_offered_where_an_instance_runs(house: Any) -> None:
    browser = await some(house)
    page = await browser.get(PAGE)
    assert "No instance runs" in page.text
    assert "data-shell" not in page.text
    for number, state in enumerate(("ready", "starting")):
        instance = Instance(app="shop", release=3, host="test", state=state)
        await house.store.put("user:root", "test", "demo", f"shop.3.web.{number}", instance)
    page = await browser.get(PAGE)
    assert 'data-shell="/v1/apps/demo/shop/shells"' in page.text
    assert 'value="shop.3.web.0"' in page.text
    assert 'value="shop.3.web.1"' not in page.text
    assert "serai app shell shop --tenant demo" in page.text
    assert unclean(page.text) == []
    page = await browser.get(f"{PAGE}?instance=shop.2.web.0%3Cb%3E")
    assert "shop.2.web.0&lt;b&gt; does not run any more" in page.text


async def test_open_shells_are_listed_and_what_is_gone_is_said(house: Any) -> None:
    browser = await some(house)
    shell = Shell(
        app="shop", host="test", instance="shop.3.web.0", who="user:<b>eve", program="sh", terminal=True, opened=1.0
    )
    await house.store.put("user:root", "test", "demo", "shop.00112233aabbccdd", shell)
    page = await browser.get(PAGE)
    assert "&lt;b&gt;eve" in page.text
    page = await browser.submit(page, {}, action=f"{PAGE}/00112233aabbccdd/end")
    assert 400 <= page.status_code < 600
    assert "<h1>shop</h1>" in page.text


async def test_only_who_may_sees_it(house: Any) -> None:
    viewer = await some(house, "viewer")
    assert (await viewer.get(PAGE)).status_code == 403
    stranger = await house.visitor("eve", ("other", "owner"))
    answers = [(await stranger.get(path)).status_code for path in (PAGE, PAGE.replace("shop", "none"))]
    assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("screen")
    for name in ("screen.js", "pen.js", "sequences.js"):
        shutil.copy(FOLDER / name, place)
    (place / "package.json").write_text('{"type": "module"}')
    (place / "run.js").write_text(PROGRAM)
    return place


def shown(folder: Path, *pieces: Any, rows: int = 4, columns: int = 10) -> Any:
    return run(folder, [{"rows": rows, "columns": columns, "pieces": pieces}])["told"][0]


def run(folder: Path, screens: Any) -> Any:
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, "run.js"], cwd=folder, input=json.dumps(screens), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["one\r\ntwo"], ["one", "two", "", ""]),
        (["0123456789ab"], ["0123456789", "ab", "", ""]),
        (["0123456789\r\nx"], ["0123456789", "x", "", ""]),
        (["1\r\n2\r\n3\r\n4\r\n5"], ["2", "3", "4", "5"]),
        (["abc\b\bX"], ["aXc", "", "", ""]),
        (["a\tb"], ["a       b", "", "", ""]),
        (["abc\x1b[2J\x1b[Hx"], ["x", "", "", ""]),
        (["abcdef\x1b[3D\x1b[K"], ["abc", "", "", ""]),
        (["abcdef\x1b[4G\x1b[1K"], ["    ef", "", "", ""]),
        (["abc\x1b[1G\x1b[2P"], ["c", "", "", ""]),
        (["abc\x1b[1G\x1b[2@"], ["  abc", "", "", ""]),
        (["1\r\n2\r\n3\x1b[1;1H\x1b[L"], ["", "1", "2", "3"]),
        (["1\r\n2\r\n3\x1b[1;1H\x1b[M"], ["2", "3", "", ""]),
        (["1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3;1H\nx"], ["1", "3", "x", "4"]),
        (["one", "\x1b", "[1", ";1", "Hx"], ["xne", "", "", ""]),
        (["shell\x1b[?1049h\x1b[Hfull\x1b[?1049l"], ["shell", "", "", ""]),
        (["\x1b]0;a title\x07x"], ["x", "", "", ""]),
        (["\x1b(0lqk\x1b(B"], ["┌─┐", "", "", ""]),
        (["日本x"], ["日本x", "", "", ""]),
        (["e\u0301x"], ["e\u0301x", "", "", ""]),
        (["one\r\ntwo", [2, 5]], ["one", "two"]),
        (["1\r\n2\r\n3\r\n4", [2, 5]], ["3", "4"]),
        (["12345678", [4, 3], "\rx"], ["x2345678", "", "", ""]),
    ],
)
def test_a_screen_shows_what_a_terminal_would(folder: Path, pieces: list[Any], lines: list[str]) -> None:
    assert shown(folder, *pieces)["lines"] == lines


@needs_node
def test_colours_become_names_and_questions_are_answered(folder: Path) -> None:
    looks = shown(folder, "\x1b[1;31ma\x1b[0mb\x1b[48;5;196mc\x1b[m\x1b[38;2;255;255;255md\x1b[7me")["looks"]
    assert looks == ["strong f1", "", "b9", "f15", "inverse f15"]
    told = run(folder, [{"rows": 4, "columns": 10, "pieces": ["\r\nab\x1b[6n\x1b[c"]}])
    assert told["answers"] == ["\x1b[2;3R", "\x1b[?62;22c"]
    assert shown(folder, "1\r\n2\r\n3\r\n4\r\n5\r\n6")["history"] == ["1", "2"]


@needs_node
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_output_breaks_the_screen(folder: Path, data: st.DataObject) -> None:
    text = st.one_of(
        st.text(max_size=30),
        st.from_regex(r"\x1b\[[?>]?[0-9;]{0,8}[@-~]", fullmatch=True),
        st.from_regex(r"\x1b[ -~]", fullmatch=True),
    )
    sizes = st.tuples(st.integers(1, 30), st.integers(1, 40))
    one = st.fixed_dictionaries(
        {
            "rows": st.integers(2, 10),
            "columns": st.integers(2, 20),
            "pieces": st.lists(st.one_of(text, text, text, sizes), max_size=40),
        }
    )
    for told in run(folder, data.draw(st.lists(one, min_size=10, max_size=30)))["told"]:
        assert 0 <= told["y"] < len(told["lines"])
