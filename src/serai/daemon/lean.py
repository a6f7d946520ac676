"""Import libraries without what they load for no other reason than that it is installed.

The pages of the warm parent are in every worker's memory, and its imports in every start.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let what is imported meanwhile find none of these packages, unless they are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how the import system says "no"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def later(*names: str) -> None:
    """Let modules be imported as if they were loaded: each is when somebody first asks for something in it.

    Meant for what libraries import in one place and use in another, which never comes: it takes no lock.
    """
    for name in names:
        spec = None if name in sys.modules else find_spec(name)
        if spec is not None:
            sys.modules[name] = _promise(spec)
            package, _, last = name.rpartition(".")
            if package:
                setattr(sys.modules[package], last, sys.modules[name])


def _promise(spec: ModuleSpec) -> ModuleType:
    module = module_from_spec(spec)

    def load(attribute: str) -> Any:
        if spec.submodule_search_locations and find_spec(f"{spec.name}.{attribute}"):
            return import_module(f"{spec.name}.{attribute}")  # one of its modules, which may not need all of it
        if module.__dict__.pop("__getattr__", None) is not None and spec.loader is not None:
            spec.loader.exec_module(module)
        return getattr(module, attribute)

    module.__getattr__ = load  # type: ignore[method-assign]  # of a module it is a function (PEP 562)
    return module
