"""A console on a real Unix socket before a real API over a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from browsing import Browser
from learning import learn, routes_of
from prometheus_client import CollectorRegistry
from serving import Api, Place, listening, serving, taking

from serai.api.server import Server
from serai.console import nav
from serai.console.app import Door, build
from serai.console.wire import Wire


class House:
    """A console and the API behind it."""

    def __init__(self, api: Api, path: Path, wire: Wire, app: Any) -> None:
        self.api = api
        self.store = api.store
        self.path = path
        self.wire = wire
        self.app = app
        self._browsers: list[Browser] = []

    def browser(self) -> Browser:
        """Return a visitor that nobody knows yet."""
        self._browsers.append(Browser(self.path))
        return self._browsers[-1]

    async def visitor(self, login: str, *roles: tuple[str, str]) -> Browser:
        """Make a user with (tenant, role) pairs and return their browser, signed in."""
        await self.api.person(login, *roles)
        browser = self.browser()
        await browser.sign_in(login)
        return browser

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.close()


@asynccontextmanager
async def consoling(
    home: Path, *, pages: Any = None, seconds: float = 10.0, place: Place | None = None
) -> AsyncIterator[House]:
    async with serving(home, place=place) as api:
        wire = Wire(home / "front.sock", seconds=seconds)
        app = build(wire, api.ctx.clock.now, pages)
        learn(routes_of(nav.modules() if pages is None else ()))
        server = Server(Door(app, CollectorRegistry()))
        path = home / "console.sock"
        with listening(path) as sock:
            accepting = asyncio.create_task(taking(sock, server.accepted_front))
            house = House(api, path, wire, app)
            try:
                yield house
            finally:
                accepting.cancel()
                await house.close()
                await server.close(2.0)
                wire.close()
