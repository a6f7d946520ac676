"""A visitor of the console for tests: keeps cookies, reads forms, follows links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from serai.identity.testing import PASSPHRASE

HOST = "console.localhost"
ORIGIN = f"https://{HOST}"


class Browser:
    """A visitor: keeps cookies, follows what pages say, and sends forms as browsers do."""

    def __init__(self, path: Path) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)  # no TLS: read no authorities
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
    """A form of a page: where it goes and how, what its fields hold, and the names of all, in their order.

    ``pairs`` are the hidden ones, which may come several times.
    """

    def __init__(self, action: str, method: str = "get", enctype: str = "") -> None:
        self.action = action
        self.method = method
        self.enctype = enctype
        self.fields: dict[str, str] = {}
        self.names: list[str] = []
        self.pairs: list[tuple[str, str]] = []


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Found] = []
        self._within = False
        self._text: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if tag == "form":
            how = ((fields.get(name) or "").lower() for name in ("method", "enctype"))
            self.forms.append(Found(fields.get("action") or "", *how))
            self._within = True
        elif self._within and tag in {"input", "select", "textarea", "button"} and fields.get("name"):
            self.forms[-1].names.append(fields["name"] or "")
            self._fill(tag, fields)

    def _fill(self, tag: str, fields: dict[str, str | None]) -> None:
        name, value = fields["name"] or "", fields.get("value") or ""
        if tag == "textarea":
            self._text, value = name, ""
        elif tag != "input" or fields.get("type") in {"checkbox", "radio"}:
            return
        self.forms[-1].fields[name] = value
        if fields.get("type") == "hidden":
            self.forms[-1].pairs.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = None
        self._within = self._within and tag != "form"

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self.forms[-1].fields[self._text] += data


def forms(text: str) -> list[Found]:
    """Return the forms of a page."""
    reader = _Reader()
    reader.feed(text)
    return reader.forms


def multipart(pairs: Iterable[tuple[str, str]], *files: tuple[str, bytes], boundary: str = "x7") -> tuple[bytes, str]:
    """Return a form with files as a browser sends it: the body, and its media type."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in pairs]
    for name, octets in files:
        head = (
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/gzip\r\n\r\n'
        )
        parts.append(head.encode() + octets)
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def token_of(page: httpx.Response) -> str:
    """Return the token that a page's forms carry."""
    return next(one.fields["csrf"] for one in forms(page.text) if "csrf" in one.fields)


def links(text: str) -> set[str]:
    """Return the local paths that a page leads to."""
    return {path.replace("&amp;", "&") for path in re.findall(r'<a\b[^>]*\bhref="(/[^"#]*)', text)}


class _Judge(HTMLParser):
    """Look for what the policy forbids, and for what readers of the page trip over."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self._ids: set[str] = set()
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if len(fields) != len(attrs):
            self.faults.append(f"<{tag}> says something twice: {attrs}")
        self._script = tag == "script"
        if tag in {"style", "iframe", "object", "embed", "base"} or (tag == "script" and not fields.get("src")):
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")):
                self.faults.append(f"<{tag} {name}>")
            if name in {"href", "src", "action"} and not (value or "").startswith(
                ("/", "#", "?", "https://", "mailto:")
            ):
                self.faults.append(f"<{tag} {name}={value}>")
        if "id" in fields:
            if fields["id"] in self._ids:
                self.faults.append(f"id {fields['id']} twice")
            self._ids.add(fields["id"] or "")
        if tag == "img" and "alt" not in fields:
            self.faults.append("<img> without alt")

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.faults.append("a script in the page")

    def handle_endtag(self, tag: str) -> None:
        self._script = False


def unclean(text: str) -> list[str]:
    """Return what a page must not have."""
    judge = _Judge()
    judge.feed(text)
    return judge.faults
