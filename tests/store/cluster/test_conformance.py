"""The cluster engine keeps the promises of the store."""

from collections.abc import Callable

import pytest

from serai.store.cluster.driver import ClusterDriver
from serai.store.conformance import StoreConformance
from serai.store.driver import Driver
from serai.store.tasks_conformance import TaskConformance


class TestCluster(StoreConformance):
    @pytest.fixture(autouse=True)
    def _database(self, database: Callable[[], str]) -> None:
        self.database = database

    def make(self) -> Driver:
        return ClusterDriver(self.database())

    def again(self, driver: Driver) -> Driver:
        assert isinstance(driver, ClusterDriver)
        return ClusterDriver(driver.address)


class TestClusterTasks(TaskConformance):
    @pytest.fixture
    async def driver(self, database: Callable[[], str]):
        driver = ClusterDriver(database())
        yield driver
        await driver.close()
