"""The store locked, or deleted under the platform: hosting goes on, and nobody is told a lie."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from installation import Installation
from test_bad_days import pid_of_instance, started
from test_day import until


def test_a_locked_store_stops_changes_and_not_visitors(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    with sqlite3.connect(site.home / "data" / "store" / "store.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused = site.run("tenant", "create", "late", check=False)
        assert refused.returncode != 0
        assert "Traceback" not in refused.stderr
        assert site.get("demo.localhost", "/day/").status == 200
        other.execute("ROLLBACK")
    until(lambda: site.run("tenant", "create", "late", check=False).returncode == 0)


def test_a_deleted_store_stops_changes_and_not_visitors(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    before = pid_of_instance(site)
    aside = site.home / "aside"
    (site.home / "data" / "store" / "store.db").rename(aside)
    refused = site.run("tenant", "create", "lost", check=False)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert pid_of_instance(site) == before
    aside.rename(site.home / "data" / "store" / "store.db")
    until(lambda: site.run("tenant", "create", "found", check=False).returncode == 0)
    names = [one["name"] for one in site.json("tenant", "list")]
    assert "found" in names
    assert "lost" not in names


def test_a_host_whose_store_is_gone_does_not_begin_with_an_empty_one(own: Installation, tmp_path: Path) -> None:
    site = started(own, tmp_path)
    store, aside = site.home / "data" / "store", site.home / "aside"
    site.run("down")
    store.rename(aside)
    store.mkdir(mode=0o700)
    refused = site.run("up", "--detach", check=False)
    assert refused.returncode != 0
    assert "store.db" in refused.stderr
    assert not (store / "store.db").exists()
    store.rmdir()
    aside.rename(store)
    site.up()
    assert site.get("demo.localhost", "/day/").status == 200
