"""What the agent tells of its instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from serai.services.apps.keeper import SHOWN, Keeper, tally
from serai.services.apps.reconcile import Told


def keeper(state: str) -> Keeper:
    unused: Any = None
    made = Keeper(unused, unused, unused, unused, Path())
    made.seen = replace(made.seen, told=Told(state=state, reason=f"it is {state}", restarts=0, connector=""))
    return made


def test_instances_are_counted_and_the_first_that_fail_named() -> None:
    keepers = {("demo", f"shop.1.web.{index}"): keeper("failed") for index in range(SHOWN + 5)}
    told = tally({("demo", "well.1.web.0"): keeper("ready"), **keepers})
    assert (told["instances"], told["ready"], told["failed"]) == (SHOWN + 6, 1, SHOWN + 5)
    assert told["failing"][0] == "demo/shop.1.web.0: it is failed"
    assert len(told["failing"]) == SHOWN


def test_what_the_store_was_not_told_of_yet_counts_as_it_is_seen() -> None:
    new = keeper("starting")
    new.seen = replace(new.seen, told=None)
    assert tally({("demo", "shop.1.web.0"): new}) == {"instances": 1, "waiting": 1}
    new.seen = replace(new.seen, running=True)
    assert tally({("demo", "shop.1.web.0"): new}) == {"instances": 1, "running": 1}
    new.seen = replace(new.seen, good=True)
    assert tally({("demo", "shop.1.web.0"): new}) == {"instances": 1, "ready": 1}
