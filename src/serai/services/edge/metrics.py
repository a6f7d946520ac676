"""Figures per app and the latency of all: plain numbers on the way of a request, Prometheus only when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

#: Buckets of latency: powers of two, of which the first is 62.5 microseconds and the last 65.5 seconds.
FIRST = 1 / 16000
BUCKETS = 21


class Counters:
    """What one app's visitors did."""

    __slots__ = ("latency", "received", "seconds", "sent", "statuses", "told")

    def __init__(self) -> None:
        self.told: dict[int, int] = {}  # the same numbers, as they were told last
        self.received = 0
        self.sent = 0
        self.statuses = [0, 0, 0, 0, 0, 0]  # by the status code's first digit
        self.latency = [0] * 64  # longer than any request can last: nothing to compare on the way
        self.seconds = 0.0

    def count(self, status: int, received: int, sent: int, seconds: float) -> None:
        """Add one request."""
        self.received += received
        self.sent += sent
        self.statuses[status // 100] += 1
        self.latency[int(seconds * 16000).bit_length()] += 1
        self.seconds += seconds


class Metrics:
    """Everything the edge counts; a collector of ``prometheus_client``."""

    def __init__(self, gauges: Callable[[], dict[str, float]]) -> None:
        self.apps: dict[tuple[str, str], Counters] = {}
        self._gauges = gauges
        self.nobody = self.app("", "")  # requests that led to no site

    def app(self, tenant: str, name: str) -> Counters:
        """Return the counters of a tenant's app; they live as long as the worker."""
        counters = self.apps.get((tenant, name))
        if counters is None:
            counters = self.apps[tenant, name] = Counters()
        return counters

    def collect(self) -> Iterator[Metric]:
        """Yield the figures in Prometheus' form."""
        requests = CounterMetricFamily("edge_requests", "Requests answered.", labels=["tenant", "app", "status"])
        octets = CounterMetricFamily(
            "edge_octets", "Octets of bodies in, of answers out.", labels=["tenant", "app", "way"]
        )
        for app, counters in self.apps.items():
            for digit, count in enumerate(counters.statuses):
                if count:
                    requests.add_metric([*app, f"{digit}xx"], count)
            octets.add_metric([*app, "in"], counters.received)
            octets.add_metric([*app, "out"], counters.sent)
        yield requests
        yield octets
        yield self._latency()
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"edge_{name}", "At this moment.", value=value)

    def _latency(self) -> Metric:
        everyone = self.apps.values()
        counts = [sum(bucket) for bucket in zip(*(counters.latency for counters in everyone), strict=True)]
        sums = [float(total) for total in accumulate(counts)]
        buckets = [(str(FIRST * 2**at), sums[at]) for at in range(BUCKETS)]
        family = HistogramMetricFamily("edge_latency_seconds", "Time from a request's head to its answer's end.")
        family.add_metric([], [*buckets, ("+Inf", sums[-1])], sum(counters.seconds for counters in everyone))
        return family
