"""``serai audit``."""

import json
from typing import Any

import pytest

from serai.cli.exit import STATUS


def test_changes_are_listed_newest_first(api: Any, serai: Any) -> None:
    for name in ("one", "two"):
        assert serai("tenant", "create", name).status == 0
    lines = serai("audit", "--kind", "tenant").out.splitlines()
    assert lines[0].split() == ["WHEN", "WHO", "DID", "KIND", "TENANT", "NAME", "VERSION", "WHY"]
    assert [line.split()[3:7] for line in lines[1:]] == [["write", "tenant", n, n] for n in ("two", "one")]
    found = json.loads(serai("audit", "--tenant", "one", "--who", "user:root", "--since", "1h", "--json").out)
    assert [(one["name"], one["why"]) for one in found] == [("one", "create tenant one")]
    assert "Nothing fits" in serai("audit", "--who", "user:eve").err
    assert len(json.loads(serai("audit", "--limit", "1", "--json").out)) == 1


def test_refused_attempts_are_listed(api: Any, serai: Any) -> None:
    assert json.loads(serai("audit", "--refused", "--json").out) == []


@pytest.mark.parametrize("span", ["yesterday", "-1h", "1w", "9999999d"])
def test_a_span_that_is_none_is_refused(api: Any, serai: Any, span: str) -> None:
    done = serai("audit", f"--since={span}")
    assert done.status == STATUS["invalid"]
    assert "time span" in done.err
