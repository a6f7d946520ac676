"""The first moments of a host: who is ready serves, and who refuses lets nobody go on."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

from serai.daemon import linux
from serai.daemon.room import has_none
from serai.errors import ExhaustedError, SeraiError


class Starting(threading.Thread):
    """Bring a host up whose second group is not ready before ``gate`` is opened."""

    def __init__(self, host: Any, gate: Path, more: str = "") -> None:
        super().__init__()
        self.host = host
        self.gate = gate
        self.error: SeraiError | None = None
        slow = f'[groups.slow]\nmodules = ["echo.http@slow"]\n[modules."echo.http@slow"]\ngate = "{gate}"\n{more}'
        host.configure(more=f'{slow}listen = ["tcp://127.0.0.1:{free_port()}"]\n')

    def run(self) -> None:
        try:
            self.host.up()
        except SeraiError as error:
            self.error = error

    def serves(self) -> bool:
        """Tell whether the first group answers."""
        with suppress(OSError):
            return str(self.host.get()).startswith("v1")
        return False


@pytest.fixture
def gate(room: Path) -> Path:
    return room / "gate"


def test_a_module_that_is_ready_does_not_wait_for_others_while_the_host_starts(host: Any, gate: Path) -> None:
    starting = Starting(host, gate)
    starting.start()
    try:
        host.until(starting.serves)
        assert starting.is_alive()  # `serai up` says so when all of them serve
        assert host.pids() == []  # and until then nobody relies on any
    finally:
        gate.touch()
        starting.join()
    assert starting.error is None
    assert len(host.pids()) == 4
    assert starting.serves()


def test_a_refusal_ends_those_who_served_already(host: Any, gate: Path) -> None:
    starting = Starting(host, gate, "refuse = true\n")
    starting.start()
    try:
        host.until(starting.serves)
        worker = int(host.get().split()[1])
    finally:
        gate.touch()
        starting.join()
    assert starting.error is not None
    assert "I refuse" in starting.error.public
    host.until(lambda: not linux.start_ticks(worker))
    assert not starting.serves()


def test_a_disk_that_is_full_is_told_in_a_sentence(host: Any) -> None:
    host.configure(more="full = true\n")
    with pytest.raises(ExhaustedError, match=f"There is no room left on the disk of {host.folder}: free some"):
        host.up()


def test_little_is_told_from_none(room: Path) -> None:
    assert not has_none(room)
    assert not has_none(room / "nowhere")
