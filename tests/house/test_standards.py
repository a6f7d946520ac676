"""What the code cites and what docs/standards.tsv claims are the same."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CITATION = re.compile(r"\bRFC (\d{3,5})\b")


def cited() -> set[str]:
    return {f"RFC {number}" for path in (ROOT / "src").rglob("*.py") for number in CITATION.findall(path.read_text())}


def claimed() -> dict[str, str]:
    lines = (ROOT / "docs" / "standards.tsv").read_text().splitlines()[1:]
    return {line.split("\t")[0]: line.split("\t")[2] for line in lines}


def test_each_cited_standard_is_listed_and_each_listed_one_is_cited() -> None:
    assert cited() == set(claimed())


def test_support_is_yes_partial_or_no() -> None:
    assert set(claimed().values()) <= {"yes", "partial", "no"}
