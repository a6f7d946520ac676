"""Releases from real repositories, fetched in the real sandbox through the proxy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fetched import FAILED, PAGE, Fetched, fetched

from serai.services.apps import actions, prune, removal, steps
from serai.services.apps.git.source import Source

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

    from serai.services.apps.descriptors import Release

__all__ = ["fetched"]

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

Publish = Callable[..., Path]


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


async def test_a_pointer_to_a_large_file_is_refused_where_it_would_be_deployed(
    fetched: Fetched, publish: Publish
) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123456\n"
    large = {
        ".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n",
        "docs/large files.md": f"A pointer looks like this:\n\n{pointer}",
        "media/ä b.png": pointer,
    }
    publish("page", {**PAGE, **large})
    release = await fetched.deploy()
    assert release.state == "failed"
    assert release.reason == (
        f"{FAILED} media/ä b.png is kept elsewhere as a large file (Git LFS), which is not fetched: commit it itself."
    )
    assert isinstance(fetched.last, steps.FailedError), "it is not tried again"
    release = await fetched.deploy(folder="site")
    assert (release.state, release.reason) == ("built", ""), "nothing of what is deployed is one"
    assert fetched.left() == []


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


async def test_a_build_passes_by_where_the_fetch_was_given_up(fetched: Fetched) -> None:
    platform = fetched.platform
    upload = actions.Upload(app="page", git=Source(url="https://git.test/x"), environment=None)
    number = (await actions.deploy(platform.store, platform.site, "user:test", "demo", upload)).release
    assert await steps.make(platform.work("page"), number) == "It was not fetched."
    release = await platform.release("page", number)
    assert (release.state, release.reason) == ("failed", "Its fetch was given up; the task tells why.")
    await removal.delete_release(platform.store, platform.site, "user:test", "demo", "page", number)
    await prune.unload(platform.work("page"), (release.blob,))
