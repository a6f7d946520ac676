"""Names and texts that nobody would wish for, wherever the platform takes free text."""

from __future__ import annotations

from pathlib import Path

import msgspec

from serai.identity.people import Token, User
from serai.identity.principals import Scope
from serai.services.apps.descriptors import App
from serai.store import NewTask, Put
from serai.store.open import open_store

_RUN = "document.documentElement.dataset.ran=1"
#: Markup, an attribute that ends early, a template's expression, a word from right to left, pictures.
HOSTILE = f"<script>{_RUN}</script>\"><img src=x onerror={_RUN}></textarea>'{{{{7*7}}}} \u202egnp.exe\u202c 👩‍🚀🏳️‍🌈"
LONG = "w" * 200  # without a gap
SHORT = HOSTILE[:60]


async def spoil(home: Path) -> None:
    """Put them into a store, whatever its platform does meanwhile."""
    store = open_store(f"sqlite:{home}/data/store/store.db")
    token = Token(user="ada", digest="0" * 64, title=HOSTILE, created=1.8e9, scope=Scope())
    puts = [
        Put("", "mallory", User(email="mallory@example.test", title=LONG)),
        Put("acme", "deploys", token),
        Put("", "mine", msgspec.structs.replace(token, title=LONG)),
        Put("acme", "a" + "-b" * 18, App()),
    ]
    await store.change("user:ada", HOSTILE, puts)
    new = NewTask(function=f"{SHORT}.work", tenant="acme", app="shop", queue="nobody", arguments={HOSTILE: LONG})
    await store.change("user:ada", HOSTILE, [new])
    await store.close()
