"""Numbers over time: what is counted and measured on this host, from seconds to a year, in a bounded space.

Here belong points and how they fold into coarser ones, the rows that they are kept in, and what is rolled up, read and
given up when; engines keep the rows. Here does not belong what the numbers mean: columns are numbers, targets names.
Nothing here is precious: what is lost is missing from a plot.
"""

from serai.store.series.history import History
from serai.store.series.levels import Level, ladder
from serai.store.series.points import GAUGES, Gauge, Point, fold, fold_into

__all__ = ["GAUGES", "Gauge", "History", "Level", "Point", "fold", "fold_into", "ladder"]
