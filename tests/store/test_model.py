"""Both engines and the replica against a model of a few dictionaries, with transactions that hypothesis invents."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serai.errors import ConflictError, NotFoundError
from serai.store import Delete, Operation, Put, Replica
from serai.store.conformance import Lamp
from serai.store.fill import Filler
from serai.store.open import open_store

TENANTS, NAMES = st.sampled_from(["", "a", "a-b"]), st.sampled_from(["x", "x.y", "x-y"])
EXPECT = st.none() | st.integers(0, 4)
OPERATIONS = st.lists(
    st.builds(Put, TENANTS, NAMES, st.builds(Lamp, watts=st.integers(0, 3)), EXPECT)
    | st.builds(Delete, st.just("lamp"), TENANTS, NAMES, EXPECT),
    min_size=1,
    max_size=4,
)

Key = tuple[str, str]


class Model:
    """What a store is: live specs, the version of each key, and the number of changes."""

    def __init__(self) -> None:
        self.live: dict[Key, Lamp] = {}
        self.versions: dict[Key, int] = {}
        self.changes = 0

    def apply(self, operations: list[Operation]) -> str | list[int]:
        live, versions, changes = dict(self.live), dict(self.versions), self.changes
        numbers = []
        for operation in operations:
            key = (operation.tenant, operation.name)
            at = versions[key] if key in live else 0
            if isinstance(operation, Delete) and not at:
                return "not_found"
            if operation.expect not in {None, at}:
                return "conflict"
            versions[key] = versions.get(key, 0) + 1
            changes += 1
            numbers.append(changes)
            if isinstance(operation, Put):
                live[key] = operation.spec
            else:
                del live[key]
        self.live, self.versions, self.changes = live, versions, changes
        return numbers


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.run = asyncio.Runner().run
        self.folder = Path(tempfile.mkdtemp())
        self.model = Model()
        self.stores = [open_store("memory:"), open_store(self.folder / "store.db")]
        self.replica = Replica(self.folder / "replica", writable=True)

    @rule(operations=OPERATIONS)
    def commit(self, operations: list[Operation]) -> None:
        wanted = self.model.apply(operations)
        for store in self.stores:
            try:
                found = self.run(store.change("user:ada", "try", operations))
            except (ConflictError, NotFoundError) as error:
                found = error.code
            assert found == wanted

    @rule()
    def reopen(self) -> None:
        self.run(self.stores[1].close())
        self.stores[1] = open_store(self.folder / "store.db", create=False)

    @rule()
    def pull(self) -> None:
        async def once() -> int:
            filler = Filler(self.stores[1], self.replica, page=2)
            try:
                return await filler.pull()
            finally:
                await filler.close()

        assert self.run(once()) == self.model.changes
        assert {(r.tenant, r.name): r.spec for r in self.replica.find(Lamp)} == self.model.live

    @invariant()
    def stores_are_as_the_model_says(self) -> None:
        for store in self.stores:
            records = self.run(store.find(Lamp))
            assert [(r.tenant, r.name) for r in records] == sorted(self.model.live)
            assert {(r.tenant, r.name): r.spec for r in records} == self.model.live
            assert {(r.tenant, r.name): r.version for r in records} == {
                k: self.model.versions[k] for k in self.model.live
            }
            feed = self.run(store.changes(0))
            assert [change.number for change in feed] == list(range(1, self.model.changes + 1))

    def teardown(self) -> None:
        for store in self.stores:
            self.run(store.close())
        self.replica.close()
        shutil.rmtree(self.folder)


TestStores = StoreMachine.TestCase
TestStores.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
