"""Deployments from the git server of `git_server`, step by step, as people and the task manager would make them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from git_server import Server

from serai.api.desk import keyring_of
from serai.errors import SeraiError
from serai.services.apps import actions, fetching, steps, tokens
from serai.services.apps.git.outside import Bounds, Outside
from serai.services.apps.git.source import Source
from serai.services.apps.git.token import GitToken

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

    from serai.services.apps.descriptors import Release

FAILED = "Git could not fetch it:"
PAGE = {"index.html": "<p>one", "site/index.html": "<p>site"}


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
