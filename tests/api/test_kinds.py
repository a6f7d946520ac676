"""Text to descriptors and paths to names: strict, and never an unexpected error."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.api.client import descriptor, segment
from serai.api.descriptors import plain_name
from serai.api.kinds import Kinds, decode, merge
from serai.api.server import canonical
from serai.daemon import modules
from serai.errors import InvalidError
from serai.services.registry import services
from serai.tasks.schedule import Schedule

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
ALL = list(Kinds((modules.SERVICE, *services().values())))


@given(st.sampled_from(ALL), st.dictionaries(st.sampled_from(["uid", "app", "env", "live", "host", "x"]), VALUES))
def test_a_spec_is_understood_or_refused(kind: Any, value: dict[str, Any]) -> None:
    try:
        spec = decode(kind, json.dumps(value).encode())
    except InvalidError:
        return
    assert isinstance(spec, kind)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"when": "61 * * * *"}, "when"),
        ({"when": "0 0 30 2 *"}, "when"),
        ({"when": "@daily", "zone": "Nowhere"}, "zone"),
    ],
)
def test_a_schedule_that_means_nothing_is_refused_where_it_is_written(fields: dict[str, str], path: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decode(Schedule, json.dumps({"function": "f", **fields}).encode())
    assert caught.value.fields["path"] == path
    assert decode(Schedule, b'{"function": "f", "when": "@daily"}').when == "@daily"


@given(st.sampled_from(ALL), st.binary(max_size=200))
def test_octets_are_refused(kind: Any, data: bytes) -> None:
    with contextlib.suppress(InvalidError):
        assert isinstance(decode(kind, data), kind)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("value", ["$(id)", "a\x00", "😀", "../..", "x" * (1 << 20)])
def test_every_field_of_every_kind_takes_hostile_text_as_text_or_refuses_it(kind: Any, value: str) -> None:
    for field in kind.__struct_fields__:
        try:
            spec = decode(kind, json.dumps({field: value}).encode())
        except InvalidError:
            continue
        assert getattr(spec, field) == value


@given(st.text(max_size=80))
def test_any_name_survives_the_way_through_a_path(name: str) -> None:
    try:
        path = descriptor("route", "", name)
    except UnicodeEncodeError:
        return
    kind, tenant, last = canonical(path.encode()).split("/")[2:]
    assert (kind, tenant, plain_name(last)) == ("route", "-", name)


@given(st.binary(max_size=80))
def test_a_path_has_one_canonical_form(raw: bytes) -> None:
    once = canonical(raw)
    assert canonical(once.encode()) == once
    assert once.count("/") == raw.count(b"/")


def test_different_spellings_of_a_path_are_one() -> None:
    assert canonical(b"/v1/%61pp/%7Edemo") == canonical(b"/v1/app/~demo") == "/v1/app/~demo"
    assert canonical(b"/v1/a%2fb") == "/v1/a%2Fb"


@given(VALUES, VALUES)
def test_a_merge_patch_is_rfc_7396(target: Any, patch: Any) -> None:
    merged = merge(target, patch)
    if isinstance(patch, dict):
        assert isinstance(merged, dict)
        for key, value in patch.items():
            assert (key not in merged) if value is None else (key in merged)
    else:
        assert merged == patch


def test_the_merge_patch_of_the_rfc_s_appendix() -> None:
    assert merge({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}) == {"a": {"b": "d"}}
    assert merge({"a": [{"b": "c"}]}, {"a": [1]}) == {"a": [1]}
    assert merge({"e": None}, {"a": 1}) == {"e": None, "a": 1}
    assert merge([1, 2], {"a": "b", "c": None}) == {"a": "b"}
    assert merge({}, {"a": {"bb": {"ccc": None}}}) == {"a": {"bb": {}}}


def test_a_segment_never_holds_a_slash() -> None:
    assert segment("../x?y#z") == urllib.parse.quote("../x?y#z", safe="") == "..%2Fx%3Fy%23z"
