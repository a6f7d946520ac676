"""Copy me: the smallest service that has every part. It greets, and remembers whom.

Here belongs what a newcomer copies. Here does not belong anything that a tenant would want.
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="skeleton",
    summary="An example to copy: greets who connects",
    modules={"skeleton.whoami": "serai.services.skeleton.module:Whoami"},
    kinds="serai.services.skeleton.descriptors:KINDS",
    tasks={"skeleton.greet": "serai.services.skeleton.tasks:greet"},
)
