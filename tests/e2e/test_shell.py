"""A shell in an instance, as people have it: by the command line, in a terminal and in a pipe, and over bad moments."""

from __future__ import annotations

import base64
import fcntl
import http.client
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from installation import Installation
from test_bad_days import until, workers
from test_day import program


@pytest.fixture(scope="module")
def app(site: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    site.run("deploy", program(tmp_path_factory.mktemp("shell") / "app", "one"), "--app", "room", "--tenant", "demo")
    site.run("app", "env", "set", "room", "SECRET=swordfish", "--tenant", "demo")
    return site


def shell(site: Installation, *words: str, stdin: str = "", name: str = "room") -> subprocess.CompletedProcess[str]:
    return site.run("app", "shell", name, "--tenant", "demo", *words, stdin=stdin, check=False, timeout=60)


class Screen:
    """A command in a terminal of its own, as somebody sits before it."""

    def __init__(self, site: Installation, *words: str) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.resize(30, 100)
        command = site.command("app", "shell", "room", "--tenant", "demo", *words)
        env = site.environment() | {"TERM": "xterm"}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(command, env=env, start_new_session=True, **streams)
        self.slave = slave
        self.said = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, text: str, seconds: float = 30) -> None:
        """Wait until the screen shows something, and forget what came before it."""
        end = time.monotonic() + seconds
        while text.encode() not in self.said:
            assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], (text, self.said)
            self.said += os.read(self.master, 65536)
        self.said = self.said.partition(text.encode())[2]

    def ended(self) -> int:
        """Return the exit status; the terminal must be as it was."""
        status = self.process.wait(30)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.slave)
        os.close(self.master)
        return status


