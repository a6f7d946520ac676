"""Fetch a git repository onto this machine, by git itself, as the person at the terminal.

Over https and ssh only; one commit, no submodules, no hooks, no large files, within bounds of time and size.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serai.errors import DeadlineError, InvalidError, UnavailableError, UnsupportedError

SECONDS = 120
MAX_OCTETS = 64 << 20  # of one file that git writes
_URL = re.compile(
    r"(?:https|ssh)://[^\s\x00-\x20]+\Z|[A-Za-z0-9][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^\s\x00-\x20]+\Z"
)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}\Z")
_TOLD = 500  # characters of what git says


def is_url(text: str) -> bool:
    """Tell a URL from a path."""
    return "://" in text or bool(re.match(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:", text))


@contextmanager
def checkout(url: str) -> Iterator[Path]:
    """Give the files of ``URL[#REF]`` in a folder that goes away; REF is a branch or a tag.

    `InvalidError` for other protocols, `UnavailableError` where git fails, `DeadlineError` after `SECONDS`.
    """
    place, _, ref = url.partition("#")
    if not _URL.match(place):
        raise InvalidError("A git URL begins with https:// or ssh://, or goes USER@HOST:PATH.", path="file")
    if ref and not _REF.match(ref):
        raise InvalidError("That is no branch or tag.", path="file")
    with tempfile.TemporaryDirectory(prefix="serai-") as folder:
        _clone(place, ref, Path(folder) / "text")
        yield Path(folder) / "text"


def _clone(place: str, ref: str, folder: Path) -> None:
    settings = (
        "core.hooksPath=/dev/null",
        "core.symlinks=false",
        "transfer.bundleURI=false",
        "http.followRedirects=false",
    )
    words = ["prlimit", f"--fsize={MAX_OCTETS}", "--", "git", *(word for one in settings for word in ("-c", one))]
    words += ["clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template="]
    words += [*(["--branch", ref] if ref else []), "--", place, str(folder)]
    allowed = {"GIT_ALLOW_PROTOCOL": "https:ssh", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, timeout=SECONDS, env={**os.environ, **allowed},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UnsupportedError("git and prlimit are not installed here.") from error
    except subprocess.TimeoutExpired as error:
        raise DeadlineError(f"git took longer than {SECONDS} s.") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-_TOLD:]
        raise UnavailableError(f"git can't fetch it: {said or f'it ended with {done.returncode}'}")
