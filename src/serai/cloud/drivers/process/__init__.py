"""The process driver: a workload is an ordinary process of this host, locked in by bubblewrap and the kernel.

`command`, `network`, `seccomp` are pure: values in, values out. `cgroups`, `egress`, `records`, `spawn`, `starts` touch
the host. `driver` has the ten verbs. `shim` is the small process that each workload has beside it. What any driver
would need belongs one level up; what services want to run is none of this package's business.
"""

from serai.cloud.drivers.process.driver import ProcessDriver
from serai.cloud.drivers.process.options import Options

__all__ = ["Options", "ProcessDriver"]
