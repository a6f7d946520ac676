"""The same as a plain user: high ports, unprivileged isolation."""

from __future__ import annotations

import os
from pathlib import Path

from installation import installed
from test_day import program

NOBODY = 54321  # a user ID that owns nothing


def test_a_plain_user_hosts_an_app(tmp_path: Path) -> None:
    user = NOBODY if os.geteuid() == 0 else None
    with installed(user=user) as site:
        site.up()
        site.run("tenant", "create", "demo")
        tmp_path.chmod(0o755)
        source = site.home.parent / "app"
        program(source, "one")
        url = site.run("deploy", str(source), "--app", "day").stdout.strip()
        assert url == f"https://demo.localhost:{site.https}/day/"
        assert site.get("demo.localhost", "/day/").text.startswith("one ")
        assert site.json("status")["ok"]
        script = "id -u; echo $APP_NAME; cat /etc/shadow; exit 6"
        done = site.run("app", "shell", "day", "--", "sh", stdin=script, check=False)
        assert (done.returncode, done.stdout) == (6, "1000\nday\n")
        flood = site.run("app", "shell", "day", "-t", "--", "head", "-c", "999999", "/dev/zero").stdout
        assert len(flood) == 999999
        assert site.get("api.localhost", "/v1/me").status == 401, "the edge leads the world to the API here, too"
