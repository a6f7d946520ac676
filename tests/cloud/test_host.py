from serai.cloud.drivers.contract import Probe
from serai.cloud.host import describe, memory_mb, missing


def test_a_host_is_described_by_what_was_tried():
    host = describe([Probe("sandbox", "ok", required=True), Probe("egress", "nft not found")])
    assert host.cores >= 1
    assert host.memory_mb > 0
    assert host.abilities == {"sandbox": "ok", "egress": "nft not found"}


def test_required_abilities_that_lack_are_told():
    lacking = Probe("sandbox", "bwrap not found", required=True)
    assert missing([lacking, Probe("egress", "no"), Probe("other", "ok", required=True)]) == (lacking,)


def test_memory_is_read_in_mebibytes():
    assert memory_mb("MemFree: 5 kB\nMemTotal:       2048 kB\n") == 2
    assert memory_mb("nonsense") == 0
