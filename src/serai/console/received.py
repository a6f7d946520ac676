"""A form as it came: which struct it is of, its fields, whose it is, and the file that comes after them."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException

from serai.api.entrance import Shown
from serai.console import carried, forms
from serai.console.carried import Carried
from serai.console.forms import Form, Pairs
from serai.console.streamed import Incoming
from serai.console.tokens import opened_by
from serai.errors import ConflictError, InvalidError, SeraiError

_LONGEST = 300  # characters of a file's name that are shown


class Wanted(msgspec.Struct, frozen=True):
    """Which form is taken: of a struct, of at most so many octets; with ``streamed`` a file comes after its fields."""

    kind: type[msgspec.Struct]
    most: int = forms.MAX_FORM
    streamed: bool = False


class Received:
    """``pairs`` are all fields, ours among them; ``incoming`` the file that follows, None for a form without one."""

    def __init__(self, kind: type[msgspec.Struct], action: str, pairs: Pairs, incoming: Incoming | None = None) -> None:
        self.kind = kind
        self.action = action
        self.token = next((value for name, value in pairs if name == forms.TOKEN), "")
        self.pairs = tuple(pair for pair in pairs if pair[0] != forms.TOKEN)
        self.incoming = incoming

    @property
    def opened_by(self) -> str:
        """Return who opened the form, as it says; "" for nobody."""
        return opened_by(self.token)

    def form(self, login: str, key: bytes) -> Form[Any]:
        """Return the form with what came sealed; `ConflictError` where that does not open."""
        found = carried.opened(Carried(self.action, self.pairs), login, key)
        if found is None:
            raise ConflictError("What is secret in that form can't be opened any more.", need="form")
        return Form(self.kind, (*carried.typed(self.pairs), *found), sent=True)

    def carry(self, key: bytes) -> Carried:
        """Return the form as it goes along with other pages."""
        return carried.carry(self.kind, self.action, self.pairs, self.opened_by, key)

    async def leave(self) -> None:
        """Read the rest of the file, so that an answer is looked at."""
        if self.incoming is not None:
            await self.incoming.leave()


async def receive(request: Request[Any, Any, Any], shown: Shown, wanted: Wanted, action: str) -> Received:
    """Read a form; of one with a file, the fields before it."""
    if wanted.streamed:
        return await _begin(request, wanted.kind, action)
    media_type = shown.field(b"content-type").partition(";")[0].strip().lower()
    if media_type not in {forms.MEDIA_TYPE, ""}:
        raise InvalidError("Forms are sent as application/x-www-form-urlencoded.")
    body = await request.body()
    pairs = forms.parse(body)
    # What we sealed ourselves is longer than what was typed.
    if len(body) - sum(len(value) for name, value in pairs if name == carried.SEALED) > wanted.most:
        raise ClientException(status_code=413)
    return Received(wanted.kind, action, pairs)


async def _begin(request: Request[Any, Any, Any], kind: type[msgspec.Struct], action: str) -> Received:
    incoming = Incoming(request)
    try:
        found = await incoming.fields()
    except SeraiError:
        await incoming.leave()
        raise
    chosen = (carried.FILE, incoming.name[:_LONGEST])
    return Received(kind, action, (*(pair for pair in found if pair[0] != carried.FILE), chosen), incoming)
