"""Module IDs to classes, imported at first use.

The composition root says which services there are; the kernel itself knows none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from serai.daemon.service import Service, load
from serai.errors import InternalError, NotFoundError

if TYPE_CHECKING:
    from serai.daemon.module import Module


class Registry:
    """All modules of the services of this installation."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self.services = dict(services)
        self._paths: dict[str, str] = {}
        for service in services.values():
            for module_id, path in service.modules.items():
                if module_id in self._paths:
                    raise InternalError(f"Two services bring a module {module_id}.", path=path)
                self._paths[module_id] = path

    def ids(self) -> list[str]:
        """Return the IDs of all modules, in order."""
        return sorted(self._paths)

    def __contains__(self, module_id: str) -> bool:
        return module_id in self._paths

    def get(self, module_id: str) -> type[Module]:
        """Import and return a module's class; raise `NotFoundError` for an ID that no service brings."""
        path = self._paths.get(module_id)
        if path is None:
            raise NotFoundError(f"There is no module {module_id}; there are {', '.join(self.ids())}.")
        cls: type[Module] = load(path)
        if module_id != cls.ID:
            raise InternalError(f"The class {path} says its ID is {cls.ID}, its manifest says {module_id}.")
        return cls
