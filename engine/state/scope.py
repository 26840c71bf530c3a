"""Who may see what: a scope is compiled into the SQL of every read. Out of scope equals unknown."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from engine.state.rights import Condition, ContactRights

__all__ = ["EVERYTHING", "Condition", "ContactRights", "Scope", "all_of", "written_out"]


def all_of(conditions: Sequence[Condition]) -> tuple[str, list[object]]:
    """These conditions joined by AND, and all their parameters."""
    return " AND ".join(sql for sql, _ in conditions), [value for _, values in conditions for value in values]


def written_out(condition: Condition) -> str:
    """The condition without parameters, for places that take none. Its texts stand there as digits, so that none becomes SQL."""
    sql, values = condition
    pieces = sql.split("?")
    literals = [f"{value:d}" if isinstance(value, int) else f"CAST(x'{str(value).encode().hex()}' AS TEXT)" for value in values]
    return "".join(piece + literal for piece, literal in zip(pieces, [*literals, ""], strict=True))


class Scope(msgspec.Struct, frozen=True):
    """None means no limit in that respect; an empty set means nothing at all. Limits are joined by AND."""

    pollers: frozenset[int] | None = None
    hostgroups: frozenset[str] | None = None
    rights: ContactRights | None = None  # what a core's own configuration gives the caller as a contact

    @property
    def is_limited(self) -> bool:
        """Not every object of its pollers is within it."""
        return self.hostgroups is not None or self.rights is not None

    def on(self, poller: int | None) -> Scope:
        """What of it is on that poller; all of it for None."""
        if poller is None:
            return self
        only = frozenset({poller})
        return msgspec.structs.replace(self, pollers=only if self.pollers is None else only & self.pollers)

    def sql(self, poller: str, host: str, service: str | None = None) -> tuple[str, list[object]]:
        """Return (condition, parameters) over the SQL expressions that hold an object's poller number, host and service name.

        Without `service` it is about hosts; of services that hides, too, those whose host is not seen. `service` may hold '' or
        NULL for a host. The condition is a complete boolean expression; it reads the tables `state.group_member`,
        `state.poller` and those of `rights`.
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
        if self.rights is not None:
            seen, of_seen = self.rights.sees(poller, host, service)
            parts.append(seen)
            values += of_seen
        return " AND ".join(parts) or "1", values

    def allows(self, poller: int, hostgroups: Collection[str]) -> bool:
        """The same of an object on that poller that is in these hostgroups; what `rights` say of it is not known here."""
        if self.pollers is not None and poller not in self.pollers:
            return False
        return self.hostgroups is None or not self.hostgroups.isdisjoint(hostgroups)


EVERYTHING = Scope()
