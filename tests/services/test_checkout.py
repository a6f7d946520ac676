"""A repository is fetched as files, over https from a server made here, and nothing in it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from serai.errors import UnavailableError
from serai.services.apps.commands.deploy import default_name, named
from serai.services.checkout import checkout

if TYPE_CHECKING:
    from git_server import Server


@pytest.fixture
def server(git_server: Server, publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> str:
    modules = '[submodule "x"]\n    path = x\n    url = file:///etc\n'
    files = {"app.py": "print('one')\n", ".gitmodules": modules}
    work = publish("program", files, links={"outside": "/etc/passwd"})
    git_server.git(work, "push", "-q", "origin", "HEAD:staging")
    (work / "app.py").write_text("print('two')\n")
    git_server.git(work, "commit", "-qam", "two")
    git_server.git(work, "push", "-q", "origin", "main")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(git_server.root / "ca.pem"))
    git_server.moved = "/program.git"
    return f"https://localhost:{git_server.server_port}"


def test_a_branch_is_fetched_as_files_and_the_folder_goes(server: str) -> None:
    with checkout(f"{server}/program.git") as folder:
        assert (folder / "app.py").read_text() == "print('two')\n"
        assert not (folder / "outside").is_symlink(), "links are text here: none leads out"
        assert not (folder / "x").exists(), "no submodule"
    assert not folder.exists()
    with checkout(f"{server}/program.git#staging") as folder:
        assert (folder / "app.py").read_text() == "print('one')\n"


def test_what_is_not_there_or_leads_elsewhere_is_refused_with_what_git_says(server: str) -> None:
    for url in (f"{server}/nothing.git", f"{server}/program.git#nothing", f"{server}/moved"):
        with pytest.raises(UnavailableError, match="git can't fetch it"), checkout(url):
            pass


def test_an_app_is_named_after_its_repository() -> None:
    for url in ("https://example.org/a/My-Shop.git#v1", "git@example.org:a/my-shop.git", "ssh://x@h/my-shop/"):
        assert default_name(named(url)) == "my-shop"
