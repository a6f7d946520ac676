"""What kinds of descriptor there are, and the form of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from litestar import Request

from serai.api.kinds import Kinds
from serai.console.forms import Short
from serai.console.leaves import Leaf, form_kind, leaves
from serai.console.visit import Visit
from serai.daemon import modules
from serai.services.registry import services
from serai.store import Spec


class Place(msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: f".{name}"):
    """What a form has besides a kind's own fields: where it goes, and the version that it was made from."""

    tenant: Short = ""
    name: Short = ""
    version: int = 0


class Shape(msgspec.Struct, frozen=True):
    """A kind and the form of it."""

    kind: type[Spec]
    fields: tuple[Leaf, ...]
    form: type[msgspec.Struct]

    @property
    def writable(self) -> bool:
        """Tell whether people write it: not what the platform derives, nor what holds what nobody sees."""
        hides = any("hidden" in vars(one) for one in self.kind.__mro__ if one is not Spec)
        return self.kind.EXPORTED is not None and not hides

    def may_write(self, visit: Visit, tenant: str, name: str, fields: Mapping[str, Any]) -> bool:
        """Tell whether the API would let a visitor write this; what it takes, a kind's own spec says."""
        if not self.writable or not visit.may("apply.write", tenant):
            return False
        spec = msgspec.convert(fields, self.kind)
        return all(visit.may(action, tenant, spec.app_of(name)) for action in spec.needs("write"))

    def item(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is applied: all but what the platform says itself."""
        derived = self.kind.derived(fields)
        return {"kind": self.kind.KIND, "name": name, "spec": {k: v for k, v in fields.items() if k not in derived}}


@cache
def all_kinds() -> Kinds:
    """Return the kinds of this installation."""
    return Kinds((modules.SERVICE, *services().values()))


@cache
def shape(kind: str) -> Shape:
    """Return a kind's form; `NotFoundError` for a kind that nobody brings."""
    found = all_kinds().get(kind)
    fields = tuple(leaf for leaf in leaves(found) if leaf.path[0] not in found.DERIVED)
    return Shape(found, fields, form_kind(fields, Place))


def form_of(request: Request[Any, Any, Any]) -> type[msgspec.Struct]:
    """Return the form of the kind that a path names."""
    return shape(str(request.path_params["kind"])).form


def action_of(kind: type[Spec], verb: str) -> str:
    """Return what somebody must be allowed who does that with a kind."""
    return all_kinds().action(kind.KIND, f"{{kind}}.{verb}")
