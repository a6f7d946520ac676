"""Host names as the edge knows them, and where their certificates lie."""

from __future__ import annotations

import re
from pathlib import Path

from serai.identity.descriptors import PLATFORM_NAMES

# RFC 1123 §2.1 in lower case; a leading "*." stands for one label.
HOST_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def own_names(base: str) -> tuple[str, ...]:
    """Return the host names that are the platform's own below ``base``."""
    return tuple(f"{name}.{base}" for name in PLATFORM_NAMES)


def leaf_path(folder: Path, name: str) -> Path:
    """Return where the certificate and key of host ``name`` lie, as one PEM file below ``folder`` (``data/tls``)."""
    return folder / "leaves" / f"{name}.pem"
