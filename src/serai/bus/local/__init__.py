"""The bus of one host: a server on a Unix socket, and its clients.

Here belong its wire format, its router, and the two ends. Only `serai.bus.open` imports from here.
"""

from serai.bus.local.client import LocalBus
from serai.bus.local.server import LocalBusServer

__all__ = ["LocalBus", "LocalBusServer"]
