"""Prometheus metrics over several processes: each worker collects its own, the supervisor sums on demand.

Nothing is shared while requests are served, so counting costs no more than in one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from prometheus_client.core import CollectorRegistry


class Family(msgspec.Struct):
    """One metric: its samples are (name, labels, value)."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, dict[str, str], float]]


def collect(registry: CollectorRegistry) -> list[Any]:
    """Return the metrics of this process as plain data."""
    return [
        msgspec.to_builtins(
            Family(
                metric.name,
                metric.type,
                metric.documentation,
                [(s.name, dict(s.labels), s.value) for s in metric.samples if not s.name.endswith("_created")],
            )
        )
        for metric in registry.collect()
    ]


def of_modules(statuses: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Return what the modules of this process tell of themselves as metrics: each has some from its first line."""
    workers, well, figures = (
        Family("serai_module_workers", "gauge", "Workers that run a module.", []),
        Family("serai_module_ok", "gauge", "Workers in which a module is well.", []),
        Family(
            "serai_module_figure", "gauge", "What a module counts, as its status names it; summed over workers.", []
        ),
    )
    for module, status in statuses.items():
        workers.samples.append((workers.name, {"module": module}, 1.0))
        well.samples.append((well.name, {"module": module}, float(bool(status.get("ok", True)))))
        figures.samples += [
            (figures.name, {"module": module, "figure": name}, float(value))
            for name, value in status.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
    return [msgspec.to_builtins(family) for family in (workers, well, figures)]


def add(collections: Iterable[list[Any]]) -> list[Family]:
    """Sum what several processes collected: by name and labels, gauges too."""
    families: dict[str, Family] = {}
    sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for collection in collections:
        for family in msgspec.convert(collection, list[Family]):
            families.setdefault(family.name, family)
            table = sums.setdefault(family.name, {})
            for name, labels, value in family.samples:
                key = (name, tuple(sorted(labels.items())))
                table[key] = table.get(key, 0.0) + value
    return [
        Family(name, family.kind, family.help, [(s, dict(labels), value) for (s, labels), value in sums[name].items()])
        for name, family in sorted(families.items())
    ]


def text(families: Iterable[Family]) -> str:
    """Write metrics in Prometheus' text format, version 0.0.4."""
    lines = []
    for family in families:
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines.append(f"# HELP {name} {_escape(family.help)}")
        lines.append(f"# TYPE {name} {family.kind if family.kind != 'unknown' else 'untyped'}")
        for sample, labels, value in family.samples:
            inner = ",".join(f'{key}="{_quote(each)}"' for key, each in labels.items())
            lines.append(f"{sample}{{{inner}}} {value!r}" if inner else f"{sample} {value!r}")
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _quote(value: str) -> str:
    return _escape(value).replace('"', '\\"')
