"""An API on a real Unix socket over a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from serving import FAST, Api, Place, serving

__all__ = ["FAST", "Api", "Place"]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Any]:
    """Give `serving` bound to a folder, for tests that need other settings."""
    return lambda **settings: serving(tmp_path, **settings)
