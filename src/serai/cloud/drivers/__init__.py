"""How an instance is isolated and run: one contract, several drivers, one conformance suite."""

from serai.cloud.drivers.contract import Driver, Exit, Handle, Limits, Mount, Probe, Usage, Workload

__all__ = ["Driver", "Exit", "Handle", "Limits", "Mount", "Probe", "Usage", "Workload"]
