"""Import libraries without what they load for no other reason than that it is installed.

The pages of the warm parent are in every worker's memory, and its imports in every start.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
