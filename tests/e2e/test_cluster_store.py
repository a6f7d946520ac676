"""A platform whose store is a PostgreSQL database: deploys, serves, and outlives its absence."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from installation import Installation
from test_day import until

from conftest import example
from serai.store.cluster.private import PrivateServer, private_server


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """A database server to be stopped."""
    server = private_server()
    yield server
    server.remove()


def test_the_flask_example_is_deployed_on_postgresql_and_outlives_it(own: Installation, server: PrivateServer) -> None:
    site = own
    site.up(f"store={server.address(server.database())}")
    site.run("tenant", "create", "demo")
    well(site)
    assert told(site)["store"].startswith("PostgreSQL serai_")
    site.run("deploy", example("flask"), "--tenant", "demo", "--app", "hello")
    assert site.get("demo.localhost", "/hello/").status == 200

    server.stop(signal.SIGKILL)
    refused = site.run("tenant", "create", "late", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "database" in refused.stderr
    assert site.get("demo.localhost", "/hello/").status == 200
    until(lambda: not told(site)["ok"])
    assert "database" in " ".join(told(site)["reasons"])

    server.start()
    until(lambda: site.run("tenant", "create", "late", check=False).returncode == 0)
    well(site)
    site.run("deploy", example("flask"), "--tenant", "late", "--app", "hello")
    assert site.get("late.localhost", "/hello/").status == 200
    assert {one["name"] for one in site.json("tenant", "list")} >= {"demo", "late"}
    log = (site.home / "logs" / "serai.jsonl").read_text()
    assert "Traceback" not in log


def test_a_host_starts_without_its_database_and_serves_what_it_knew(own: Installation, server: PrivateServer) -> None:
    address = server.address(server.database())
    own.up(f"store={address}")
    own.run("tenant", "create", "demo")
    own.run("deploy", example("flask"), "--tenant", "demo", "--app", "hello")
    own.down()
    server.stop()
    own.up(f"store={address}")
    until(lambda: answers(own))
    assert not told(own)["ok"]
    assert own.run("tenant", "create", "late", check=False).returncode != 0
    server.start()
    well(own)
    own.run("tenant", "create", "late")


def well(site: Installation, seconds: float = 40.0) -> None:
    end = time.monotonic() + seconds
    while not (status := told(site))["ok"]:
        assert time.monotonic() < end, status["reasons"]
        time.sleep(0.1)


def told(site: Installation) -> Any:
    return json.loads(site.run("status", "--json", check=False).stdout)


def answers(site: Installation) -> bool:
    try:
        return site.get("demo.localhost", "/hello/").status == 200
    except OSError:
        return False
