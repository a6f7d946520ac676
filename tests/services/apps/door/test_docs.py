"""The examples of docs/tasks.md, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.services.apps.door.conftest import Street

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/tasks.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def program(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import serai` and `import jobs` mean what they mean in the example application."""
    monkeypatch.setitem(sys.modules, "serai", street.client)
    monkeypatch.delitem(sys.modules, "jobs", raising=False)
    monkeypatch.syspath_prepend(str(ROOT / "examples/tasks"))


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("code", blocks("python"))
async def test_examples_in_python_run(street: Street, code: str) -> None:
    await street.as_app("demo", "shop", exec, compile(code, "docs/tasks.md", "exec"), {"__name__": "page"})
    sys.modules.pop("jobs", None)


@pytest.mark.parametrize("script", blocks("sh"))
async def test_examples_for_a_shell_run(street: Street, script: str) -> None:
    done = await street.as_app("demo", "shop", _shell, script)
    assert done.returncode == 0, done.stderr
    assert "exec:sh" in done.stdout
    assert "detail" not in done.stdout


def _shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False, timeout=20)


def test_there_are_examples() -> None:
    assert len(blocks("python")) >= 3
    assert len(blocks("sh")) >= 1
