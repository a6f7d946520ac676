"""The rows of tasks in SQLite: plain functions over a cursor within an open transaction (`serai.store.tasks.TaskRows`).

Here belong statements and what keeps them flat in the number of waiting tasks. Here does not belong when a bot is
dead or a run is repeated: that is in `serai.tasks`.
"""

from serai.store.embedded.tasks.control import cancel, forget, mark, marks, pause, resume, retry
from serai.store.embedded.tasks.insert import insert
from serai.store.embedded.tasks.look import bots, find, get, log, pauses, story
from serai.store.embedded.tasks.run import beat, bury, enlist, exchange, note

__all__ = [
    "beat",
    "bots",
    "bury",
    "cancel",
    "enlist",
    "exchange",
    "find",
    "forget",
    "get",
    "insert",
    "log",
    "mark",
    "marks",
    "note",
    "pause",
    "pauses",
    "resume",
    "retry",
    "story",
]
