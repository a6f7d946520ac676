"""Publish/subscribe and calls between the processes of a cell: contract, engines, conformance suite.

Losing a message is always safe: truth is the store's change feed. What must not be lost does not belong here.
"""

from serai.bus.contract import Bus, Handler, Subscription

__all__ = ["Bus", "Handler", "Subscription"]
