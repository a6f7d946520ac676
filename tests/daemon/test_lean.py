"""What is not imported: promises of modules, and what the processes of a host do without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGE = {
    "__init__.py": 'print("package")\nfrom costly.inner import NAME\n',
    "inner.py": 'print("inner")\nNAME = "inner"\n',
}


Run = Callable[[str], list[str]]


@pytest.fixture
def said(tmp_path: Path) -> Run:
    """Run code in a fresh interpreter that finds the package ``costly``; return what is printed, word by word."""
    folder = tmp_path / "costly"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)

    def run(code: str) -> list[str]:
        before = "from serai.daemon.lean import later, without\n"
        done = subprocess.run(
            [sys.executable, "-c", before + code], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.split()

    return run


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("later('costly'); import costly; print('imported')", ["imported"]),
        ("later('costly'); import costly; print('then', costly.NAME)", ["package", "inner", "then", "inner"]),
        ("later('costly'); from costly import NAME; print(NAME)", ["package", "inner", "inner"]),
        ("later('costly'); from costly.inner import NAME; print(NAME)", ["inner", "inner"]),
        ("later('costly'); from costly import inner; print(inner.NAME)", ["inner", "inner"]),
        ("later('costly'); import costly; print('then', costly.inner.NAME)", ["inner", "then", "inner"]),
        ("later('costly.inner'); import costly.inner; print('then')", ["package", "inner", "then"]),
        ("import costly; later('costly'); print(costly.NAME)", ["package", "inner", "inner"]),
        ("later('costly')\ntry: import costly; costly.none\nexcept AttributeError: print('none')", None),
        ("later('nowhere')\ntry: import nowhere\nexcept ImportError: print('nowhere')", ["nowhere"]),
    ],
)
def test_a_promised_module_is_loaded_by_its_first_use(said: Run, code: str, words: list[str] | None) -> None:
    assert said(code) == (words or ["package", "inner", "none"])


def test_what_is_hidden_is_found_again(said: Run) -> None:
    code = "with without('costly'):\n try: import costly\n except ImportError: print('hidden')\nimport costly"
    assert said(code) == ["hidden", "package", "inner"]
