"""What tests of the console share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consoling import House, consoling


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with consoling(tmp_path) as running:
        yield running
