"""What functions report while they run, written down twice a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from serai.errors import SeraiError
from serai.tasks.context import TaskContext
from serai.tasks.crew import Crew
from serai.tasks.herald import Herald
from serai.tasks.ledger import Ledger

_GAP = 0.5  # seconds between writing down what functions report


async def report(crew: Crew, ledger: Ledger, herald: Herald, refused: Callable[[SeraiError], None]) -> None:
    """Write down progress and logs until cancelled; ``refused`` hears what the store refuses, which is tried again."""
    while True:
        await asyncio.sleep(_GAP)
        reporting = [ctx.task for ctx in crew.contexts() if _noted(ctx, ledger)]
        if not ledger.notes or not ledger.bot:
            continue
        try:
            await ledger.report()
        except SeraiError as error:
            refused(error)
        else:
            herald.tell(reporting)


def _noted(ctx: TaskContext, ledger: Ledger) -> bool:
    note = ctx.take_note()
    if note is not None:
        ledger.notes.append(note)
    return note is not None
