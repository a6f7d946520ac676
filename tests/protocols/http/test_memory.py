"""What is remembered, and that it stays bounded."""

from __future__ import annotations

from serai.protocols.http.memory import MAX_KNOWN, MAX_OCTETS, MAX_SEEN, Memory


def test_what_comes_twice_is_remembered_and_what_comes_once_is_not() -> None:
    parsed: list[bytes] = []
    memory = Memory(lambda octets: parsed.append(octets) or octets.decode())
    assert memory[b"a"] == "a"
    assert memory == {}
    assert memory[b"a"] == "a"
    assert memory == {b"a": "a"}
    assert memory[b"a"] == "a"
    assert parsed == [b"a", b"a"]


def test_the_memory_is_bounded_in_number_and_size() -> None:
    memory = Memory(bytes.decode)
    for number in range(2 * MAX_SEEN):
        for _ in range(2):
            assert memory[b"%d" % number] == str(number)
    assert 0 < len(memory) <= MAX_KNOWN
    for _ in range(3):
        assert memory[b"x" * (MAX_OCTETS + 1)]
    assert b"x" * (MAX_OCTETS + 1) not in memory
