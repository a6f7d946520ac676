"""An installation becomes text, and text an installation: rebuilt elsewhere, nothing differs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Installation, installed

WANTED = """
FORMAT = 1

[-.user.ada]
email = "ada@example.org"

[demo.tenant.demo]
title = "A demo"
memory_mb = 2048

[demo.role.deployer]
actions = ["app.deploy", "app.read"]

[demo.member.ada]
role = "deployer"

[demo.member."ada:shop"]
role = "developer"

[demo.app.shop]
scale = {web = 2}

[demo.app.blog]

[demo.domain."shop.example.org"]
app = "shop"

[demo.variables.shop]
values = {KEY = "s3cret", COLOUR = "red"}
shown = ["COLOUR"]

[demo.schedule."shop.task.nightly"]
when = "0 3 * * *"
function = "shop:clean"
app = "shop"
arguments = {call = "shop:clean"}

[demo.limit."tenant:demo"]
most = 20

[demo.limit."channel:demo/shop/mail"]
most = 5
rate = 100
why = "as the contract says"

[demo.pause."demo/shop/film"]
why = "the disk moves"

[demo.outage."demo/shop/stripe"]

[other.tenant.other]

[other.app.shop]
"""


@pytest.fixture
def elsewhere() -> Iterator[Installation]:
    with installed() as installation:
        yield installation


def test_an_installation_is_rebuilt_from_its_text(own: Installation, elsewhere: Installation, tmp_path: Path) -> None:
    own.up()
    file = tmp_path / "wanted.toml"
    file.write_text(WANTED)
    planned = own.run("apply", "-f", str(file), "--dry-run").stdout
    assert "+ demo.app.shop" in planned
    assert "    scale.web: 2" in planned
    assert "s3cret" not in planned
    assert own.json("tenant", "list") == []

    own.run("apply", "-f", str(file))
    assert [one["channel"] for one in own.json("task", "paused")] == ["demo/shop/film"]
    assert [one["name"] for one in own.json("task", "limit", "list")] == ["demo/shop/mail", "demo"]
    assert "so already" in own.run("apply", "-f", str(file), "--prune").stderr
    assert own.json("app", "env", "list", "shop", "--tenant", "demo") == {"COLOUR": "red", "KEY": None}
    exported = own.run("export").stdout
    assert "s3cret" not in exported
    assert "shop.example.org" in exported

    elsewhere.up()
    shutil.copy(own.home / "keys/secrets.key", elsewhere.home / "keys/secrets.key")
    elsewhere.run("down")
    elsewhere.up()
    file.write_text(exported)
    elsewhere.run("apply", "-f", str(file), "--prune")
    assert elsewhere.run("export").stdout == exported
    assert "so already" in elsewhere.run("apply", "-f", str(file), "--prune").stderr
    assert elsewhere.json("app", "env", "list", "shop", "--tenant", "demo") == {"COLOUR": "red", "KEY": None}

    one = elsewhere.run("export", "--tenant", "demo").stdout
    file.write_text(one.replace("scale = {web = 2}", "scale = {web = 3}").replace("[demo.app.blog]\n", ""))
    planned = elsewhere.run("apply", "-f", str(file), "--prune", "--dry-run").stdout
    assert "~ demo.app.shop\n    scale.web: 2 -> 3" in planned
    assert "- demo.app.blog" in planned
    refused = elsewhere.run("apply", "-f", str(file), "--prune", check=False)
    assert "--confirm demo" in refused.stderr
    elsewhere.run("apply", "-f", str(file), "--prune", "--confirm", "demo")
    assert "blog" not in elsewhere.run("export").stdout
