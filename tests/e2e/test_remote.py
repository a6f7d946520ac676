"""The platform from another machine: its API by curl, its commands with a profile, and its API's worker killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from installation import ROOT, SERAI, Installation

PASSPHRASE = "correct horse battery"
Laptop = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def laptop(site: Installation, tmp_path: Path) -> Laptop:
    """Run commands on another machine, of which all that it has from the platform is its authority."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes((site.home / "data/tls/ca.pem").read_bytes())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SERAI_", "XDG_"))}
    environment = kept | {
        "HOME": str(tmp_path),
        "SERAI_URL": f"https://api.localhost:{site.https}",
        "SERAI_CA": str(ca),
    }

    def run(*words: str, stdin: str = "", check: bool = True, seconds: float = 110) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["timeout", "-s", "INT", str(seconds), str(SERAI), *words],
            env=environment, input=stdin, capture_output=True, text=True, timeout=seconds + 20, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
        return done

    return run


def member(site: Installation, laptop: Laptop, login: str, role: str = "owner") -> None:
    """Make a user who sets a password and signs in, both from the other machine."""
    link = site.run("user", "add", login, "--email", f"{login}@example.test").stdout
    site.run("member", "set", login, role, "--tenant", "demo")
    laptop("accept", stdin=f"{link}{PASSPHRASE}\n")
    laptop("login", f"https://api.localhost:{site.https}", stdin=f"{login}\n{PASSPHRASE}\n")


def curl(site: Installation, path: str, *more: str, token: str = "", host: str = "api.localhost") -> tuple[int, str]:
    # What is secret goes by standard input: everybody can read an argument vector.
    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(site.home / "data/tls/ca.pem"), "-w", "\n%{http_code}", "-H", "@-", *more,
         f"https://{host}:{site.https}{path}"],
        input=f"Authorization: Bearer {token}\n" if token else "", capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_the_api_answers_at_its_own_names(site: Installation, laptop: Laptop) -> None:
    member(site, laptop, "carl", "viewer")
    token = site.run("token", "make", "curl", "--user", "carl", "--tenant", "demo").stdout.strip()
    for host in ("api.localhost", "console.localhost"):
        status, body = curl(site, "/v1/me", token=token, host=host)
        assert (status, json.loads(body)["user"]) == (200, "carl")
        assert curl(site, "/v1/me", host=host)[0] == 401
        assert curl(site, "/v1/me", token=token[:-1] + "x", host=host)[0] == 401
    narrow = site.run("token", "make", "narrow", "--user", "carl", "--tenant", "demo", "--from", "198.51.100.7").stdout
    for lie in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        value = "for=198.51.100.7" if lie == "Forwarded" else "198.51.100.7"
        assert curl(site, "/v1/me", "-H", f"{lie}: {value}", token=narrow.strip())[0] == 401
    plain = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://api.localhost:{site.http}/v1/me"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert plain.stdout == f"308 https://api.localhost:{site.https}/v1/me"
    for name in ("api", "console"):
        assert site.run("tenant", "create", name, check=False).returncode == 3


def test_the_figures_are_for_the_platforms_own_people(site: Installation, laptop: Laptop) -> None:
    member(site, laptop, "mary", "owner")
    site.run("user", "add", "olaf", "--email", "olaf@example.test", "--operator")
    tokens = {
        login: site.run("token", "make", "figures", "--user", login, "--tenant", where).stdout.strip()
        for login, where in (("mary", "demo"), ("olaf", "-"))
    }
    status, body = curl(site, "/v1/metrics", token=tokens["olaf"])
    assert status == 200
    assert "serai_api_requests_total{" in body
    assert curl(site, "/v1/metrics", token=tokens["mary"])[0] == 404


def test_somebody_deploys_and_looks_on_from_elsewhere(site: Installation, laptop: Laptop, tmp_path: Path) -> None:
    member(site, laptop, "dora")
    url = laptop("deploy", str(ROOT / "examples/flask"), "--app", "afar").stdout.strip()
    assert url == f"https://demo.localhost:{site.https}/afar/"
    assert site.get("demo.localhost", "/afar/").status == 200
    assert json.loads(laptop("app", "show", "afar", "--json").stdout)
    assert [one["name"] for one in json.loads(laptop("tenant", "list", "--json").stdout)] == ["demo"]
    followed = laptop("app", "logs", "afar", "-f", check=False, seconds=20)
    assert "ended the stream" not in followed.stderr, "a quiet stream goes on until it is interrupted"
    assert followed.returncode in {124, 130}, followed.stderr
    watched = laptop("task", "watch", "--json", check=False, seconds=5)
    assert "apps." in watched.stdout
    big = tmp_path / "big"
    big.mkdir()
    (big / "index.html").write_text("hello")
    (big / "noise").write_bytes(os.urandom(40 << 20))
    assert laptop("deploy", str(big), "--app", "big").returncode == 0
    assert len(site.get("demo.localhost", "/big/noise").body) == 40 << 20
    assert laptop("tenant", "create", "mine", check=False).returncode == 4
    assert laptop("down", check=False).returncode == 11
    site.run("user", "disable", "dora")
    assert laptop("me", check=False).returncode == 7
    site.run("user", "enable", "dora")
    laptop("logout")
    assert laptop("me", check=False).returncode == 7


def test_a_killed_api_costs_no_safe_request(own: Installation) -> None:
    own.up()
    own.run("user", "add", "eva", "--email", "eva@example.test")
    token = own.run("token", "make", "curl", "--user", "eva", "--tenant", "-").stdout.strip()
    for _ in range(3):
        [pid] = [worker["pid"] for worker in own.json("status")["workers"] if "api.http" in worker["modules"]]
        os.kill(pid, signal.SIGKILL)
        begin = time.monotonic()
        statuses = [curl(own, "/v1/me", token=token)[0] for _ in range(5)]
        assert statuses == [200] * 5, time.monotonic() - begin
    own.run("reload")
    assert curl(own, "/v1/me", token=token)[0] == 200
    told = json.loads(own.run("key", "rotate", "--json").stdout)
    assert told["sealed"] >= 1
    assert curl(own, "/v1/me", token=token)[0] == 200
