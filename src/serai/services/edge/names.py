"""Host names as the edge knows them, and where their certificates lie."""

from __future__ import annotations

import re
from pathlib import Path

# RFC 1123 §2.1 in lower case; a leading "*." stands for one label.
HOST_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def leaf_path(folder: Path, name: str) -> Path:
    """Return where the certificate and key of host ``name`` lie, as one PEM file below ``folder`` (``data/tls``)."""
    return folder / "leaves" / f"{name}.pem"
