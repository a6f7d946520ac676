"""What the skeleton remembers, as descriptors."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from serai.store.contract import Spec


class Greeting(Spec, frozen=True, kw_only=True):
    """How a tenant wants its visitors greeted; named as the tenant likes."""

    KIND: ClassVar[str] = "greeting"
    PUBLIC: ClassVar[bool] = True  # every visitor reads it

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


KINDS = (Greeting,)
