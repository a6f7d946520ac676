"""A console on a real Unix socket before a real API over a store in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client import CollectorRegistry
from serving import Api, listening, serving, taking

from serai.api.server import Server
from serai.console.app import Door, build
from serai.console.wire import Wire
from serai.identity.testing import PASSPHRASE

HOST = "console.localhost"
ORIGIN = f"https://{HOST}"


class Browser:
    """A visitor: keeps cookies, follows what pages say, and sends forms as browsers do."""

    def __init__(self, path: Path) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        self._client = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", timeout=30)
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, **fields: str) -> httpx.Response:
        return await self._send("GET", path, None, fields)

    async def post(self, path: str, form: Any = None, **fields: str) -> httpx.Response:
        """Send a form as it is: a mapping, pairs, or octets."""
        body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
        sent = {"origin": ORIGIN, "content-type": "application/x-www-form-urlencoded", **fields}
        return await self._send("POST", path, body, sent)

    async def submit(self, page: httpx.Response, form: Mapping[str, str], *, action: str = "") -> httpx.Response:
        """Fill the form of a page that goes to ``action`` (or the last), hidden fields included, and send it."""
        found = [one for one in forms(page.text) if not action or one.action == action][-1]
        return await self.post(found.action, {**found.fields, **form})

    async def sign_in(self, login: str = "ada") -> None:
        answer = await self.post("/sign-in", {"login": login, "password": PASSPHRASE})
        assert answer.status_code == 303, answer.text

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 303, answer.text
        return await self.get(answer.headers["location"])

    async def _send(self, method: str, path: str, body: bytes | None, fields: Mapping[str, str]) -> httpx.Response:
        sent = {"host": HOST, "x-forwarded-for": "192.0.2.7", "accept": "text/html"}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= {name.replace("_", "-"): value for name, value in fields.items()}
        answer = await self._client.request(method, path, content=body, headers=sent)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if "max-age=0" in line.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    async def close(self) -> None:
        await self._client.aclose()


class Found:
    """A form of a page: where it goes, and what its fields hold."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Found] = []
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if tag == "form":
            self.forms.append(Found(fields.get("action") or ""))
        elif self.forms and tag == "input" and fields.get("type") not in {"checkbox", "radio"}:
            self.forms[-1].fields[fields["name"] or ""] = fields.get("value") or ""
        elif self.forms and tag == "textarea":
            self._text = fields["name"]
            self.forms[-1].fields[self._text or ""] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self.forms[-1].fields[self._text] += data


def forms(text: str) -> list[Found]:
    """Return the forms of a page."""
    reader = _Reader()
    reader.feed(text)
    return reader.forms


def links(text: str) -> set[str]:
    """Return the local paths that a page leads to."""
    return {path.replace("&amp;", "&") for path in re.findall(r'<a\b[^>]*\bhref="(/[^"#]*)', text)}


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
async def consoling(home: Path, *, pages: Any = None, seconds: float = 10.0) -> AsyncIterator[House]:
    async with serving(home) as api:
        wire = Wire(home / "front.sock", seconds=seconds)
        app = build(wire, api.ctx.clock.now, pages)
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


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with consoling(tmp_path) as running:
        yield running
