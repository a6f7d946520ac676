"""The replica: what readers see, and when."""

import asyncio
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from serai.errors import ConflictError, InternalError, UnavailableError
from serai.store import Change, Replica
from serai.store.conformance import Lamp, NewLamp, OldLamp
from serai.store.driver import Row
from serai.store.replica_file import Position


def put(number: int, name: str, spec: object, *, tenant: str = "ada", kind: str = "lamp", schema: int = 1) -> Change:
    return Change(number, kind, tenant, name, 1, schema, msgspec.msgpack.encode(spec), number * 7)


@pytest.fixture
def replica(tmp_path: Path):
    replica = Replica(tmp_path / "replica", writable=True)
    yield replica
    replica.close()


def test_a_new_replica_is_at_change_zero_and_empty(replica: Replica) -> None:
    assert replica.position() == Position()
    assert replica.change() == 0
    assert replica.get(Lamp, "ada", "desk") is None
    assert list(replica.find(Lamp)) == []


def test_applied_changes_are_read_typed_with_their_version(replica: Replica) -> None:
    assert replica.apply([put(1, "desk", Lamp(watts=3)), put(2, "hall", {"watts": 9, "colour": "red", "new": 1})]) == 2
    record = replica.get(Lamp, "ada", "hall")
    assert record is not None
    assert (record.spec, record.version, record.change) == (Lamp(watts=9, colour="red"), 1, 2)
    assert record.raw == {"watts": 9, "colour": "red", "new": 1}
    assert replica.position() == Position(2, 14, "")


def test_older_schemas_are_upgraded_and_newer_ones_read(replica: Replica) -> None:
    replica.apply([put(1, "old", OldLamp(watts=2), kind="evolving")])
    replica.apply([put(2, "new", NewLamp(watts=2, lumen=5), kind="evolving", schema=2)])
    assert [r.spec for r in replica.find(NewLamp)] == [NewLamp(watts=2, lumen=5), NewLamp(watts=2, lumen=160)]
    assert [r.spec for r in replica.find(OldLamp)] == [OldLamp(watts=2), OldLamp(watts=2)]


def test_a_gap_is_refused_and_what_it_has_is_skipped(replica: Replica) -> None:
    replica.apply([put(1, "desk", Lamp(watts=1))])
    with pytest.raises(ConflictError):
        replica.apply([put(2, "desk", Lamp(watts=2)), put(4, "desk", Lamp(watts=4))])
    assert replica.change() == 1
    assert replica.apply([put(1, "desk", Lamp(watts=7)), put(2, "desk", Lamp(watts=2))]) == 2
    assert replica.get(Lamp, "ada", "desk").spec.watts == 2  # type: ignore[union-attr]


def test_a_delete_removes_and_of_nothing_is_fine(replica: Replica) -> None:
    gone = Change(2, "lamp", "ada", "desk", 2, 1, None)
    replica.apply([put(1, "desk", Lamp()), gone, msgspec.structs.replace(gone, number=3)])
    assert replica.get(Lamp, "ada", "desk") is None
    assert replica.change() == 3


def test_finding_walks_in_order_over_chunks(replica: Replica) -> None:
    names = sorted(f"{n}.{n % 7}" for n in range(1200))
    changes = [
        put(n + 1, name, Lamp(), tenant=t) for n, (t, name) in enumerate((t, x) for t in ("b", "a") for x in names)
    ]
    replica.apply(
        [*changes, put(len(changes) + 1, "z", Lamp(), tenant="a-b"), put(len(changes) + 2, "z", Lamp(), tenant="")]
    )
    found = [(r.tenant, r.name) for r in replica.find(Lamp)]
    assert found == [("", "z"), *(("a", n) for n in names), ("a-b", "z"), *(("b", n) for n in names)]
    assert [r.name for r in replica.find(Lamp, "a")] == names
    assert [r.name for r in replica.find(Lamp, "a", "11")] == [n for n in names if n.startswith("11")]
    assert [r.tenant for r in replica.find(Lamp, None, "119")] == ["a"] * 11 + ["b"] * 11
    assert list(replica.find(Lamp, "a\0b")) == []


@pytest.mark.parametrize("name", ["\0", "desk\0", "\ud800", "x" * 600, "../../etc/passwd", "💡" * 100, ""])
def test_what_no_descriptor_is_called_is_not_found(replica: Replica, name: str) -> None:
    replica.apply([put(1, "desk", Lamp())])
    assert replica.get(Lamp, "ada", name) is None
    assert replica.get(Lamp, name, "desk") is None


def test_a_key_can_not_be_forged_with_nul(replica: Replica) -> None:
    replica.apply([put(1, "b", Lamp(), tenant="a")])
    assert replica.get(Lamp, "", "a\0b") is None


