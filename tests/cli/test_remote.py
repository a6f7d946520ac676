"""A platform elsewhere: sign-in, profiles, certificates, and what is about the machine itself."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.api.remote import Server
from serai.cli import profiles
from serai.cli.exit import STATUS
from serai.cli.place import find_place
from serai.errors import InvalidError
from serai.services.edge.authority import Authority
from serai.services.edge.names import leaf_path

PASSPHRASE = "correct horse battery"
NEWER = "another long sentence"


class Elsewhere:
    """TLS before an API's front socket, as the edge stands there."""

    def __init__(self, front: Path, folder: Path) -> None:
        authority = Authority(folder, "Test authority")
        authority.open(datetime.now(UTC))
        authority.ensure("api.localhost", datetime.now(UTC))
        self.ca = folder / "ca.pem"
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(leaf_path(folder, "api.localhost"))
        self._front = front
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://api.localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            client = self._tls.wrap_socket(sock, server_side=True)
            behind = socket.socket(socket.AF_UNIX)
            behind.connect(str(self._front))
        except OSError:
            sock.close()
            return
        threading.Thread(target=copy, args=(behind, client), daemon=True).start()
        copy(client, behind)


def copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def away(api: Any, serai: Any, tmp_path: Path) -> Iterator[Elsewhere]:
    """A platform with the tenant demo and its owner ada, who has a password."""
    made = Elsewhere(api.path.with_name("front.sock"), tmp_path / "tls")
    serai("tenant", "create", "demo")
    link = serai("user", "add", "ada", "--email", "ada@example.test").out
    serai("member", "set", "ada", "owner", "--tenant", "demo")
    made.link = link.strip()
    yield made
    made.listener.close()


