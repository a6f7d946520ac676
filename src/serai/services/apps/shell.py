"""A shell that is open, as a descriptor: its history tells who was where, from where, and until when."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from serai.store.contract import Spec

#: What a shell is called among those of its app.
ID = re.compile(r"[0-9a-f]{16}\Z")


class Shell(Spec, frozen=True, kw_only=True):
    """A program that ``who`` runs in an instance; named ``APP.ID``. It is there from its start until its end.

    Of what runs only the ``program`` is told: arguments may be secret. ``opened`` is in seconds since the epoch.
    """

    KIND: ClassVar[str] = "shell"
    NAME: ClassVar[re.Pattern[str]] = re.compile(r"[a-z][a-z0-9-]{0,40}\.[0-9a-f]{16}\Z")
    RETURNS: ClassVar[bool] = False
    OUTLIVES: ClassVar[bool] = True

    app: str
    instance: str
    host: str
    who: Annotated[str, Meta(max_length=400)]
    program: Annotated[str, Meta(max_length=100)] = ""
    terminal: bool = False
    opened: float = 0.0

    def app_of(self, name: str) -> str:  # noqa: ARG002 - it says so itself
        """Return the app that it is in."""
        return self.app

    def needs(self, verb: Literal["write", "delete"]) -> tuple[str, ...]:  # noqa: ARG002 - one for both
        """Return what having one takes."""
        return ("app.shell",)
