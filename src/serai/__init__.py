"""Serai, a hosting platform: web applications, mail, DNS and background work of many tenants.

The layout, and who may import whom, stand in ``docs/design.md``.
"""

__version__ = "0.1.0"
