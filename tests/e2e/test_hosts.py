"""A host's key: made at its first start, kept for its owner alone, known at the front until it is revoked."""

from __future__ import annotations

import stat
import time
from pathlib import Path

from installation import Installation


def shown(site: Installation, key: str, path: str = "/v1/me") -> tuple[int, str]:
    answer = site.get("api.localhost", path, headers={"Authorization": f"Bearer {key}"})
    return answer.status, answer.text


def kept(site: Installation) -> Path:
    """Return where the key is, once it is: its host serves a moment before."""
    path = site.home / "keys/host.token"
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return path


def test_a_host_is_known_by_the_key_in_its_home_until_that_is_revoked(own: Installation) -> None:
    own.up("host.name='one'")
    path = kept(own)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == path.parent.stat().st_uid, "the control user's, not root's"
    key = path.read_text().strip()
    status, text = shown(own, key)
    assert status == 200
    assert '"who":"host:one"' in text
    assert shown(own, key, "/v1/instance")[0] == 200
    assert shown(own, key, "/v1/user")[0] == 403
    assert [(row["name"], row["revoked"]) for row in own.json("host", "list")] == [("one", False)]

    own.run("host", "enrol", "one")
    assert shown(own, key)[0] == 401
    key = path.read_text().strip()
    assert shown(own, key)[0] == 200
    other = own.run("host", "enrol", "two").stdout.strip()
    assert shown(own, other)[0] == 200

    own.run("host", "revoke", "one")
    own.down()
    own.up("host.name='one'")
    assert shown(own, key)[0] == 401
    assert shown(own, other)[0] == 200
    assert [(row["name"], row["revoked"]) for row in own.json("host", "list")] == [("one", True), ("two", False)]
    assert key.rpartition("_")[2] not in (own.home / "logs/serai.jsonl").read_text()
