"""The task manager: durable units of work, the bots that run them, their story.

A task's function is a plain typed function registered by name; what it does belongs to the service that brings it.
Here belong registering, running, scheduling and asking about tasks; how their rows are kept belongs to the store.
"""

from serai.store.tasks import Filter, Task
from serai.tasks.context import CanceledError, TaskContext
from serai.tasks.flow import chain, group
from serai.tasks.function import Registry, TaskFunction, task
from serai.tasks.manager import Tasks

__all__ = [
    "CanceledError",
    "Filter",
    "Registry",
    "Task",
    "TaskContext",
    "TaskFunction",
    "Tasks",
    "chain",
    "group",
    "task",
]
