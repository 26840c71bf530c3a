"""What stands around one host or service: the hosts above and below it, its groups, whom its problems are told to.

All of it within the caller's scope: a parent that is out of it does not exist.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import orjson

from engine.state.scope import Scope, written_out
from engine.state.views import Reader


def seen_parents(scope: Scope) -> str:
    """A host's parents as a JSON array, in SQL over `c`, its configuration: those within scope."""
    if not scope.is_limited:
        return "coalesce(c.parents, '[]')"
    return (
        "(SELECT json_group_array(j.value) FROM json_each(coalesce(c.parents, '[]')) j"
        f" WHERE {written_out(scope.sql('c.poller', 'j.value'))})"
    )


def parents_of(reader: Reader, scope: Scope, poller: int, host: str) -> tuple[str, ...]:
    """The names of its parents within scope, as they are configured."""
    query = f"SELECT {seen_parents(scope)} FROM state.host_config c WHERE c.poller = ? AND c.name = ?"
    found = reader.connection.execute(query, (poller, host)).fetchone()
    return () if found is None else tuple(orjson.loads(found[0]))


class Relative(NamedTuple):
    """A host right above or right below, and its state."""

    name: str
    state: int
    has_been_checked: int


_RELATIVES = {
    "parents": "SELECT j.value FROM state.host_config c, json_each(c.parents) j WHERE c.poller = ?1 AND c.name = ?2",
    "children": (
        "SELECT c.name FROM state.host_config c WHERE c.poller = ?1 AND c.parents <> '[]'"
        " AND EXISTS (SELECT 1 FROM json_each(c.parents) j WHERE j.value = ?2)"
    ),
}


def relatives(reader: Reader, scope: Scope, poller: int, host: str, which: Literal["parents", "children"]) -> tuple[Relative, ...]:
    """The hosts right above or right below, by name."""
    names = [name for (name,) in reader.connection.execute(_RELATIVES[which], (poller, host))]
    where, values = scope.sql("h.poller", "h.name")
    found = reader.connection.execute(
        "SELECT h.name, h.state, h.has_been_checked FROM state.host h"
        f" WHERE h.poller = ? AND h.name IN (SELECT value FROM json_each(?)) AND {where} ORDER BY h.name",
        [poller, orjson.dumps(names).decode(), *values],
    )
    return tuple(map(Relative._make, found))


def told(reader: Reader, poller: int, contacts: tuple[str, ...], groups: tuple[str, ...]) -> tuple[str, ...]:
    """Every contact a problem is told to: those named, and the members of the contactgroups named; by name, each once."""
    found = reader.connection.execute(
        "SELECT DISTINCT m.host_name FROM state.group_member m WHERE m.poller = ? AND m.kind = 'contactgroup'"
        f" AND m.name IN ({','.join('?' * len(groups))})",
        [poller, *groups],
    )
    return tuple(sorted({*contacts, *(name for (name,) in found)}))
