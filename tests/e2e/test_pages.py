"""Every command in the blocks of the handbook's pages runs as it is written there, in order, and ends well.

What a page leaves open (`NAME`, another host's name, a secret) is filled in by its row of `PAGES`, and only by that.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from installation import ROOT, SERAI, Installation

pytestmark = pytest.mark.timeout(290)
PASSPHRASE = "correct horse battery"
APP = """
import os
from http.server import HTTPServer, SimpleHTTPRequestHandler
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), SimpleHTTPRequestHandler).serve_forever()
"""
_COMMAND = re.compile(r"(?: {4})?(?:serai |curl |SERAI_[A-Z]+=)")
_ENDLESS = re.compile(r"(?: -f|serai task watch)\s*(?:#|$)")


@dataclass
class Reader:
    """Somebody who types what a page says, at the machine itself or elsewhere, in a folder of their own."""

    platform: Installation
    folder: Path
    elsewhere: bool = False
    said: dict[str, str] = field(default_factory=dict)

    def run(self, line: str, stdin: str = "") -> str:
        """Let a shell run a line; one that goes on for ever is interrupted."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SERAI_", "XDG_"))}
        authority = str(self.platform.home / "data/tls/ca.pem")
        environment = kept | {"HOME": str(self.folder), "SERAI_CA": authority, "CURL_CA_BUNDLE": authority}
        environment["PATH"] = f"{SERAI.parent}:{kept['PATH']}"
        if not self.elsewhere:
            environment["SERAI_HOME"] = str(self.platform.home)
        endless = _ENDLESS.search(line)
        done = subprocess.run(
            ["timeout", "-s", "INT", "4" if endless else "110", "bash", "-c", line],
            cwd=self.folder, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        ends = {124, 130} if endless else {0}
        assert done.returncode in ends, f"$ {line}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def setup(self, *lines: str) -> None:
        """Have the operator at the machine do what a page takes for granted."""
        before, self.elsewhere = self.elsewhere, False
        for line in lines:
            self.run(line)
        self.elsewhere = before

    def url(self, host: str) -> str:
        """Return where the platform answers."""
        return f"https://{host}:{self.platform.https}"

    def listed(self, line: str, key: str) -> str:
        """Return a field of the first line of a list."""
        before, self.elsewhere = self.elsewhere, False
        found = json.loads(self.run(f"{line} --json"))
        self.elsewhere = before
        return str(found[0][key])


Fill = Callable[[Reader], str]


@dataclass(frozen=True)
class Page:
    """How a page is read: what is there before it and before its parts, what fills its gaps, what is typed."""

    begin: Callable[[Reader], None]
    parts: Mapping[str, Callable[[Reader], None]] = field(default_factory=dict)
    fill: Mapping[str, Fill] = field(default_factory=dict)
    typed: Mapping[str, Fill] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()
    #: What can't be had here, with the reason.
    left_out: Mapping[str, str] = field(default_factory=dict)


def people(reader: Reader) -> None:
    reader.setup("serai tenant create demo", "serai app list --tenant demo")
    (reader.folder / "examples").symlink_to(ROOT / "examples")


def bob(reader: Reader) -> None:
    reader.setup("serai user add bob --email bob@example.test", "serai deploy examples/static --app shop --tenant demo")


def ada(reader: Reader) -> None:
    """Let ada set her password, and nobody else know it."""
    link = reader.platform.run("user", "reset", "ada").stdout
    reader.elsewhere = True
    reader.run(f"SERAI_URL={reader.url('api.localhost')} serai accept", f"{link}{PASSPHRASE}\n")


def signed_in(reader: Reader) -> None:
    reader.elsewhere = True
    reader.run(f"serai login {reader.url('api.localhost')}", f"ada\n{PASSPHRASE}\n")
    reader.said["token"] = reader.run("serai token make any --tenant demo --action app.read").strip()
    mine = reader.run("serai token make me --tenant demo --action app.read").strip()
    (reader.folder / "header").write_text(f"Authorization: Bearer {mine}\n")


def programs(reader: Reader) -> None:
    reader.setup("serai tenant create demo")
    hello = reader.folder / "hello"
    hello.mkdir()
    for folder in (hello, reader.folder):
        (folder / "app.py").write_text(APP)
        (folder / "Procfile").write_text("web: python3 app.py\nworker: sleep 1000000\n")


def seven_releases(reader: Reader) -> None:
    reader.setup("serai deploy hello --app shop", *["serai deploy hello --app shop --no-live"] * 6)
    reader.setup("serai release promote shop 6")


def deleted(reader: Reader) -> None:
    reader.setup("serai app domain add shop shop.example.org", "serai app domain remove shop shop.example.org")


def exported(reader: Reader) -> None:
    reader.setup("serai export --tenant demo > demo.toml")


def secret(reader: Reader) -> None:
    (reader.folder / "token").write_text("glpat-x\n")


def tasks(reader: Reader) -> None:
    (reader.folder / "examples").symlink_to(ROOT / "examples")
    reader.setup("serai tenant create demo", "serai deploy examples/tasks --app shop")
    reader.setup("serai task run jobs:count to=1 --app shop --follow")


PAGES = {
    "api.md": Page(
        begin=lambda reader: None,
        fill={"/var/lib/serai": lambda reader: str(reader.platform.home)},
    ),
    "people.md": Page(
        begin=people,
        parts={"Roles": bob, "From another machine": ada, "Tokens": signed_in},
        elsewhere=frozenset({"From another machine", "Tokens"}),
        fill={
            "https://api.example.test": lambda reader: reader.url("api.localhost"),
            "withdraw NAME": lambda r: f"withdraw {r.listed('serai invitation list --tenant demo', 'name')}",
            "SERAI_TOKEN=…": lambda reader: f"SERAI_TOKEN={reader.said['token']}",
        },
        typed={"serai login": lambda _: f"ada\n{PASSPHRASE}\n"},
    ),
    "tasks.md": Page(
        begin=tasks,
        left_out={"curl -s --unix-socket $SERAI_SOCKET": "that socket is in a sandbox; tests of the door ask it"},
        fill={" ID ": lambda reader: f" {reader.listed('serai task list --app shop', 'id')} "},
    ),
    "apps.md": Page(
        begin=programs,
        parts={"Releases, environments, domains": seven_releases, "From a repository": secret,
               "Deleted, and had back": deleted, "Text instead of commands": exported},
        fill={
            "FOLDER": lambda _: "hello",
            "NAME": lambda _: "hello",
            "shop.1a2b3c4d": lambda reader: reader.listed("serai trash list", "name"),
        },
        typed={"--username deploy": lambda _: "glpat-x\n"},
        left_out={
            "serai runtime add": "it asks the internet; tests of runtimes have a mirror of their own",
            "serai deploy https://git.example.org": "there is no such server; tests of repositories have their own",
        },
    ),
}  # fmt: skip


def commands(page: str) -> Iterator[tuple[str, str]]:
    """Yield the part and the text of each command of a page, continuation lines joined by the shell itself."""
    part, lines = "", (ROOT / "docs" / page).read_text().split("\n")
    for index, line in enumerate(lines):
        if line.startswith("#"):
            part = line.lstrip("# ")
        if _COMMAND.match(line):
            whole = [line.strip()]
            while whole[-1].endswith("\\"):
                whole.append(lines[index + len(whole)].strip())
            yield part, "\n".join(whole)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs_as_it_is_written(page: str, own: Installation, tmp_path: Path) -> None:
    own.up()
    rules, reader, used = PAGES[page], Reader(own, tmp_path), set[str]()
    rules.begin(reader)
    seen = ""
    for part, command in commands(page):
        if part != seen and part in rules.parts:
            rules.parts[part](reader)
            used.add(part)
        seen, reader.elsewhere = part, part in rules.elsewhere
        skipped = [start for start in rules.left_out if command.startswith(start)]
        used.update(skipped)
        if skipped:
            continue
        gaps = [gap for gap in rules.fill if gap in command]
        line = command
        for gap in gaps:
            line = line.replace(gap, rules.fill[gap](reader))
        asked = [start for start in rules.typed if start in command]
        used.update(gaps, asked)
        reader.run(line, *(rules.typed[start](reader) for start in asked))
    assert used == {*rules.parts, *rules.fill, *rules.typed, *rules.left_out}, "each row is for something"
