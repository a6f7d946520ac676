"""What an engine does with what holds tasks back, and with schedules; part of `serai.store.tasks.TaskRows`."""

from __future__ import annotations

from typing import Protocol, TypeVar

from serai.store.contract import Holding
from serai.store.tasks_holds import Limit, Pause, Provider, Rule, Scope

Tx_contra = TypeVar("Tx_contra", contravariant=True)


class Steering(Protocol[Tx_contra]):
    """Pauses, limits, providers, marks: each within the open transaction that it is given."""

    def hold(self, tx: Tx_contra, what: Holding, *, who: str, why: str) -> None:
        """Do what one of the next ones does, as an operation of a transaction says it."""
        ...

    def pause(self, tx: Tx_contra, channel: str, *, who: str, why: str, now: float) -> None:
        """Start nothing more of a channel; what runs goes on."""
        ...

    def resume(self, tx: Tx_contra, channel: str, *, now: float) -> bool:
        """End a pause; return whether there was one."""
        ...

    def pauses(self, tx: Tx_contra) -> list[Pause]:
        """Return the paused channels, by name."""
        ...

    def limit(self, tx: Tx_contra, scope: Scope, name: str, rule: Rule, *, who: str, why: str, now: float) -> None:
        """Set what is allowed at most in a scope; an empty rule ends it. `InvalidError` for one that means nothing."""
        ...

    def limits(self, tx: Tx_contra) -> list[Limit]:
        """Return the limits in force, by scope and name."""
        ...

    def providers(self, tx: Tx_contra) -> list[Provider]:
        """Return the providers that are or were down or have a probe, by name."""
        ...

    def provider_down(self, tx: Tx_contra, name: str, *, who: str, why: str, now: float) -> None:
        """Declare a provider down: nothing is tried until it is declared up."""
        ...

    def provider_up(self, tx: Tx_contra, name: str, *, who: str, why: str, now: float) -> None:
        """Declare a provider up: its tasks resume gradually where it was down."""
        ...

    def provider_probe(self, tx: Tx_contra, name: str, function: str, *, now: float) -> None:
        """Say which function tries whether a provider is up, called with ``{"provider": name}``; "" for none."""
        ...

    def marks(self, tx: Tx_contra) -> dict[str, float]:
        """Return how far each schedule was dealt with."""
        ...

    def mark(self, tx: Tx_contra, schedule: str, at: float | None) -> None:
        """Keep how far a schedule was dealt with; None forgets it."""
        ...
