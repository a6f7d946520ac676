"""Rows of points as octets: by column, differences of gauges instead of values, compressed where that is shorter.

A row is one octet (0 plain, 1 as zlib deflates it) and MessagePack: the points' places in the row, the sums by column,
the gauges by column: one list of values where each was measured once, or else lists of counts, sums, least, greatest.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping
from itertools import accumulate

import msgspec

from serai.store.series.points import Gauge, Point, gauge

PLAIN, DEFLATED = b"\x00", b"\x01"
MAX_ROW = 1 << 20  # octets of a row that is read, deflated or not
_PARTS = 4  # of a gauge that was measured more than once
_WORTH = 96  # octets below which compressing gains nothing


class _Row(msgspec.Struct, array_like=True):
    places: list[int]
    sums: dict[int, list[int]]
    gauges: dict[int, list[list[int]]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Row)


def encode(points: Mapping[int, Point], start: int, step: int) -> bytes:
    """Return the points (by time, none before ``start``) as a row that begins there."""
    ordered = sorted(points.items())
    columns = sorted({column for _, point in ordered for column in point})
    row = _Row([(when - start) // step for when, _ in ordered], {}, {})
    for column in columns:
        values = [point.get(column) for _, point in ordered]
        if any(isinstance(value, tuple) for value in values):
            row.gauges[column] = _gauges([value if isinstance(value, tuple) else None for value in values])
        else:
            row.sums[column] = [value if isinstance(value, int) else 0 for value in values]
    plain = _encoder.encode(row)
    if len(plain) > _WORTH:
        deflated = zlib.compress(plain, 6)
        if len(deflated) < len(plain):
            return DEFLATED + deflated
    return PLAIN + plain


def decode(data: bytes, start: int, step: int, columns: Container[int] | None = None) -> dict[int, Point]:
    """Return the points of a row by time, of all columns or of some.

    {} for octets that are none: a damaged row is a gap in a plot.
    """
    try:
        row = _decoder.decode(_plain(data))
    except (msgspec.MsgspecError, zlib.error, ValueError):
        return {}
    points: list[Point] = [{} for _ in row.places]
    for column, sums in row.sums.items():
        if columns is not None and column not in columns:
            continue
        for point, value in zip(points, sums, strict=False):
            if value:
                point[column] = value
    for column, parts in row.gauges.items():
        if columns is not None and column not in columns:
            continue
        for point, measured in zip(points, _measured(parts), strict=False):
            if measured[0]:
                point[column] = measured
    return {start + place * step: point for place, point in zip(row.places, points, strict=True)}


def _plain(data: bytes) -> bytes:
    if data[:1] == PLAIN:
        return data[1:]
    if data[:1] != DEFLATED:
        raise ValueError("no row")
    inflater = zlib.decompressobj()
    plain = inflater.decompress(data[1:], MAX_ROW)
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("a row that is too long, or cut off")
    return plain


def _gauges(values: list[Gauge | None]) -> list[list[int]]:
    there = [value or (0, 0, 0, 0) for value in values]
    if all(value is not None and value == gauge(value[1]) for value in values):
        return [_differences([value[1] for value in there])]
    return [[value[0] for value in there], *(_differences([value[part] for value in there]) for part in (1, 2, 3))]


def _measured(parts: list[list[int]]) -> list[Gauge]:
    if len(parts) == 1:
        return [gauge(value) for value in accumulate(parts[0])]
    if len(parts) != _PARTS:
        return []
    count, total, least, greatest = parts
    return list(zip(count, accumulate(total), accumulate(least), accumulate(greatest), strict=False))


def _differences(values: list[int]) -> list[int]:
    before = 0
    found = []
    for value in values:
        found.append(value - before)
        before = value
    return found
