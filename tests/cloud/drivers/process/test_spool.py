"""The output of a visit that waits to be confirmed, against the plainest way to keep it."""

from hypothesis import given
from hypothesis import strategies as st

from serai.cloud.drivers.process.shim.spool import RUN_COST, Spool

LIMIT = 2000
TAGS = st.sampled_from([b"d", b"e"])


@given(st.lists(st.one_of(st.tuples(TAGS, st.binary(min_size=1, max_size=300)), st.integers(0, 4000)), max_size=60))
def test_what_is_added_is_what_is_read_until_it_is_forgotten(steps):
    spool, model, start = Spool(LIMIT), [], 0
    for step in steps:
        if isinstance(step, int):
            start = max(start, min(step, len(model)))
            spool.forget(step)
        else:
            tag, data = step[0], step[1][: spool.room]
            if data:
                spool.add(tag, data)
                model += [(tag, octet) for octet in data]
        assert (spool.start, spool.end) == (start, len(model))
        assert spool.end - spool.start <= LIMIT
    at, read = spool.start, []
    while (piece := spool.piece(at, 70)) != (b"", b""):
        tag, data = piece
        assert 0 < len(data) <= 70
        read += [(tag, octet) for octet in data]
        at += len(data)
    assert read == model[start:]


def test_changes_between_streams_count_so_that_none_fill_the_memory():
    spool = Spool(LIMIT)
    count = 0
    while spool.room:
        spool.add((b"d", b"e")[count % 2], b"x")
        count += 1
    assert count <= LIMIT // RUN_COST + 1
