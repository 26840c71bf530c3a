"""Which hosts keep others from being reached: what the tactical overview calls blocking outages."""

from __future__ import annotations

from collections.abc import Collection

import orjson

from engine.state.tables import PROBLEM
from engine.state.views import Reader

_DOWN = (
    "SELECT h.poller, h.name, coalesce(c.parents, '[]') FROM state.host h"
    " LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
    f" WHERE h.rowid IN (SELECT rowid FROM state.host WHERE {PROBLEM})"
)
_PARENTS = "SELECT DISTINCT c.poller, j.value FROM state.host_config c, json_each(c.parents) j WHERE c.parents <> '[]'"


def count_blocking_outages(reader: Reader, pollers: Collection[int]) -> int:
    """How many hosts are in trouble, have children, and have a parent that is not in trouble (or none at all).

    Source: Nagios 4.4.6 cgi/tac.c; a pending parent counts as up.
    """
    return reader.remembered(("outages", tuple(pollers)), lambda: _counted(reader, pollers))


def _counted(reader: Reader, pollers: Collection[int]) -> int:
    down = {
        (poller, name): orjson.loads(parents) for poller, name, parents in reader.connection.execute(_DOWN) if poller in pollers
    }
    causes = {
        (poller, name)
        for (poller, name), parents in down.items()
        if not parents or any((poller, parent) not in down for parent in parents)
    }
    return len(causes & {(poller, name) for poller, name in reader.connection.execute(_PARENTS)}) if causes else 0
