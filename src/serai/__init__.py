"""Serai, a hosting platform: web applications, mail, DNS and background work of many tenants.

The layout, and who may import whom, stand in ``docs/design.md``.
"""

import atexit
import gc

__version__ = "0.1.0"

# msgspec (0.18 to 0.22 tried) frees a Struct's field types twice when the interpreter collects both in its last round,
# and the process that did its work well ends with SIGSEGV. What is frozen is not collected.
atexit.register(gc.freeze)