@pytest.fixture
def laptop(away: Elsewhere, serai: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run commands on another machine, with lines on standard input."""
    monkeypatch.delenv("SERAI_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "laptop"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("serai.cli.place.default_home", lambda: tmp_path / "laptop/serai")  # not this machine's own

    def call(*words: str, stdin: tuple[str, ...] = ()) -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in stdin)))
        return serai(*words)

    link = away.link.replace("https://console.localhost", away.url)
    done = call("accept", "--ca", str(away.ca), stdin=(link, PASSPHRASE))
    assert done.status == 0, done.err
    assert "ada has a new password" in done.err
    return call


def signed_in(laptop: Any, away: Elsewhere, *words: str) -> Any:
    done = laptop("login", away.url, "--ca", str(away.ca), *words, stdin=("ada", PASSPHRASE))
    assert done.status == 0, done.err
    return done


def test_somebody_signs_in_works_and_signs_out(laptop: Any, away: Elsewhere) -> None:
    done = signed_in(laptop, away)
    assert done.out == ""
    assert PASSPHRASE not in done.err
    file = profiles.path()
    assert file.stat().st_mode & 0o777 == 0o600
    token = profiles.load().profiles[profiles.load().current].token
    assert token not in done.err
    assert json.loads(laptop("me", "--json").out)["user"] == "ada"
    assert json.loads(laptop("member", "list", "--json").out)[0]["role"] == "owner"
    assert laptop("user", "list").status == STATUS["not_found"]
    [line] = json.loads(laptop("profile", "list", "--json").out)
    assert (line["url"], line["login"], line["current"]) == (away.url, "ada", True)
    assert token not in laptop("profile", "list").out
    [kept] = json.loads(laptop("token", "list", "--mine", "--json").out)
    assert kept["title"].startswith("serai login on ")
    signed_in(laptop, away)
    assert len(json.loads(laptop("token", "list", "--mine", "--json").out)) == 1, "signing in again ends the old token"
    assert json.loads(laptop("session", "list", "--json").out) == []
    token = profiles.load().profiles[profiles.load().current].token
    assert laptop("logout", "--dry-run").status == 0
    assert laptop("logout").status == 0
    assert profiles.load().profiles == {}
    assert laptop("me", "--url", away.url, "--ca", str(away.ca)).status == STATUS["denied"]
    assert laptop("logout").status == STATUS["invalid"]


def test_a_folder_is_deployed_from_elsewhere(laptop: Any, away: Elsewhere, tmp_path: Path) -> None:
    signed_in(laptop, away)
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("hello")
    (folder / "large").write_bytes(bytes(range(256)) * 1024)
    done = laptop("deploy", str(folder), "--no-wait")
    port = away.url.rpartition(":")[2]
    assert (done.status, done.out) == (0, f"https://demo.localhost:{port}/site/\n"), done.err
    assert [one["name"] for one in json.loads(laptop("app", "list", "--json").out)] == ["site"]
    tasks = json.loads(laptop("task", "list", "--tenant", "demo", "--json").out)
    assert tasks
    assert laptop("task", "show", tasks[0]["id"]).status == 0


@pytest.mark.parametrize(
    "words",
    [("up",), ("down",), ("plan",), ("reload",), ("upgrade",), ("trust",), ("runtime", "list"), ("up", "--dry-run")],
)
def test_what_is_about_the_machine_itself_says_so(laptop: Any, words: tuple[str, ...]) -> None:
    done = laptop(*words, "--url", "https://api.example.test")
    assert (done.status, done.out) == (STATUS["unsupported"], "")
    assert "about the machine itself" in done.err


def test_a_certificate_that_nobody_vouches_for_is_never_taken(laptop: Any, away: Elsewhere, tmp_path: Path) -> None:
    done = laptop("login", away.url, stdin=("ada", PASSPHRASE))
    assert done.status == STATUS["unavailable"]
    assert "--ca FILE" in done.err
    other = Authority(tmp_path / "other", "Another")
    other.open(datetime.now(UTC))
    done = laptop("login", away.url, "--ca", str(tmp_path / "other/ca.pem"), stdin=("ada", PASSPHRASE))
    assert done.status == STATUS["unavailable"]
    wrong_name = away.url.replace("api.localhost", "console.localhost")
    done = laptop("login", wrong_name, "--ca", str(away.ca), stdin=("ada", PASSPHRASE))
    assert done.status == STATUS["unavailable"]
    for url in ("http://api.example.test", "ftp://x", "https://", "https://a b", "https://u:p@x.test", "https://x/y"):
        assert laptop("me", "--url", url).status == STATUS["invalid"], url
    for ca in ("/nonexistent", str(profiles.__file__)):
        assert laptop("me", "--url", away.url, "--ca", ca).status == STATUS["invalid"], ca
    assert profiles.load().profiles == {}


def test_a_wrong_password_makes_no_profile(laptop: Any, away: Elsewhere) -> None:
    for lines in (("ada", "wrong password"), ("nobody", PASSPHRASE)):
        assert laptop("login", away.url, "--ca", str(away.ca), stdin=lines).status == STATUS["denied"]
    for lines in ((), ("ada",)):
        assert laptop("login", away.url, "--ca", str(away.ca), stdin=lines).status == STATUS["invalid"]
    assert profiles.load().profiles == {}


def test_the_variables_name_platform_and_token(laptop: Any, away: Elsewhere, monkeypatch: Any, tmp_path: Path) -> None:
    signed_in(laptop, away)
    monkeypatch.setenv("SERAI_URL", away.url)
    assert laptop("me").status == 0, "the profile of that URL is used"
    monkeypatch.setenv("SERAI_TOKEN", laptop("token", "make", "ci").out.strip())
    monkeypatch.setenv("HOME", str(tmp_path / "robot"))
    assert laptop("me").status == STATUS["unavailable"]
    monkeypatch.setenv("SERAI_CA", str(away.ca))
    assert json.loads(laptop("me", "--json").out)["who"].startswith("token:demo/ci")
    assert laptop("me", "--home", str(tmp_path / "none")).status == STATUS["unavailable"]
    assert laptop("me", "--home", "/x", "--url", away.url).status == STATUS["invalid"]
    assert laptop("me", "--profile", "missing").status == STATUS["not_found"]


def test_a_profile_is_chosen_and_left(laptop: Any, away: Elsewhere, monkeypatch: Any) -> None:
    signed_in(laptop, away, "--as", "work")
    assert laptop("profile", "use", "-").status == 0
    assert laptop("me").status == STATUS["unavailable"], "there is no platform on this machine"
    assert laptop("me", "--profile", "work").status == 0
    monkeypatch.setenv("SERAI_PROFILE", "work")
    assert laptop("me").status == 0
    monkeypatch.delenv("SERAI_PROFILE")
    assert laptop("profile", "use", "work", "--dry-run").status == 0
    assert laptop("me").status == STATUS["unavailable"]
    assert laptop("profile", "use", "work").status == 0
    assert laptop("me").status == 0
    assert laptop("login", "https://other.example.test", "--as", "work").status == STATUS["invalid"]


def test_an_invitation_is_taken_up_by_command(laptop: Any, away: Elsewhere) -> None:
    signed_in(laptop, away)
    for email, login, password in (("bob@example.test", "bob", NEWER), ("ada@example.test", "ada", PASSPHRASE)):
        invited = laptop("invite", email, "--role", "viewer", "--app", "shop").out.strip()
        assert invited.startswith("https://console.localhost:")
        here = invited.replace("console.localhost", "api.localhost")
        done = laptop("accept", "--url", away.url, stdin=(here, login, password))
        assert done.status == 0, done.err
    listed = {(one["login"], one["app"]) for one in json.loads(laptop("member", "list", "--json").out)}
    assert listed == {("ada", ""), ("ada", "shop"), ("bob", "shop")}
    done = laptop("accept", "--url", away.url, stdin=(here, "eve", NEWER))
    assert done.status == STATUS["not_found"], "a link opens once"
    for link in ("nonsense", "https://x/join", "https://x/other#y"):
        assert laptop("accept", stdin=(link,)).status == STATUS["invalid"]


def test_a_file_that_others_can_read_is_refused(laptop: Any, away: Elsewhere) -> None:
    signed_in(laptop, away)
    profiles.path().chmod(0o644)
    assert laptop("me").status == STATUS["denied"]
    profiles.path().chmod(0o600)
    profiles.path().write_text("{" * 1000)
    assert laptop("me").status == STATUS["invalid"]


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_a_clear_refusal(text: str) -> None:
    try:
        server = Server(text)
    except InvalidError:
        return
    assert Server(server.url).url == server.url
    assert server.url.startswith("https://")


def test_a_place_shows_no_token(monkeypatch: Any) -> None:
    place = find_place({"url": "https://a.test"}, {"SERAI_TOKEN": "secret"})
    assert place.token == "secret"
    assert "secret" not in repr(profiles.Profile(url="https://a.test", token="secret"))
    assert "secret" not in repr(place)
