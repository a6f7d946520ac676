"""A repository on a server with a private address and authority is deployed by its URL, and serves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from git_server import Server, git_server, publish
from installation import Installation

__all__ = ["git_server", "publish"]

PASSWORD = "s3cret-deploy-token"


@pytest.fixture
def authority(git_server: Server, own: Installation) -> Path:
    """Return the server's certificate where workers may read it."""
    place = own.home.parent / "ca.pem"
    place.write_bytes((git_server.root / "ca.pem").read_bytes())
    return place


def test_a_repository_is_deployed_by_its_url(
    own: Installation, git_server: Server, publish: Callable[..., Path], authority: Path
) -> None:
    work = publish("page", {"site/index.html": "<p>one"})
    git_server.git(work, "tag", "v1")
    git_server.git(work, "push", "-q", "origin", "v1")
    url = f"https://localhost:{git_server.server_port}/page.git"
    own.up('host.private_networks=["127.0.0.0/8"]', f'host.private_authorities="{authority}"')
    own.run("tenant", "create", "demo")

    told = own.run("deploy", f"{url}#v1", "--folder", "site", "--app", "page")
    assert told.stdout.strip().endswith("/page/")
    assert own.get("demo.localhost", "/page/").text == "<p>one"
    assert [one["function"] for one in own.json("task", "list")][-1] == "apps.fetch"
    [release] = own.json("release", "list", "page")
    assert release["git"]["commit"] == git_server.git(work, "rev-parse", "HEAD")
    assert "Fetched" in own.run("app", "logs", "page", "--name", "build.1").stdout

    git_server.password = PASSWORD
    failed = own.run("deploy", url, "--folder", "site", "--app", "page", check=False)
    assert failed.returncode != 0
    assert "give the app a deploy token (serai app git set)" in failed.stderr
    own.run("app", "git", "set", "page", url, stdin=f"{PASSWORD}\n")
    own.run("deploy", url, "--folder", "site", "--app", "page")
    assert own.json("app", "show", "page")["live"] == {"prod": 3}
    blobs = own.home / "data/blobs"
    assert {path.stat().st_uid for path in blobs.rglob("*")} == {blobs.stat().st_uid}
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files(own.home))


def files(home: Path) -> list[Path]:
    """Return all that lies on the disk of the home."""
    found = [Path(folder, name) for folder, _, names in os.walk(home) for name in names]
    return [path for path in found if path.is_file() and not path.is_symlink() and path.suffix != ".ext4"]


def test_a_private_address_is_refused_where_the_operator_says_nothing(own: Installation) -> None:
    own.up()
    own.run("tenant", "create", "demo")
    for url in ("https://localhost:8443/x.git", "https://127.0.0.1:8443/x.git"):
        refused = own.run("deploy", url, "--app", "page", check=False)
        assert refused.returncode != 0
        assert "leads to this host: the platform does not fetch from there" in refused.stderr
    assert own.json("app", "list") == []
