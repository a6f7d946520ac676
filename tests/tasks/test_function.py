"""Declaring functions, finding them by manifests, typed arguments."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serai.errors import InternalError, InvalidError, NotFoundError
from serai.store.contract import Backoff
from serai.tasks import Registry, TaskContext, TaskFunction, task

QUICK = "serai.tasks.manager:Tasks"


class Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    app: str
    release: int


@task("apps.build", deadline=60, retries=2, short=True)
async def build(ctx: TaskContext, arguments: Build) -> None:
    """Build it."""


async def plain(ctx: TaskContext, arguments: dict[str, Any]) -> None: ...


async def too_few(ctx: TaskContext) -> None: ...


class Manifest(msgspec.Struct, frozen=True):
    tasks: Mapping[str, str]


def test_a_new_task_carries_the_functions_name_defaults_and_checked_arguments() -> None:
    new = build.new(Build("shop", 3), channel="app:shop")
    assert (new.function, new.arguments, new.channel) == ("apps.build", {"app": "shop", "release": 3}, "app:shop")
    assert (new.deadline, new.retries) == (60, 2)
    assert build.new(Build("shop", 3), deadline=5.0).deadline == 5.0
    assert build.decode(msgspec.msgpack.encode(new.arguments)) == Build("shop", 3)


@pytest.mark.parametrize("arguments", [{}, {"app": "x", "release": "3"}, {"app": "x", "release": 3, "more": 1}])
def test_arguments_that_do_not_fit_are_refused_where_the_task_is_made(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        build.new(arguments)


@given(st.binary(max_size=100))
@example(b"\x81\xa2\x00\x80\x01")  # a name that is no UTF-8
def test_arbitrary_octets_are_arguments_or_invalid(payload: bytes) -> None:
    for function in (build, TaskFunction("plain", plain)):
        with contextlib.suppress(InvalidError):
            function.decode(payload)


def test_a_registry_loads_what_manifests_name_when_it_is_needed() -> None:
    registry = Registry.of([Manifest({"a.b": "serai.nowhere:f"}), Manifest({"apps.build": "unused:unused"})])
    assert registry.names == {"a.b", "apps.build"}
    with pytest.raises(ModuleNotFoundError):
        registry.get("a.b")
    with pytest.raises(NotFoundError):
        registry.get("c")


def test_two_manifests_with_one_name_are_our_mistake() -> None:
    with pytest.raises(InternalError):
        Registry.of([Manifest({"a": "x:y"}), Manifest({"a": "x:z"})])


def test_a_function_is_known_to_be_short_once_it_was_loaded() -> None:
    registry = Registry({"apps.build": build})
    assert registry.short == frozenset()
    assert registry.get("apps.build") is build
    assert registry.short == {"apps.build"}


def test_what_is_registered_under_another_name_or_is_no_function_is_refused() -> None:
    with pytest.raises(InternalError):
        Registry({"other": build}).get("other")
    with pytest.raises(InternalError):
        Registry({"x": "serai.errors:BY_CODE"}).get("x")


def test_a_function_takes_a_context_and_arguments() -> None:
    with pytest.raises(InternalError):
        TaskFunction("x", too_few).decode(b"\x80")  # type: ignore[arg-type]


@given(st.integers(0, 1000), st.floats(0, 1))
def test_delays_double_have_jitter_and_a_limit(failures: int, chance: float) -> None:
    delay = build.delay(failures, chance)
    whole = min(600.0, 2.0 * 2 ** min(failures, 60))
    assert whole / 2 <= delay <= whole


@given(
    failures=st.integers(0, 10_000),
    chance=st.floats(0, 1),
    first=st.floats(0, 100),
    factor=st.floats(1, 1000),
    jitter=st.floats(0, 1),
)
def test_a_backoff_stays_between_nothing_and_its_longest(
    failures: int, chance: float, first: float, factor: float, jitter: float
) -> None:
    backoff = Backoff(first=first, factor=factor, longest=600.0, jitter=jitter)
    assert 0 <= backoff.delay(failures, chance) <= 600.0
    assert backoff.delay(failures, 1.0) <= backoff.delay(failures + 1, 1.0)
