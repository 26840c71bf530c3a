"""How many objects are checked actively, and how many passively: tac.cgi and extinfo.cgi show it."""

from __future__ import annotations

from api.cgi.json_cgis.names import Sight


def active_and_passive(sight: Sight) -> dict[str, tuple[int, int]]:
    """Of hosts and of services in sight: (active, passive)."""
    found = {}
    for table, names in (("host", ("o.name",)), ("service", ("o.host_name", "o.description"))):
        where, values = sight.scope.sql("o.poller", *names)
        on, numbers = sight.on_pollers("o.poller")
        query = f"SELECT total(o.check_type = 0), total(o.check_type <> 0) FROM state.{table} o WHERE {on} AND {where}"
        active, passive = sight.rows(query, [*numbers, *values])[0]
        found[table] = int(active), int(passive)
    return found
