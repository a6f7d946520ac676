"""The rows of tasks in memory: the same promises as any engine (`serai.store.tasks.TaskRows`), by plain scans."""

from serai.store.memory.tasks.control import cancel, forget, mark, marks, pause, resume, retry
from serai.store.memory.tasks.insert import insert
from serai.store.memory.tasks.look import bots, find, get, log, pauses, story
from serai.store.memory.tasks.run import beat, bury, enlist, exchange, note

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
