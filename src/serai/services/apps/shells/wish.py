"""What is asked of an agent who is to open a shell, and what the operator lets be asked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

SUBJECT = "apps.shell"
TERM = r"\A[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z"

Word = Annotated[str, Meta(max_length=8192)]
Side = Annotated[int, Meta(ge=1, le=2000)]


class ShellConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of shells, a part of the agent's."""

    shells_each: Annotated[
        int, Meta(description="Shells that a tenant may have open in its instances; 0 allows none.", ge=0, le=1000)
    ] = 8
    shell_seconds: Annotated[int, Meta(description="How long a shell may be open.", ge=1, le=604800)] = 43200
    shell_idle_seconds: Annotated[
        int, Meta(description="How long nothing may be said on either side of a shell.", ge=1, le=604800)
    ] = 1800
    shell_detached_seconds: Annotated[
        int, Meta(description="How long a shell waits for whoever reads it to come back.", ge=1, le=86400)
    ] = 60


class Size(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large a terminal is, in characters."""

    rows: Side = 24
    columns: Side = 80


class What(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to run: an empty ``command`` is a shell. ``terminal`` null gives it pipes, ``term`` names its kind.

    ``instance`` names one (as `showApp` lists them); else one of the ``process`` is chosen, of the newest live release.
    """

    command: Annotated[tuple[Word, ...], Meta(max_length=256)] = ()
    instance: Annotated[str, Meta(max_length=120)] = ""
    process: Annotated[str, Meta(max_length=40)] = "web"
    terminal: Size | None = None
    term: Annotated[str, Meta(pattern=TERM)] = "xterm-256color"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for a shell as the agent hears it; ``whose`` is who may talk to it: a user, whatever they show."""

    tenant: str
    app: str
    who: Annotated[str, Meta(max_length=400)]
    whose: str
    what: What


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A shell that is open: its ID, and where."""

    id: str
    instance: str


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """What a shell's door tells the API: whose it is."""

    tenant: str
    app: str
    whose: str
