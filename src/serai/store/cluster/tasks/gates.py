"""Gates: limits, rates, and providers that are down."""

from __future__ import annotations

from typing import Any

import msgspec

from serai.store.cluster.tasks.table import Table
from serai.store.cluster.tx import Tx
from serai.store.taskrows.gates import NEVER, Gate
from serai.store.tasks import Scope

_decoder = msgspec.msgpack.Decoder(Gate)
_HAS_GATES = "SELECT EXISTS (SELECT 1 FROM task_gate)"
_SOME = """
SELECT g.scope, g.name, g.gate FROM unnest(%s::text[], %s::text[]) w (scope, name)
JOIN task_gate g ON g.scope = w.scope AND g.name = w.name
"""
_PUT = """
INSERT INTO task_gate (scope, name, key, gate, opens, at, calls, probe)
SELECT %(scope)s, %(name)s, %(key)s, %(gate)s,
       CASE WHEN EXISTS (SELECT 1 FROM task_lane WHERE shut = %(key)s AND shut <> '')
            THEN %(opens)s::double precision END,
       %(at)s, %(calls)s, %(probe)s
ON CONFLICT (scope, name) DO UPDATE SET gate = excluded.gate, opens = excluded.opens, at = excluded.at,
                                        calls = excluded.calls, probe = excluded.probe
"""


class GateTable(Table):
    """The table ``task_gate``."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx)
        self._asked: dict[tuple[str, str], bytes | None] = {}

    def has_gates(self) -> bool:
        """Tell whether there is any gate."""
        return bool(self._one(_HAS_GATES))

    def gate(self, scope: Scope, name: str) -> Gate | None:
        """Return a gate."""
        if (scope, name) not in self._asked:  # those of all lanes that are looked at, at once
            names = {(scope, name)}
            for lane in self._lanes:
                names |= {("tenant", lane.tenant), ("provider", lane.provider), ("channel", lane.channel)}
            wanted = sorted(names - self._asked.keys())
            self._asked |= dict.fromkeys(wanted)
            found = self._tx.rows(_SOME, ([each[0] for each in wanted], [each[1] for each in wanted]))
            self._asked |= {(each[0], each[1]): each[2] for each in found}
        blob = self._asked[scope, name]
        return None if blob is None else _decoder.decode(blob)

    def probed(self, number: int) -> Gate | None:
        """Return the gate whose probe a row is."""
        return self._gate("SELECT gate FROM task_gate WHERE probe = %s AND probe <> 0", number)

    def gates(self) -> list[Gate]:
        """Return all gates, by scope and name."""
        return self._gates("SELECT gate FROM task_gate ORDER BY scope, name")

    def probers_due(self, now: float, limit: int) -> list[Gate]:
        """Return gates of providers that are down and have a prober that is to be called by now."""
        sql = "SELECT gate FROM task_gate WHERE calls IS NOT NULL AND calls <= %s ORDER BY calls, name LIMIT %s"
        return self._gates(sql, now, limit)

    def put_gate(self, gate: Gate, opens: float | None, now: float) -> None:
        """Write a gate, and when it opens: that is looked at only while lanes stand under it."""
        values = {
            "scope": gate.scope,
            "name": gate.name,
            "key": gate.key,
            "gate": msgspec.msgpack.encode(gate),
            "opens": opens,
            "at": now,
            "calls": gate.calls,
            "probe": gate.probe,
        }
        self._asked.pop((gate.scope, gate.name), None)
        self._tx.later(_PUT, values)

    def drop_gate(self, scope: Scope, name: str) -> None:
        """Delete a gate."""
        self._asked.pop((scope, name), None)
        self._tx.later("DELETE FROM task_gate WHERE scope = %s AND name = %s", (scope, name))

    def next_opening(self, now: float) -> float | None:
        """Return when the next gate opens after now, of those that lanes stand under, or calls its prober."""
        opens = self._one("SELECT min(opens) FROM task_gate WHERE opens IS NOT NULL AND opens > %s", now)
        calls = self._one("SELECT min(calls) FROM task_gate WHERE calls IS NOT NULL AND calls > %s", now)
        return min([time for time in (opens, calls) if time is not None and time < NEVER], default=None)

    def _gate(self, statement: str, *values: Any) -> Gate | None:
        blob = self._one(statement, *values)
        return None if blob is None else _decoder.decode(blob)

    def _gates(self, statement: str, *values: Any) -> list[Gate]:
        return [_decoder.decode(blob) for (blob,) in self._tx.rows(statement, values)]
