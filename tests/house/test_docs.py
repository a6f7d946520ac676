"""The pages say what is there: reference pages are fresh, links lead somewhere, each service explains itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "src" / "serai" / "services"
SECTIONS = ["What it is", "Descriptors", "Modules", "Tasks", "Limits"]
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def pages() -> list[Path]:
    folders = {"": "*.md", "docs": "**/*.md", "src": "**/*.md", "examples": "*/README.md"}
    return [path for folder, pattern in folders.items() for path in sorted((ROOT / folder).glob(pattern))]


def services() -> list[str]:
    return sorted(path.parent.name for path in SERVICES.glob("*/__init__.py"))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_reference_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(page.read_text()):
        if "://" in found["target"]:
            continue
        target = page.parent / found["target"]
        assert target.exists(), found[0]
        if found["anchor"]:
            assert found["anchor"][1:] in anchors(target), found[0]


@pytest.mark.parametrize("service", services())
def test_a_service_explains_itself_in_five_sections(service: str) -> None:
    titles = re.findall(r"^## (.*)$", (SERVICES / service / "README.md").read_text(), re.MULTILINE)
    assert [title for title in titles if title in SECTIONS] == SECTIONS


def test_the_readme_names_commands_that_exist() -> None:
    known = (ROOT / "docs" / "reference" / "cli.md").read_text()
    text = "".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    said = set(
        re.findall(
            r"^ {4}serai (undelete|[a-z]+(?: (?:show|logs|list|promote|rollback|scale|restart|add|env|domain))*)",
            text,
            re.MULTILINE,
        )
    )
    assert said
    for words in said:
        assert f"\n## serai {words}" in known, words


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^ {4}make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_design_and_glossary_mean_the_same_by_a_word() -> None:
    def words(page: str) -> dict[str, str]:
        rows = re.findall(r"^\| ([a-z, ]+) \| ([^|]+) \|$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
        return {word: meaning for word, meaning in rows if word != "word"}

    glossary = words("glossary.md")
    design = {word: meaning for word, meaning in words("design.md").items() if word in glossary}
    assert len(design) > 10
    assert design == {word: glossary[word] for word in design}
