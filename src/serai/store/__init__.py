"""Everything that must last: records with their history and change feed, tasks, blobs, and the replica.

Here belong the portable types (`Store`, `Replica`), the driver contract and its conformance suite, and the engines.
Here does not belong what a record means: that is its service's.
"""

from serai.store.contract import Change, Delete, NewTask, Operation, Put, Record, Revision, Spec, Transaction
from serai.store.replica import Replica
from serai.store.store import Store

__all__ = [
    "Change",
    "Delete",
    "NewTask",
    "Operation",
    "Put",
    "Record",
    "Replica",
    "Revision",
    "Spec",
    "Store",
    "Transaction",
]
