"""Everything that must last: records with their history and change feed, tasks, blobs, and the replica.

Here belong the portable types (`Store`, `Blobs`, `Replica`), the driver contract and its conformance suite, and the
engines. Here does not belong what a record means: that is its service's.
"""

from serai.store.blobs import Blob, Blobs
from serai.store.contract import (
    Change,
    Committed,
    Delete,
    NewTask,
    Operation,
    Put,
    RawSpec,
    Record,
    Revision,
    Spec,
    Transaction,
)
from serai.store.kinds import Kinds
from serai.store.replica import Replica
from serai.store.store import Store

__all__ = [
    "Blob",
    "Blobs",
    "Change",
    "Committed",
    "Delete",
    "Kinds",
    "NewTask",
    "Operation",
    "Put",
    "RawSpec",
    "Record",
    "Replica",
    "Revision",
    "Spec",
    "Store",
    "Transaction",
]
