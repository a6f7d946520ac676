"""What the suites of the store's engines share: kinds to try things with, and how a store is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import msgspec

from serai.errors import SeraiError
from serai.store.checks import TENANT
from serai.store.contract import Spec
from serai.store.driver import Driver
from serai.store.kinds import Kinds
from serai.store.store import Store

WHO, WHY = "user:ada", "to see"


class Lamp(Spec, frozen=True, kw_only=True):
    """A kind to try things with."""

    KIND: ClassVar[str] = "lamp"

    watts: int = 1
    colour: str = "white"


class OtherKind(Spec, frozen=True, kw_only=True):
    """Another one, that sorts after it."""

    KIND: ClassVar[str] = "lantern"

    wick: bool = True


class Owner(Spec, frozen=True, kw_only=True):
    """What tenants live by."""

    KIND: ClassVar[str] = TENANT


class Relic(Spec, frozen=True, kw_only=True):
    """What is written even where its tenant is no more."""

    KIND: ClassVar[str] = "relic"
    OUTLIVES: ClassVar[bool] = True


class Shade(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a newer lamp, as it was first."""

    cloth: str


class WiderShade(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a newer lamp, with a field more."""

    cloth: str
    width: int


class OldLamp(Spec, frozen=True, kw_only=True):
    """Schema 1 of a kind that evolves."""

    KIND: ClassVar[str] = "evolving"

    watts: int
    shade: Shade | None = None


class NewLamp(Spec, frozen=True, kw_only=True):
    """Schema 2 of it."""

    KIND: ClassVar[str] = "evolving"
    SCHEMA: ClassVar[int] = 2
    UPGRADERS: ClassVar[dict[int, Any]] = {1: lambda fields: {**fields, "lumen": fields["watts"] * 80}}

    watts: int
    lumen: int
    shade: WiderShade | None = None


def equal(found: object, wanted: object) -> None:
    """Raise AssertionError where two values differ."""
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


async def refused(error: type[SeraiError], call: Awaitable[object]) -> SeraiError:
    """Await a call and return its error of that type; raise AssertionError where it has none."""
    try:
        result = await call
    except error as raised:
        return raised
    raise AssertionError(f"{result!r} instead of {error.code}")


class Suite:
    """How a test gets a store; an engine says how one is made."""

    def make(self) -> Driver:
        """Return the driver of a new, empty store."""
        raise NotImplementedError

    def again(self, driver: Driver) -> Driver:
        """Return a driver of the same store; that of an engine that can be opened once only is the same."""
        return driver

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """Open a new store for the length of a test."""
        store = Store(self.make(), Kinds([Lamp, OtherKind]))
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def twice(self) -> AsyncIterator[tuple[Store, Store]]:
        """Open a new store twice."""
        driver = self.make()
        one, two = Store(driver, Kinds([OldLamp])), Store(self.again(driver), Kinds([NewLamp]))
        try:
            yield one, two
        finally:
            await two.close()
            await one.close()
