"""What templates were compiled to, kept beside this module, as Python keeps modules: a start takes it from there."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket, BytecodeCache

FOLDER = Path(__file__).parent / "__pycache__"


class Compiled(BytecodeCache):
    """Files below ``folder``, one for each template; who may not write there compiles each time.

    Code is taken where the same compiler made it of the same template and the same ``filters``: of constants it
    computes them itself, so that their modules' code is part of what it makes.
    """

    def __init__(self, filters: Iterable[Callable[..., Any]], folder: Path = FOLDER) -> None:
        self._folder = folder
        self._made_of = hashlib.sha256(f"{jinja2.__version__} {sys.version}".encode())
        for file in sorted({getattr(sys.modules[one.__module__], "__file__", None) or "" for one in filters} - {""}):
            self._made_of.update(b"\0" + Path(file).read_bytes())

    def get_cache_key(self, name: str, _filename: str | None = None) -> str:
        """Return the name of a template's file."""
        return f"{name.replace('/', '.')}.{sys.implementation.cache_tag}"

    def get_source_checksum(self, source: str) -> str:
        """Return what the code has to have been made of."""
        made_of = self._made_of.copy()
        made_of.update(source.encode())
        return made_of.hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take the code, if it is there and of this template."""
        with suppress(OSError), (self._folder / bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code, all of it or none: others may read meanwhile."""
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=f"{bucket.key}.")
            with os.fdopen(descriptor, "wb") as file:
                bucket.write_bytecode(file)
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(self._folder / bucket.key)
