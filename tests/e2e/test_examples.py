"""Programs that people would write, unchanged, each at its URL."""

from __future__ import annotations

import base64
import json
import os
import re

import pytest
from installation import ROOT, Installation


def deploy(site: Installation, example: str, app: str, *words: str) -> str:
    done = site.run("deploy", str(ROOT / "examples" / example), "--app", app, "--tenant", "demo", *words)
    url = done.stdout.strip()
    assert url.startswith("https://demo.localhost"), done.stdout + done.stderr
    return url


@pytest.mark.parametrize(
    ("example", "path", "expected"),
    [
        ("flask", "", None),
        ("express", "", None),
        ("static", "", b"<"),
        ("php", "", b"<"),
        ("perl-cgi", "", None),
        ("psgi", "2d6", None),
        ("cgi-shell", "", b"cgi-bin/status.sh"),
        ("procfile", "", None),
    ],
)
def test_an_example_answers_at_its_live_url_and_at_its_release_url(
    site: Installation, example: str, path: str, expected: bytes | None
) -> None:
    deploy(site, example, f"x-{example}")
    for prefix in (f"/x-{example}/", f"/x-{example}/1/"):
        answer = site.get("demo.localhost", prefix + path)
        assert answer.status == 200, (prefix, answer.status, answer.text[:500])
        assert answer.body
        if expected:
            assert expected in answer.body


def test_a_flask_app_builds_its_urls_below_its_prefix(site: Installation) -> None:
    deploy(site, "flask", "flasky")
    for prefix in ("/flasky/", "/flasky/1/"):
        links = re.findall(r'(?:href|action)="([^"]+)"', site.get("demo.localhost", prefix).text)
        local = [link for link in links if link.startswith("/")]
        assert local
        assert all(link.startswith(prefix) for link in local), local


def test_datasette_serves_a_database_with_working_links(site: Installation) -> None:
    deploy(site, "datasette", "data")
    home = site.get("demo.localhost", "/data/")
    assert home.status == 200
    assert "Datasette" in home.text
    databases = json.loads(site.get("demo.localhost", "/data/.json").body)
    names = list(databases) if "databases" not in databases else [one["name"] for one in databases["databases"]]
    database = next(name for name in names if not name.startswith("_"))
    page = site.get("demo.localhost", f"/data/{database}")
    assert page.status == 200
    links = [link for link in re.findall(r'href="(/[^"]*)"', page.text) if not link.startswith("//")]
    assert links
    assert all(link.startswith("/data/") for link in links), links
    assert site.get("demo.localhost", links[0]).status == 200


def test_django_has_its_admin_with_styles_and_a_session(site: Installation) -> None:
    deploy(site, "django", "shop")
    login = site.get("demo.localhost", "/shop/admin/login/")
    assert login.status == 200, login.text[:2000]
    styles = re.findall(r'href="([^"]+\.css)"', login.text)
    assert styles
    for style in styles:
        assert site.get("demo.localhost", style).status == 200, style
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', login.text)
    assert token
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    answer = site.get(
        "demo.localhost",
        "/shop/admin/login/",
        "POST",
        f"csrfmiddlewaretoken={token[1]}&username=nobody&password=wrong".encode(),
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookie,
            "Referer": f"https://demo.localhost:{site.https}/shop/admin/login/",
        },
    )
    assert answer.status == 200, answer.text[:1000]
    assert "correct" in answer.text


def test_a_websocket_echoes_through_the_edge(site: Installation) -> None:
    deploy(site, "websocket", "echo")
    with site.connect("demo.localhost") as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /echo/echo HTTP/1.1\r\nHost: demo.localhost:{site.https}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1)
            assert piece, head
            head += piece
        assert head.startswith(b"HTTP/1.1 101"), head
        mask = os.urandom(4)
        text = b"hello over there"
        frame = bytes([0x81, 0x80 | len(text)]) + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(text))
        connection.sendall(frame)
        received = b""
        while len(received) < 2 + len(text):
            piece = connection.recv(1024)
            assert piece
            received += piece
        assert received[2:].endswith(text)


def test_a_static_site_has_validators_ranges_and_precompressed_files(site: Installation) -> None:
    deploy(site, "static", "pages")
    whole = site.get("demo.localhost", "/pages/")
    assert whole.status == 200
    assert site.get("demo.localhost", "/pages/", headers={"If-None-Match": whole.headers["ETag"]}).status == 304
    part = site.get("demo.localhost", "/pages/", headers={"Range": "bytes=0-4"})
    assert (part.status, part.body) == (206, whole.body[:5])
    assert site.get("demo.localhost", "/pages/../../../etc/passwd").status in {400, 404}


def test_a_folder_that_nothing_fits_gets_an_error_that_lists_what_was_looked_for(site: Installation, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "notes.odt").write_text("?")
    done = site.run("deploy", str(tmp_path), "--app", "nothing", "--tenant", "demo", check=False)
    assert done.returncode != 0
    for sought in ("Procfile", "app.toml", "WSGI or ASGI", "package.json", "app.psgi", "index.php", "index.html"):
        assert sought in done.stderr
