import errno
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.cloud.drivers.process import seccomp
from serai.cloud.drivers.process.syscalls import AUDIT_ARCH, NEWEST, REFUSED, SPECIAL
from serai.errors import UnsupportedError

MACHINES = sorted(AUDIT_ARCH)
DENIED = seccomp.ERROR | errno.EPERM
MISSING = seccomp.ERROR | errno.ENOSYS


def run(machine, number, *arguments, arch=None):
    """Interpret the filter as the kernel does."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, AUDIT_ARCH[machine] if arch is None else arch, 0, *padded)
    code = seccomp.instructions(machine)
    at, word = 0, 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        if operation == seccomp.RETURN:
            return k
        if operation == seccomp.LOAD:
            (word,) = struct.unpack_from("=I", data, k)
        elif operation == seccomp.AND:
            word &= k
        else:
            holds = {seccomp.EQUAL: word == k, seccomp.GREATER: word > k, seccomp.ANY_SET: bool(word & k)}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_every_refused_call_is_refused_with_any_argument(machine):
    for number in REFUSED[machine].values():
        assert run(machine, number, 1, 2, 3) == DENIED


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_a_foreign_machine_kill(machine):
    assert run(machine, 1, arch=0x40000003) == seccomp.KILL


@settings(deadline=None)
@given(st.sampled_from(MACHINES), st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_a_call_is_allowed_unless_a_table_says_otherwise(machine, number, arguments):
    verdict = run(machine, number, *arguments)
    if number > NEWEST:
        assert verdict == MISSING
    elif number in REFUSED[machine].values():
        assert verdict == DENIED
    elif number not in SPECIAL[machine].values():
        assert verdict == seccomp.ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_forks_are_allowed_and_namespaces_are_not(machine):
    clone = SPECIAL[machine]["clone"]
    assert run(machine, clone, 0x3D0F00) == seccomp.ALLOW
    assert run(machine, clone, 17) == seccomp.ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert run(machine, clone, flag | 17) == DENIED
    assert run(machine, SPECIAL[machine]["clone3"]) == MISSING


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("family", "kind", "protocol", "allowed"),
    [
        (1, 1, 0, True),
        (2, 1 | 0o2004000, 6, True),
        (2, 2, 17, True),
        (10, 5, 0, True),
        (16, 3 | 0o2000000, 0, True),
        (16, 3, 9, False),
        (2, 3, 1, False),
        (10, 3, 58, False),
        (2, 10, 0, False),
        (17, 2, 0, False),
        (38, 5, 0, False),
        (40, 1, 0, False),
    ],
)
def test_sockets_are_ordinary_ones(machine, family, kind, protocol, allowed):
    verdict = run(machine, SPECIAL[machine]["socket"], family, kind, protocol)
    assert (verdict == seccomp.ALLOW) is allowed


@pytest.mark.parametrize("machine", MACHINES)
def test_nobody_types_into_a_terminal(machine):
    ioctl = SPECIAL[machine]["ioctl"]
    assert run(machine, ioctl, 0, 0x5412) == DENIED
    assert run(machine, ioctl, 0, 0x1_0000_5412) == DENIED
    assert run(machine, ioctl, 0, 0x5401) == seccomp.ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_only_usual_personalities_are_taken(machine):
    call = SPECIAL[machine]["personality"]
    assert run(machine, call, 0xFFFFFFFF) == seccomp.ALLOW
    assert run(machine, call, 0x40000) == DENIED


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_the_instructions_as_the_kernel_reads_them(machine):
    assert list(struct.iter_unpack("=HBBI", seccomp.program(machine))) == seccomp.instructions(machine)


def test_another_machine_is_unsupported():
    with pytest.raises(UnsupportedError):
        seccomp.program("vax")
