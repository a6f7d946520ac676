import pytest

from serai.cloud.drivers import conformance


@pytest.mark.timeout(40)
@pytest.mark.parametrize("case", [*conformance.CASES, *conformance.ENTERABLE], ids=lambda case: case.__name__)
async def test_the_driver_keeps_the_contract(case, bench):
    await case(bench)


async def test_the_required_abilities_are_there(bench):
    probes = await bench.driver.probe()
    assert [probe for probe in probes if probe.required and probe.result != "ok"] == []
    assert {probe.ability for probe in probes} >= {"sandbox", "limits", "landlock", "users", "egress"}
