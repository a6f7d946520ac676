"""What every engine must do with rows of tasks, as tests: subclass `TaskConformance` and give it a fixture ``driver``.

``driver`` is an empty engine (`serai.store.driver.Driver`). Time is what each call says, so nothing here waits.
"""

from serai.store.tasks_conformance.bots import BotConformance
from serai.store.tasks_conformance.channels import ChannelConformance
from serai.store.tasks_conformance.flows import FlowConformance
from serai.store.tasks_conformance.life import LifeConformance
from serai.store.tasks_conformance.limits import LimitConformance
from serai.store.tasks_conformance.looks import LookConformance
from serai.store.tasks_conformance.providers import ProviderConformance
from serai.store.tasks_conformance.quotas import QuotaConformance


class TaskConformance(
    LifeConformance,
    ChannelConformance,
    LimitConformance,
    ProviderConformance,
    FlowConformance,
    BotConformance,
    LookConformance,
    QuotaConformance,
):
    """The whole suite."""


__all__ = ["TaskConformance"]
