"""The edge tells what was added, once, and of those alone who were visited."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from serai.daemon import figures as f
from serai.services.edge.metrics import Metrics
from serai.services.edge.telling import Telling


def test_what_was_added_is_told_once() -> None:
    metrics = Metrics(dict)
    edge: Any = SimpleNamespace(metrics=metrics, ctx=SimpleNamespace(group="edge", worker=0))
    telling = Telling(edge)
    shop, blog = metrics.app("acme", "shop"), metrics.app("acme", "blog")
    assert list(telling.fresh()) == []
    shop.count(200, 10, 100, 0.001)
    shop.count(503, 0, 50, 0.001)
    told = {f.REQUESTS + 2: 1, f.REQUESTS + 5: 1, f.BUCKETS + 5: 2, f.RECEIVED: 10, f.SENT: 150, f.LATENCY: 2000}
    assert list(telling.fresh()) == [("acme", "shop", told)]
    assert list(telling.fresh()) == []
    blog.count(0, 0, 0, 0.0)
    shop.count(200, 0, 5, 0.001)
    assert list(telling.fresh()) == [
        ("acme", "shop", {f.REQUESTS + 2: 1, f.BUCKETS + 5: 1, f.SENT: 5, f.LATENCY: 1000}),
        ("acme", "blog", {f.REQUESTS: 1, f.BUCKETS: 1}),
    ]
