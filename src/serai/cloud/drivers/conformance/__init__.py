"""The suite that every driver passes: what the contract promises, tried on a running driver.

A driver's tests make a `Bench` and run every case of `CASES` with it::

    @pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.__name__)
    async def test_it_keeps_the_contract(case, bench):
        await case(bench)

The programs of the cases are shell and Python as the sandbox has them. Here belong promises of the contract, by topic;
here does not belong what one driver alone can do.
"""

from serai.cloud.drivers.conformance import bounds, doors, life, programs, visits
from serai.cloud.drivers.conformance.bench import Bench, Case

__all__ = ["CASES", "ENTERABLE", "Bench", "Case"]

CASES: tuple[Case, ...] = (*programs.CASES, *bounds.CASES, *life.CASES, *doors.CASES)
#: For drivers that are `Enterable`.
ENTERABLE: tuple[Case, ...] = visits.CASES
