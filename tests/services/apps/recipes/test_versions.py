from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.cloud.drivers.contract import Mount
from serai.errors import UnsupportedError
from serai.services.apps.recipes.contract import Runtime
from serai.services.apps.recipes.versions import choose, node_accepts, numbers, python_accepts


@pytest.mark.parametrize(
    ("specifier", "yes", "no"),
    [
        (">=3.9", [(3, 9), (3, 13)], [(3, 8)]),
        (">=3.9,<3.12", [(3, 11)], [(3, 12), (3, 13)]),
        (">=3.11.4", [(3, 11), (3, 12)], [(3, 10)]),
        ("<4", [(3, 11)], []),
        ("~=3.10", [(3, 10), (3, 12)], [(3, 9)]),
        ("~=3.10.2", [(3, 10)], [(3, 11)]),
        ("==3.11.*", [(3, 11)], [(3, 12)]),
        ("!=3.10.*,>=3.8", [(3, 9)], [(3, 10)]),
        (">3.9", [(3, 10)], [(3, 9)]),
        ("<=3.11", [(3, 11)], [(3, 12)]),
        ("", [(3, 11)], []),
        ("nonsense", [], [(3, 11)]),
    ],
)
def test_python_specifiers(specifier, yes, no):
    assert [version for version in (*yes, *no) if python_accepts(specifier, version)] == yes


@pytest.mark.parametrize(
    ("ranges", "yes", "no"),
    [
        (">=18", [(18, 0, 0), (22, 1, 0)], [(16, 9, 0)]),
        (">= 18.17", [(18, 17, 0), (20, 0, 0)], [(18, 16, 1)]),
        ("^20", [(20, 20, 2)], [(21, 0, 0), (18, 0, 0)]),
        ("^20.9.0", [(20, 20, 2)], [(20, 8, 0)]),
        ("~20.9", [(20, 9, 5)], [(20, 10, 0)]),
        ("20", [(20, 1, 1)], [(22, 0, 0)]),
        ("20.x || 22.x", [(20, 1, 1), (22, 3, 0)], [(21, 0, 0)]),
        (">=18 <21", [(20, 20, 2)], [(21, 0, 0)]),
        ("18 - 20", [(18, 0, 0), (20, 20, 2)], [(21, 0, 0)]),
        ("*", [(8, 0, 0)], []),
        ("lts/*", [(20, 0, 0)], []),
    ],
)
def test_node_ranges(ranges, yes, no):
    assert [version for version in (*yes, *no) if node_accepts(ranges, version)] == yes


@given(st.text(max_size=60))
def test_any_text_is_answered(text):
    assert python_accepts(text, (3, 11)) in {True, False}
    assert node_accepts(text, (20, 1, 2)) in {True, False}
    assert all(number >= 0 for number in numbers(text))


def test_the_newest_that_fits_is_chosen_and_a_missing_one_says_what_there_is():
    here = [
        Runtime(language="python", version=(3, minor), executable=f"/usr/bin/python3.{minor}") for minor in (9, 11, 13)
    ]
    assert choose(here, "python", ()).version == (3, 13)
    assert choose(here, "python", [(".python-version", (3, 11, 4))]).version == (3, 11)
    with pytest.raises(UnsupportedError) as caught:
        choose(here, "python", [(".python-version", (3, 12))])
    assert caught.value.fields == {
        "language": "python",
        "wanted": "3.12",
        "asked_by": ".python-version",
        "available": ("3.9", "3.11", "3.13"),
    }
    assert "serai runtime add python VERSION" in caught.value.public


def test_what_an_operator_added_is_for_those_who_ask_for_it():
    def added(*version):
        return Runtime(language="python", version=version, executable="x", mount=Mount(Path("/x"), "/x"))

    here = [Runtime(language="python", version=(3, 11), executable="y"), added(3, 12, 1), added(3, 13, 0)]
    assert choose(here, "python", ()).version == (3, 11)
    assert choose(here, "python", [("app.toml", (3, 12))]).version == (3, 12, 1)
    assert choose(here[1:], "python", ()).version == (3, 13, 0)