def test_a_snapshot_replaces_all_and_may_be_newer_than_its_number(replica: Replica) -> None:
    replica.apply([put(1, "gone", Lamp())])
    spec = msgspec.msgpack.encode(Lamp(watts=9))
    rows = [Row("lamp", "ada", "desk", 2, 12, 1, spec), Row("lamp", "ada", "old", 1, 3, 1, spec)]
    feed = [
        put(11, "desk", Lamp(watts=1)),
        put(12, "desk", Lamp(watts=9)),
        Change(13, "lamp", "ada", "old", 2, 1, None, 5),
    ]
    assert replica.snapshot("store-1", iter(rows), (10, 77), iter(feed)) == 13
    assert [(r.name, r.spec.watts, r.change) for r in replica.find(Lamp)] == [("desk", 9, 12)]
    assert replica.position() == Position(13, 5, "store-1")


def test_a_snapshot_that_breaks_off_changes_nothing(replica: Replica) -> None:
    replica.apply([put(1, "desk", Lamp())])

    def rows():
        yield Row("lamp", "ada", "new", 1, 2, 1, b"\x80")
        raise UnavailableError("the store went away")

    with pytest.raises(UnavailableError):
        replica.snapshot("store-1", rows(), (2, 2))
    assert [r.name for r in replica.find(Lamp)] == ["desk"]


def test_an_unreadable_descriptor_is_our_error_not_a_crash_of_lmdb(replica: Replica) -> None:
    replica.apply([put(1, "desk", {"watts": "many"})])
    with pytest.raises(InternalError):
        replica.get(Lamp, "ada", "desk")
    assert replica.change() == 1


def test_before_its_writer_there_is_nothing_to_read_and_then_there_is(tmp_path: Path) -> None:
    reader = Replica(tmp_path / "replica")
    with pytest.raises(UnavailableError):
        reader.get(Lamp, "ada", "desk")
    writer = Replica(tmp_path / "replica", writable=True)
    writer.apply([put(1, "desk", Lamp())])
    assert reader.get(Lamp, "ada", "desk") is not None
    writer.close()
    assert reader.get(Lamp, "ada", "desk") is not None
    reader.close()


def test_a_reader_that_was_first_shares_with_the_writer_of_its_process(tmp_path: Path) -> None:
    folder = tmp_path / "replica"
    Replica(folder, writable=True).apply([put(1, "desk", Lamp())])
    reader, writer = Replica(folder), Replica(folder, writable=True)
    assert reader.change() == 1
    writer.apply([put(2, "hall", Lamp())])
    assert (reader.change(), reader.get(Lamp, "ada", "hall") is None) == (2, False)


def test_a_damaged_copy_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"not a database" * 1000)
    writer = Replica(folder, writable=True)
    assert writer.change() == 0
    writer.apply([put(1, "desk", Lamp())])
    writer.close()


def test_its_group_reads_the_data_and_writes_the_locks(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        replica = Replica(tmp_path / "replica", writable=True)
        replica.apply([put(1, "desk", Lamp())])
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((replica.folder / name).stat().st_mode) for name in (".", "data.mdb", "lock.mdb")]
    assert modes == [0o750, 0o640, 0o660]
    replica.close()


READER = """
import sys
from pathlib import Path
from serai.store import Replica
from serai.store.conformance import Lamp
replica = Replica(Path(sys.argv[1]))
for line in sys.stdin:
    found = replica.get(Lamp, "ada", line.strip())
    print(replica.change(), found and found.spec.watts, flush=True)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that other users can reach, as they can't reach pytest's own."""
    with tempfile.TemporaryDirectory(prefix="serai-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_user_of_the_group_reads_while_it_changes(reachable: Path) -> None:
    (reachable / "data").mkdir()
    os.chown(reachable / "data", 70001, 70001)
    replica = Replica(reachable / "data" / "replica", writable=True)
    replica.apply([put(1, "desk", Lamp(watts=1))])
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(replica.folder)],
        user=70002, group=70001, extra_groups=[], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as reader:  # fmt: skip

        def ask(name: str) -> str:
            reader.stdin.write(name + "\n")  # type: ignore[union-attr]
            reader.stdin.flush()  # type: ignore[union-attr]
            return reader.stdout.readline().strip()  # type: ignore[union-attr]

        assert ask("desk") == "1 1"
        replica.apply([put(2, "desk", Lamp(watts=2))])
        assert ask("desk") == "2 2"
        row = Row("lamp", "ada", "hall", 1, 5, 1, msgspec.msgpack.encode(Lamp(watts=5)))
        replica.snapshot("s", [row], (5, 5))
        assert ask("hall") == "5 5"
        assert ask("desk") == "5 None"
        reader.stdin.close()  # type: ignore[union-attr]
    replica.close()


async def test_readers_that_died_do_not_hold_old_pages(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "replica", writable=True)
    replica.apply([put(1, "desk", Lamp())])
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom serai.store import Replica\n"
        "r = Replica(Path(sys.argv[1])); r.change(); f = r._file\n"
        "t = f.env.begin(f.records); os.kill(os.getpid(), 9)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(replica.folder))
    await process.wait()
    for number in range(2, 200):
        replica.apply([put(number, "desk", Lamp(watts=number))])
    assert (replica.folder / "data.mdb").stat().st_size < 200_000
    replica.close()
