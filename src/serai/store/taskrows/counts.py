"""How many tasks of applications wait: counted as they come and go, so that who inserts more need not look at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from serai.errors import ExhaustedError
from serai.store.contract import Allowance, NewTask
from serai.store.taskrows.shelf import Shelf


class Counts:
    """What one piece of work changes about them; written at its end."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._changed: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._stored: dict[Allowance, int] = {}

    def add(self, tenant: str, app: str, by: int) -> None:
        """Count tasks of an app that begin to wait, or with a negative number no longer do."""
        self._changed[tenant, app] += by

    def demand(self, new: NewTask, allowances: Sequence[Allowance]) -> None:
        """Raise `ExhaustedError` where a task, with those that wait, would be more than may."""
        for one in allowances:
            if new.tenant != one.tenant or not new.app or one.app not in {"", new.app}:
                continue
            if one not in self._stored:
                self._stored[one] = self._shelf.waiting(one.tenant, one.app)
            waiting = self._stored[one] + sum(
                count for (tenant, app), count in self._changed.items() if tenant == one.tenant and one.app in {"", app}
            )
            if waiting >= one.most:
                raise exhausted(one, self._stored[one], waiting + 1)

    def write(self) -> None:
        """Write what changed."""
        changed = [(*key, by) for key, by in self._changed.items() if by]
        if changed:
            self._shelf.count(changed)
        self._changed.clear()
        self._stored.clear()


def exhausted(allowance: Allowance, waiting: int, needed: int) -> ExhaustedError:
    """Say that no more may wait."""
    whose = f"{allowance.app} has" if allowance.app else f"All applications of {allowance.tenant} have"
    said = f"{whose} {waiting} tasks that wait, and may have {allowance.most}."
    return ExhaustedError(said, quota="tasks", needed=needed, allowed=allowance.most)
