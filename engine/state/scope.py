"""Who may see what: a scope is compiled into the SQL of every read. Out of scope equals unknown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """None means no limit in that respect; an empty set means nothing at all. Limits are joined by AND."""

    pollers: frozenset[int] | None = None
    hostgroups: frozenset[str] | None = None

    def sql(self, poller: str, host: str) -> tuple[str, list[object]]:
        """Return (condition, parameters) over the SQL expressions that hold an object's poller number and host name.

        The condition is a complete boolean expression; it reads the table `state.group_member`.
        """
        parts: list[str] = []
        values: list[object] = []
        if self.pollers is not None:
            parts.append(f"{poller} IN ({','.join('?' * len(self.pollers))})")
            values += sorted(self.pollers)
        if self.hostgroups is not None:
            marks = ",".join("?" * len(self.hostgroups))
            parts.append(
                f"EXISTS (SELECT 1 FROM state.group_member gm WHERE gm.poller = {poller} AND gm.kind = 'hostgroup'"
                f" AND gm.host_name = {host} AND gm.name IN ({marks}))"
            )
            values += sorted(self.hostgroups)
        return " AND ".join(parts) or "1", values


EVERYTHING = Scope()
