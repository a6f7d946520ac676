"""A plain user's platform fetches repositories, too: its sandboxes need no way out for that."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from git_server import Server, git_server, publish
from installation import installed

__all__ = ["git_server", "publish"]

NOBODY = 54322  # a user ID that owns nothing


def test_a_plain_user_deploys_a_repository(git_server: Server, publish: Callable[..., Path]) -> None:
    publish("page", {"index.html": "<p>one"})
    user = NOBODY if os.geteuid() == 0 else None
    with installed(user=user) as site:
        authority = site.home.parent / "ca.pem"
        authority.write_bytes((git_server.root / "ca.pem").read_bytes())
        site.up('host.private_networks=["127.0.0.0/8"]', f'host.private_authorities="{authority}"')
        site.run("tenant", "create", "demo")
        site.run("deploy", f"https://localhost:{git_server.server_port}/page.git")
        assert site.get("demo.localhost", "/page/").text == "<p>one"