def test_a_command_in_a_pipe_reads_writes_and_ends_as_it_does_here(app: Installation) -> None:
    done = shell(app, "--", "sh", stdin="echo $SECRET $APP_NAME; pwd; tty; echo oops >&2; exit 7\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "swordfish room\n/app\nnot a tty\n", "oops\n")
    assert shell(app, "--", "wc", "-c", stdin="x" * 300_000).stdout.strip() == "300000"
    assert len(shell(app, "--", "head", "-c", "3000000", "/dev/zero").stdout) == 3_000_000
    assert shell(app, "--", "sh", "-c", "kill -9 $$").returncode == 137
    assert "can't be executed" in shell(app, "--", "/no/such").stderr
    assert shell(app, name="absent").returncode == 4


def test_a_terminal_has_keys_sizes_and_a_status(app: Installation) -> None:
    screen = Screen(app)
    screen.type("stty size; tty; echo $TERM; id -u\n")
    screen.until("30 100\r\n")
    screen.until("/dev/pts/0\r\nxterm\r\n1000\r\n")
    screen.resize(40, 120)
    os.killpg(screen.process.pid, signal.SIGWINCH)
    time.sleep(0.5)
    screen.type("stty size\n")
    screen.until("40 120\r\n")
    screen.type("echo beg''in; sleep 1000\n")
    screen.until("begin\r\n")
    screen.type("\x03")
    screen.type("echo inter''rupted $?\n")
    screen.until("interrupted 130")
    screen.type("exit 9\n")
    assert screen.ended() == 9


def test_two_at_once_do_not_meet_and_one_that_is_told_to_end_restores_its_terminal(app: Installation) -> None:
    one, two = Screen(app), Screen(app, "--", "cat")
    two.type("two\n")
    two.until("two\r\ntwo\r\n")
    one.type("echo o''ne\n")
    one.until("one\r\n")
    shells = app.json("audit", "--kind", "shell", "--tenant", "demo")
    assert shells[0]["who"].startswith("user:root")
    two.process.terminate()
    assert two.ended() == 143
    one.type("exit\n")
    assert one.ended() == 0
    until(lambda: not list((app.home / "run/shells").iterdir()))


def test_a_killed_client_leaves_nothing(app: Installation) -> None:
    before = workers(app, "control")
    screen = Screen(app, "--", "sh", "-c", "echo be''gun; sleep 1000")
    screen.until("begun")
    [folder] = (app.home / "run/shells").iterdir()
    screen.process.kill()
    screen.process.wait()
    until(lambda: not folder.exists(), 90)
    assert workers(app, "control") == before
    os.close(screen.slave)
    os.close(screen.master)


def test_a_shell_goes_on_while_the_api_and_the_agent_are_killed(own: Installation, tmp_path: Path) -> None:
    own.up()
    own.run("tenant", "create", "demo")
    own.run("deploy", program(tmp_path / "app", "one"), "--app", "room")
    screen = Screen(own)
    for group in ("agent", "control", "agent"):
        screen.type(f"echo bef''ore {group}\n")
        screen.until(f"before {group}\r\n")
        [pid] = workers(own, group)
        os.kill(pid, signal.SIGKILL)
        screen.type(f"echo af''ter {group}\n")
        screen.until(f"after {group}\r\n", 60)
        until(lambda: workers(own, group) not in ([], [pid]))  # noqa: B023 - called at once
    own.run("upgrade")
    screen.type("exit 5\n")
    assert screen.ended() == 5
    until(lambda: not list((own.home / "run/shells").iterdir()), 30)
    # A host that goes down takes its shells along.
    screen = Screen(own, "--", "sh", "-c", "echo be''gun; trap '' HUP; sleep 1000")
    screen.until("begun")
    own.run("down")
    assert screen.process.wait(90) != 0
    assert not list((own.home / "run/shells").iterdir())
    assert not list((own.home / "run/instances").iterdir())


def test_by_https_a_shell_is_its_users_and_ends_with_what_they_show(app: Installation) -> None:
    tokens = {}
    for name in ("ada", "bob"):
        app.run("user", "add", name, "--email", f"{name}@example.test")
        app.run("member", "set", name, "developer", "--tenant", "demo")
        made = app.json("token", "make", f"{name}-shell", "--tenant", "demo", "--user", name, "--action", "app.shell")
        tokens[name] = {"authorization": f"Bearer {made['token']}", "content-type": "application/json"}
    base = "/v1/apps/demo/room/shells"

    def ask(method: str, path: str, body: bytes = b"", who: str = "ada") -> tuple[int, str]:
        answer = app.get("api.localhost", base + path, method, body, tokens[who])
        return answer.status, answer.text

    for bad in (b'{"command": "sh"}', b'{"rows": 1}', b"[]", b'{"terminal": {"rows": 0}}', b'{"term": "a b"}', b"\xff"):
        assert ask("POST", "", bad)[0] in {400, 422}, bad
    status, text = ask("POST", "", b'{"command": ["cat"], "terminal": {}}')
    assert status == 201
    ident = json.loads(text)["id"]
    for method, path, body in (
        ("GET", "output", b""),
        ("POST", "input?at=0", b"x"),
        ("POST", "size", b'{"rows": 9, "columns": 9}'),
    ):
        assert ask(method, f"/{ident}/{path}", body, "bob")[0] == 404, path
    assert [one["id"] for one in json.loads(ask("GET", "", who="bob")[1])["items"]] == [ident]
    assert ask("POST", f"/{ident}/input?at=5", b"x")[0] == 409
    assert ask("POST", f"/{ident}/input?at=-1", b"x")[0] in {400, 422}
    assert ask("POST", f"/{ident}/input?at=0", b"x" * 70_000)[0] in {400, 413, 422}
    assert ask("GET", f"/{ident}/output?from=99")[0] == 409
    assert ask("GET", "/..%2F..%2Fx/output")[0] == 404
    for _ in range(2):  # an answer that was lost, and the same request again
        assert json.loads(ask("POST", f"/{ident}/input?at=0", b"hello\x04\x04")[1]) == {"next": 7}
    lines = [json.loads(line) for line in ask("GET", f"/{ident}/output")[1].splitlines() if line]
    said = b"".join(base64.b64decode(line["output"]) for line in lines if "output" in line)
    assert (lines[0], said.count(b"hello"), lines[-1]["exit"]["code"]) == ({"typed": 7}, 2, 0)
    ident = json.loads(ask("POST", "", b'{"command": ["sleep", "999"]}')[1])["id"]
    connection = http.client.HTTPConnection("api.localhost", timeout=60)
    connection.sock = app.connect("api.localhost", timeout=60)
    connection.request("GET", f"{base}/{ident}/output", headers=tokens["ada"])
    answer = connection.getresponse()
    assert answer.readline() == b'{"typed":0}\n'
    app.run("token", "end", "ada-shell", "--tenant", "demo")
    while answer.readline():  # signs of life
        pass
    connection.close()
    until(lambda: not (app.home / "run/shells" / ident).exists(), 30)
