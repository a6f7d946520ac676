"""What is told counts for the app, its tenant and the host; gauges stand until they are told again or not believed."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from serai.daemon import figures
from serai.daemon.figures import CPU, MEMORY, Telling
from serai.services.series.recorder import HOST, Recorder
from serai.store.series.points import gauge

NOW = 1_700_000_000


def told(*sums: Any, gauges: Any = (), source: str = "edge.0") -> Telling:
    return Telling(source, list(sums), list(gauges))


def test_sums_count_for_the_app_its_tenant_and_the_host() -> None:
    recorder = Recorder(10, 100)
    recorder.hear(told(("acme", "shop", {2: 5, 70: 5}), ("acme", "blog", {2: 1})), NOW, 0.0)
    recorder.hear(told(("acme", "shop", {2: 3}), ("other", "shop", {4: 1}), source="edge.1"), NOW, 0.0)
    assert recorder.pending("acme/shop") == {NOW: {2: 8, 70: 5}}
    assert recorder.pending("acme") == {NOW: {2: 9, 70: 5}}
    assert recorder.pending(HOST) == {NOW: {2: 9, 70: 5, 4: 1}}


def test_what_leads_to_no_app_counts_for_the_host_alone() -> None:
    recorder = Recorder(10, 100)
    recorder.hear(told(("", "", {4: 1}), ("-", "", {2: 1})), NOW, 0.0)
    assert recorder.pending(HOST) == {NOW: {4: 1, 2: 1}}
    assert [list(points) for _, points in recorder.take(NOW + 100)] == [[HOST]]


def test_a_tenant_s_gauges_are_the_sum_of_its_apps() -> None:
    recorder = Recorder(10, 100)
    both = [("acme", "shop", {CPU: 500, MEMORY: 100}), ("acme", "blog", {CPU: 250, MEMORY: 50})]
    recorder.hear(told(gauges=both), NOW, 0.0)
    recorder.hear(told(gauges=[("acme", "shop", {CPU: 100, MEMORY: 100})]), NOW + 1, 1.0)
    assert recorder.pending("acme") == {
        NOW: {CPU: gauge(750), MEMORY: gauge(150)},
        NOW + 1: {CPU: gauge(350), MEMORY: gauge(150)},
    }
    assert recorder.totals("acme/blog") == {CPU: 250, MEMORY: 50}
    recorder.hear(told(gauges=[("acme", "shop", {}), ("acme", "blog", {})]), NOW + 2, 2.0)
    assert recorder.pending("acme")[NOW + 2] == {CPU: gauge(0), MEMORY: gauge(0)}
    assert list(recorder.standing()) == []


def test_gauges_of_several_sources_are_added() -> None:
    recorder = Recorder(10, 100)
    for number in range(3):
        recorder.hear(told(gauges=[("", "", {figures.CONNECTIONS: 2})], source=f"edge.{number}"), NOW, 0.0)
    assert recorder.pending(HOST)[NOW] == {figures.CONNECTIONS: gauge(6)}


def test_gauges_that_are_not_told_again_are_no_longer_believed() -> None:
    recorder = Recorder(10, 100)
    recorder.hear(told(gauges=[("acme", "shop", {CPU: 5})]), NOW, 0.0)
    recorder.expire(figures.BELIEVED)
    assert recorder.totals("acme") == {CPU: 5}
    recorder.expire(figures.BELIEVED + 1)
    assert recorder.totals("acme") == {}


def test_names_and_columns_that_make_no_sense_are_refused() -> None:
    recorder = Recorder(10, 100)
    for tenant, app in (("../etc", "shop"), ("acme", "a/b"), (".", ""), ("Acme", ""), ("acme", "-")):
        recorder.hear(told((tenant, app, {2: 1}), gauges=[(tenant, app, {CPU: 1})]), NOW, 0.0)
    assert recorder.refused == 10
    recorder.hear(told(("acme", "", {CPU: 1}), gauges=[("acme", "", {2: 1})]), NOW, 0.0)
    assert list(recorder.take(NOW + 100)) == []


def test_no_more_targets_than_there_is_room_for_are_held() -> None:
    recorder = Recorder(10, 50)
    rows = [(f"t{number}", "app", {2: 1}) for number in range(100)]
    recorder.hear(told(*rows, gauges=[(tenant, app, {CPU: 1}) for tenant, app, _ in rows]), NOW, 0.0)
    [(_, points)] = recorder.take(NOW + 100)
    assert len(points) == 50
    assert recorder.refused
    assert recorder.totals(HOST) == {CPU: 50}


def test_windows_are_taken_when_they_are_over() -> None:
    recorder = Recorder(10, 100)
    for second in (NOW, NOW + 9, NOW + 10):
        recorder.add(second, "a/b", {1: 1})
    assert list(recorder.take(NOW + 9)) == []
    assert list(recorder.take(NOW + 10)) == [(NOW, {"a/b": {NOW: {1: 1}, NOW + 9: {1: 1}}})]
    assert recorder.pending("a/b") == {NOW + 10: {1: 1}}


@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=4), max_leaves=9)
)
def test_messages_of_any_form_are_told_or_refused(message: Any) -> None:
    try:
        telling = msgspec.convert(message, Telling)
    except msgspec.ValidationError:
        return
    Recorder(10, 100).hear(telling, NOW, 0.0)


TOLD = st.lists(
    st.tuples(
        st.sampled_from(["agent", "edge.0"]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["x", "y"]),
        st.dictionaries(st.sampled_from([CPU, MEMORY]), st.integers(0, 99), max_size=2),
    ),
    max_size=30,
)


@given(TOLD)
def test_totals_are_always_the_sum_of_what_stands(rows: list[tuple[str, str, str, dict[int, int]]]) -> None:
    recorder, standing = Recorder(10, 100), dict[tuple[str, str, str], dict[int, int]]()
    for source, tenant, app, values in rows:
        recorder.hear(told(gauges=[(tenant, app, values)], source=source), NOW, 0.0)
        standing[source, tenant, app] = values
    for column in (CPU, MEMORY):
        for tenant in ("a", "b"):
            total = sum(values.get(column, 0) for key, values in standing.items() if key[1] == tenant)
            assert recorder.totals(tenant).get(column, 0) == total
        assert recorder.totals(HOST).get(column, 0) == sum(each.get(column, 0) for each in standing.values())
