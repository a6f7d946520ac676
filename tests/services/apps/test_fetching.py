"""Releases from real repositories, fetched in the real sandbox through the gate."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serai.api.desk import keyring_of
from serai.errors import SeraiError
from serai.services.apps import actions, fetching, removal, steps, tokens
from serai.services.apps.git.outside import Bounds, Outside
from serai.services.apps.git.source import Source
from serai.services.apps.git.token import GitToken

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform
    from tests.services.conftest import Server

    from serai.services.apps.descriptors import Release

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

FAILED = "Git could not fetch it:"
PAGE = {"index.html": "<p>one", "site/index.html": "<p>site"}
Publish = Callable[..., Path]


class Fetched:
    """Deploys from the server, as people and the task manager would."""

    def __init__(self, platform: Platform, server: Server) -> None:
        self.platform = platform
        self.server = server
        self.bounds = Bounds()
        self.networks: tuple[str, ...] = ("127.0.0.0/8",)
        self.addresses: dict[str, list[str]] = {server.host: ["127.0.0.1"], f"other.{server.host}": ["127.0.0.1"]}
        self.last: SeraiError | None = None

    async def resolve(self, host: str, _port: int) -> tuple[str, ...]:
        """Return a host's next address; the last one stays."""
        known = self.addresses.get(host, [host])
        return (known.pop(0) if len(known) > 1 else known[0],)

    @property
    def outside(self) -> Outside:
        return Outside(
            networks=self.networks, authorities=str(self.server.root / "ca.pem"), resolve=self.resolve,
            bounds=self.bounds,
        )  # fmt: skip

    async def token(self, host: str, token: str) -> None:
        platform = self.platform
        wanted = GitToken(host=host, token=token)
        await tokens.put(platform.store, keyring_of(platform.ctx.home), "user:test", "demo", "page", wanted)

    async def deploy(self, path: str = "/page.git", ref: str = "", folder: str = "", url: str = "") -> Release:
        platform = self.platform
        source = Source(url=url or self.server.url + path, ref=ref, folder=folder)
        upload = actions.Upload(app="page", git=source, environment=None)
        number = (await actions.deploy(platform.store, platform.site, "user:test", "demo", upload)).release
        self.last = None
        try:
            await fetching.fetch(platform.work("page"), number, self.outside)
        except SeraiError as error:
            self.last = error
        with contextlib.suppress(SeraiError):
            await steps.make(platform.work("page"), number)
        return await platform.release("page", number)

    def left(self) -> list[str]:
        """Return what a fetch may have left on this host."""
        home = self.platform.ctx.home
        folder = home / "data/apps/demo/page"
        found = [path for path in folder.iterdir() if path.name not in {"releases", "cache", "logs"}]
        found += [path for path in (folder / "releases").iterdir() if not path.name.isdecimal()]
        found += [path for path in (home / "run/instances").iterdir() if not path.name.startswith(".")]
        return sorted(path.name for path in found)

    def blobs(self) -> int:
        return sum(path.is_file() for path in (self.platform.ctx.home / "data/blobs").rglob("*"))


@pytest.fixture
async def fetched(platform: Platform, git_server: Server) -> Fetched:
    return Fetched(platform, git_server)


def content(platform: Platform, release: Release, name: str = "index.html") -> str:
    return (Path(release.folder) / name).read_text()


async def test_a_release_is_made_of_a_branch_a_tag_and_a_commit(fetched: Fetched, publish: Publish) -> None:
    git, work = fetched.server.git, publish("page", PAGE)
    first = git(work, "rev-parse", "HEAD")
    git(work, "tag", "-a", "v1", "-m", "one")
    git(work, "checkout", "-qb", "feature/two")
    (work / "index.html").write_text("<p>two")
    git(work, "commit", "-qam", "two")
    git(work, "push", "-q", "origin", "v1", "feature/two")
    second = git(work, "rev-parse", "HEAD")
    for ref, commit, said in (
        ("", first, "<p>one"),
        ("main", first, "<p>one"),
        ("feature/two", second, "<p>two"),
        ("v1", first, "<p>one"),
        ("refs/heads/main", first, "<p>one"),
        (second, second, "<p>two"),
        (first, first, "<p>one"),
    ):
        release = await fetched.deploy(ref=ref)
        assert (release.state, release.reason) == ("built", ""), fetched.platform.notes
        assert release.git == Source(url=f"{fetched.server.url}/page.git", ref=ref, commit=commit)
        assert content(fetched.platform, release) == said
    assert fetched.left() == []
    log = (fetched.platform.ctx.home / "data/apps/demo/page/logs/build.1.log").read_text()
    assert f"Fetched {first}." in log
    assert any("Receiving objects: 100%" in note or "Enumerating" in note for note in fetched.platform.notes)


