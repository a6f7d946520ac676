"""How an instance is isolated and run: one contract, several drivers, one conformance suite."""

from serai.cloud.drivers.contract import (
    Driver,
    Enterable,
    Entry,
    Exit,
    Handle,
    Limits,
    Mount,
    Probe,
    Usage,
    Visit,
    Workload,
)

__all__ = [
    "Driver",
    "Enterable",
    "Entry",
    "Exit",
    "Handle",
    "Limits",
    "Mount",
    "Probe",
    "Usage",
    "Visit",
    "Workload",
]
