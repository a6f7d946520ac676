"""Forking a worker: what a child keeps, whose user it becomes, and that it never returns."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection

from serai.daemon import linux
from serai.daemon.settings import Privilege

#: Exit statuses of a worker (sysexits.h): EX_SOFTWARE after a bug, EX_CONFIG after a module's refusal.
BUG, REFUSED = 70, 78
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)


def fork(
    main: Callable[[], int],
    *,
    keep: Collection[int],
    user: tuple[int, int] | None,
    privilege: Privilege,
) -> int:
    """Run ``main`` in a child and return its process ID; the child exits with what ``main`` returns.

    The child keeps the standard streams and the descriptors ``keep``; it becomes ``user`` (uid, gid), without
    supplementary groups, where that is given. Call it with no other thread running.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # Objects that live now are shared with the child: keep the collector from writing into their pages.
    gc.collect()
    gc.freeze()
    # A signal that arrives between fork and the reset of handlers must not reach the parent's wake-up socket.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return pid
    status = BUG
    try:
        _become_child(keep, user, privilege)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked - set(_HANDLED))
        status = main()
    except BaseException:  # noqa: BLE001 - nothing may unwind into the parent's frames below us
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(status)


def _become_child(keep: Collection[int], user: tuple[int, int] | None, privilege: Privilege) -> None:
    signal.set_wakeup_fd(-1)
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    # ^C reaches the whole foreground group: the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    close_all_but(keep)
    if user is not None:
        uid, gid = user
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if privilege != "agent":  # the agent starts helpers that may need their set-user-ID bit
        linux.no_new_privileges()
    os.umask(0o027)


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor above the standard streams that is not in ``keep``.

    Python objects that own closed ones live on in the frames below and are never finalised: the child ends by _exit.
    """
    last = 2
    for fd in sorted(keep):
        if fd > last:
            os.closerange(last + 1, fd)
            last = fd
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))