async def test_a_folder_of_it_is_deployed_alone(fetched: Fetched, publish: Publish) -> None:
    publish("page", {**PAGE, "a/b c/ü/index.html": "<p>deep"})
    release = await fetched.deploy(folder="site")
    assert content(fetched.platform, release) == "<p>site"
    release = await fetched.deploy(folder="a/b c/ü")
    assert content(fetched.platform, release) == "<p>deep"
    for folder in ("nothing", "index.html"):
        release = await fetched.deploy(folder=folder)
        assert (release.state, release.reason) == ("failed", f"{FAILED} There is no folder {folder} in it.")
    assert fetched.left() == []


async def test_what_is_not_there_fails_the_release_and_leaves_nothing(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE)
    for path, ref, said in (
        ("/page.git", "nothing", "couldn't find remote ref nothing"),
        ("/page.git", "0" * 40, "not our ref"),
        ("/other.git", "", "not found"),
    ):
        release = await fetched.deploy(path, ref)
        assert release.state == "failed"
        assert said in release.reason, release.reason
        assert isinstance(fetched.last, steps.FailedError), "it is not tried again"
    assert (fetched.left(), fetched.blobs()) == ([], 0)


async def test_nothing_of_a_repository_takes_effect_while_it_is_fetched(fetched: Fetched, publish: Publish) -> None:
    hostile = {
        ".gitattributes": "index.html export-ignore\nraw.txt filter=lfs export-subst ident\n",
        ".gitmodules": f'[submodule "x"]\n path = x\n url = {fetched.server.url}/page.git\n',
        ".lfsconfig": "[lfs]\n url = https://127.0.0.1/\n",
        "raw.txt": "$Format:%H$ $Id$",
        "hooks/post-checkout": "#!/bin/sh\ntouch /fetch/ran\n",
    }
    publish("page", {**PAGE, **hostile})
    release = await fetched.deploy()
    assert (release.state, release.reason) == ("built", "")
    assert content(fetched.platform, release, "raw.txt") == hostile["raw.txt"]
    assert content(fetched.platform, release) == "<p>one"
    assert any("It has submodules, which are not fetched." in note for note in fetched.platform.notes)
    assert {path.split("/")[1] for path, _ in fetched.server.seen} == {"page.git"}


async def test_a_link_that_leads_out_is_refused_like_in_an_upload(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE, links={"inner": "index.html", "out": "../../../../etc/passwd"})
    release = await fetched.deploy()
    assert (release.state, release.reason) == ("failed", "A link in the upload leads out of it: out")
    assert fetched.left() == []


async def test_a_private_repository_wants_the_apps_token_for_its_host(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE)
    server, place = fetched.server, f"{fetched.server.host}:{fetched.server.server_port}"
    server.password = "s3cret-token"
    release = await fetched.deploy()
    assert release.reason == f"{place} wants to know who asks: give the app a deploy token (serai app git set)."
    await fetched.token(place, "wr0ng-token")
    release = await fetched.deploy()
    assert release.reason == f"{place} does not accept the app's deploy token, or the repository is not there."
    await fetched.token("git.elsewhere.test", "s3cret-token")
    release = await fetched.deploy()
    assert release.reason == f"{place} wants to know who asks, and the app's deploy token is for git.elsewhere.test."
    await fetched.token(place, "s3cret-token")
    release = await fetched.deploy()
    assert (release.state, release.reason) == ("built", "")
    written = [*fetched.platform.notes, repr(release), (release.tail)]
    written += [path.read_text() for path in (fetched.platform.ctx.home / "data/apps").rglob("*.log")]
    assert not any("s3cret" in text or "wr0ng" in text for text in written)


async def test_a_token_does_not_follow_a_redirect_to_another_host(fetched: Fetched, publish: Publish) -> None:
    publish("page", PAGE)
    server = fetched.server
    server.moved = f"https://other.{server.host}:{server.server_port}"
    release = await fetched.deploy("/moved/page.git")
    assert (release.state, release.reason) == ("built", ""), "a redirect alone is fine"
    server.password, server.seen = "s3cret-token", []
    await fetched.token(f"{server.host}:{server.server_port}", "s3cret-token")
    release = await fetched.deploy("/moved/page.git")
    assert release.state == "failed"
    assert {shown for _, shown in server.seen} == {""}


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
    assert release.reason == f"{FAILED} Git needs more memory for that than it gets."
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


async def test_a_build_passes_by_where_the_fetch_was_given_up(fetched: Fetched) -> None:
    platform = fetched.platform
    upload = actions.Upload(app="page", git=Source(url="https://git.test/x"), environment=None)
    number = (await actions.deploy(platform.store, platform.site, "user:test", "demo", upload)).release
    assert await steps.make(platform.work("page"), number) == "It was not fetched."
    release = await platform.release("page", number)
    assert (release.state, release.reason) == ("failed", "Its fetch was given up; the task tells why.")
    assert await removal.delete_release(platform.store, platform.site, "user:test", "demo", "page", number)
