"""What tenancy consists of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from serai.store.contract import Spec

#: Labels below BASE that lead to the platform itself; no tenant has them.
PLATFORM_NAMES = ("api", "console")


class Tenant(Spec, frozen=True, kw_only=True):
    """A customer; its record lives under its own name (tenant = name). Its name is a DNS label, and not the platform's.

    ``uid`` is a small number that the host adds to its own base to get the tenant's user ID; it is given at creation
    and never used again for another.
    """

    KIND: ClassVar[str] = "tenant"
    NAME: ClassVar[re.Pattern[str]] = re.compile(
        rf"(?!(?:{'|'.join(PLATFORM_NAMES)})\Z)[a-z](?:[a-z0-9-]{{0,30}}[a-z0-9])?\Z"
    )

    EXPORTED: ClassVar[re.Pattern[str] | None] = NAME
    RETURNS: ClassVar[bool] = False  # it is more than this
    DERIVED: ClassVar[Mapping[str, Any]] = {"uid": 0}
    TASKS: ClassVar[Literal["", "app", "tenant"]] = "tenant"

    uid: int
    title: str = ""
    memory_mb: int = 16384  # sum over the tenant's instances, MiB
    disk_mb: int = 32768  # sum over the tenant's data folders, MiB
    processes: int = 4096  # sum over the tenant's instances
    tasks: int = 1_000_000  # sum over its apps: those that wait


class Numbers(Spec, frozen=True, kw_only=True):
    """The last number that was given out of a sequence whose numbers are never used twice (tenant "")."""

    KIND: ClassVar[str] = "numbers"
    TENANTS: ClassVar[str] = "tenants"

    last: int
