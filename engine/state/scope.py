"""Who may see what: a scope is compiled into the SQL of every read. Out of scope equals unknown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

Condition = tuple[str, Sequence[object]]
"""A complete boolean SQL expression and its parameters."""


def all_of(conditions: Sequence[Condition]) -> tuple[str, list[object]]:
    """These conditions joined by AND, and all their parameters."""
    return " AND ".join(sql for sql, _ in conditions), [value for _, values in conditions for value in values]


@dataclass(frozen=True, slots=True)
class Scope:
    """None means no limit in that respect; an empty set means nothing at all. Limits are joined by AND."""

    pollers: frozenset[int] | None = None
    hostgroups: frozenset[str] | None = None

    def sql(self, poller: str, host: str) -> tuple[str, list[object]]:
        """Return (condition, parameters) over the SQL expressions that hold an object's poller number and host name.

        The condition is a complete boolean expression; it reads the tables `state.group_member` and `state.poller`.
        """
        parts: list[str] = []
        values: list[object] = []
        if self.pollers is not None:
            parts.append(f"{poller} IN ({','.join('?' * len(self.pollers))})")
            values += sorted(self.pollers)
        if self.hostgroups is not None:
            # The first two parts say nothing the third does not; they let SQLite seek by its index of (poller, host).
            member = f"state.group_member gm WHERE gm.kind = 'hostgroup' AND gm.name IN ({','.join('?' * len(self.hostgroups))})"
            parts.append(f"{poller} IN (SELECT number FROM state.poller)")
            parts.append(f"{host} IN (SELECT gm.host_name FROM {member})")
            parts.append(f"({poller}, {host}) IN (SELECT gm.poller, gm.host_name FROM {member})")
            values += [*sorted(self.hostgroups), *sorted(self.hostgroups)]
        return " AND ".join(parts) or "1", values

    def allows(self, poller: int, hostgroups: Collection[str]) -> bool:
        """The same of an object on that poller that is in these hostgroups."""
        if self.pollers is not None and poller not in self.pollers:
            return False
        return self.hostgroups is None or not self.hostgroups.isdisjoint(hostgroups)


EVERYTHING = Scope()
