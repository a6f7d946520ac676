"""Host names as the edge knows them, and where their certificates lie."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from serai.identity.descriptors import PLATFORM_NAMES

# RFC 1123 §2.1 in lower case; a leading "*." stands for one label.
HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
)
LONGEST = 240  # characters of a file's name without what is put around it, of 255 that there may be


def own_names(base: str) -> tuple[str, ...]:
    """Return the host names that are the platform's own below ``base``."""
    return tuple(f"{name}.{base}" for name in PLATFORM_NAMES)


def leaf_path(folder: Path, name: str) -> Path:
    """Return where the certificate and key of host ``name`` lie, as one PEM file below ``folder`` (``data/tls``)."""
    # No host name has 64 characters and no dot, as what stands for a long one does.
    short = name if len(name) <= LONGEST else hashlib.sha256(name.encode()).hexdigest()
    return folder / "leaves" / f"{short}.pem"
