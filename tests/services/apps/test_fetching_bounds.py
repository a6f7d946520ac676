"""What a fetch may not do: be led inside, take too much, or wait for ever. Nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fetched import FAILED, PAGE, Fetched, fetched

from serai.services.apps.git.outside import Bounds

__all__ = ["fetched"]

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

Publish = Callable[..., Path]


async def test_a_redirect_or_a_name_that_comes_to_lead_inside_is_refused(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE)
    server = fetched.server
    # The name led elsewhere when it was checked: what counts is where it leads when it is connected to.
    fetched.addresses[server.host] = ["127.0.0.1", "10.0.0.7"]
    release = await fetched.deploy()
    place = f"{server.host}:{server.server_port}"
    assert release.reason == f"{place} leads to a private network: the platform does not fetch from there."
    fetched.addresses |= {server.host: ["127.0.0.1"], "meta.test": ["169.254.169.254"]}
    for target, said in (
        ("https://meta.test", "meta.test leads to a link's own network"),
        ("https://[::1]:8443", "[::1]:8443 leads to this host"),
        (f"https://{server.host}:22", "Git is fetched from port 443"),
        (f"http://{server.host}:{server.server_port}", 'Protocol "http" not supported'),
        ("file:///etc", 'Protocol "file" not supported'),
    ):
        server.moved = target
        release = await fetched.deploy("/moved/page.git")
        assert release.state == "failed", target
        assert said in release.reason, release.reason
    assert fetched.left() == []


async def test_this_hosts_own_addresses_are_refused_unless_they_are_named(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE)
    fetched.networks = ()
    release = await fetched.deploy()
    assert release.reason.endswith("leads to this host: the platform does not fetch from there.")
    assert fetched.server.seen == []


async def test_what_is_too_large_is_stopped(fetched: Fetched, publish: Publish) -> None:
    publish("page", {**PAGE, "large": os.urandom(2 << 20).hex()})
    fetched.bounds = Bounds(file=1 << 20)
    release = await fetched.deploy()
    assert release.reason == f"{FAILED} The repository is larger than 1 MiB.", release.tail
    fetched.bounds = Bounds(transfer=1 << 20)
    release = await fetched.deploy()
    assert release.reason == "The repository sends more than 1 MiB."
    fetched.bounds = Bounds()
    # Small as it is sent, large when it is laid out.
    publish("bomb", {**PAGE, "zeros": "0" * (8 << 20)})
    fetched.bounds = Bounds(file=4 << 20)
    release = await fetched.deploy("/bomb.git")
    assert release.reason == f"{FAILED} What is in the repository is larger than 4 MiB."
    assert (fetched.left(), fetched.blobs()) == ([], 0)


async def test_a_tree_of_trees_that_all_are_the_same_is_stopped(fetched: Fetched, publish: Publish) -> None:
    git, work = fetched.server.git, publish("page", PAGE)
    made = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=work, input=b"x", capture_output=True, check=True
    )
    tree = made.stdout.decode().strip()
    kind = "100644 blob"
    for _ in range(6):
        entries = "".join(f"{kind} {tree}\t{number:x}\n" for number in range(16))
        done = subprocess.run(["git", "mktree"], cwd=work, input=entries.encode(), capture_output=True, check=True)
        tree, kind = done.stdout.decode().strip(), "040000 tree"
    commit = git(work, "commit-tree", "-m", "16,777,216 files", tree)
    git(work, "push", "-q", "origin", f"{commit}:refs/heads/bomb")
    fetched.bounds = Bounds(file=16 << 20)
    release = await fetched.deploy(ref="bomb")
    assert "memory" in release.reason
    assert (fetched.left(), fetched.blobs()) == ([], 0)


async def test_a_server_that_is_slow_or_says_nothing_is_given_up(
    fetched: Fetched, publish: Publish, silent_port: int
) -> None:
    publish("page", PAGE)
    place = f"{fetched.server.host}:{silent_port}"
    fetched.bounds = Bounds(idle=0.3)
    release = await fetched.deploy(url=f"https://{place}/page.git")
    assert release.reason == "The server was silent for 0.3 s."
    fetched.bounds = Bounds(seconds=1.0)
    fetched.server.pause = 30.0
    release = await fetched.deploy()
    assert release.reason == "Fetching the repository: It took longer than 1 s."
    assert fetched.left() == []
    fetched.server.pause = 0.0


async def test_a_fetch_that_is_canceled_leaves_nothing(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE)
    fetched.server.pause = 30.0
    deploying = asyncio.create_task(fetched.deploy())
    async with asyncio.timeout(60):
        while not fetched.server.seen:
            await asyncio.sleep(0.01)
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert (fetched.left(), fetched.blobs()) == ([], 0)
    fetched.server.pause = 0.0
    release = await fetched.deploy()
    assert (release.number, release.state) == (2, "built")
