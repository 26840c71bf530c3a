"""Services as lists show them: a third of what is known of each, for every column of every row is made into a value of Python.

The page is chosen from an index alone, as everywhere (views.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.model import ServiceView
from engine.state.lists import ALL, SERVICE_ROWS, Listing
from engine.state.scope import Condition, Scope
from engine.state.views import Reader, of_hosts


class ListedService(NamedTuple):
    """A service with its host's names and state. `configured_variables` are those of its definition."""

    id: int
    host_id: int
    host_name: str
    host_alias: str
    host_display_name: str
    host_state: int
    host_has_been_checked: int
    description: str
    display_name: str
    state: int
    state_type: int
    has_been_checked: int
    current_attempt: int
    max_check_attempts: int
    last_check: float
    last_state_change: float
    plugin_output: str
    long_plugin_output: str
    acknowledged: int
    scheduled_downtime_depth: int
    icon_image: str
    icon_image_alt: str
    custom_variables: str
    configured_variables: str


_ELSEWHERE = {
    "host_id": "coalesce(h.id, 0)",
    "host_alias": "coalesce(hc.alias, s.host_name)",
    "host_display_name": "coalesce(hc.display_name, s.host_name)",
    "host_state": "coalesce(h.state, 0)",
    "host_has_been_checked": "coalesce(h.has_been_checked, 0)",
    "display_name": "coalesce(c.display_name, s.description)",
    "icon_image": "coalesce(c.icon_image, '')",
    "icon_image_alt": "coalesce(c.icon_image_alt, '')",
    "configured_variables": "coalesce(c.custom_variables, s.custom_variables)",
}
_SELECT = (
    f"SELECT {', '.join(_ELSEWHERE.get(name, f's.{name}') for name in ListedService._fields)}"
    " FROM ({chosen} ORDER BY {order} LIMIT ? OFFSET ?) k CROSS JOIN state.service s ON s.rowid = k.rowid"
    " LEFT JOIN state.host h ON h.poller = s.poller AND h.name = s.host_name"
    " LEFT JOIN state.host_config hc ON hc.poller = s.poller AND hc.name = s.host_name"
    " LEFT JOIN state.service_config c ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description"
    " ORDER BY {order}"
)
_BY_NAME = "s.poller, s.host_name, s.description"


def listed_services(
    reader: Reader, scope: Scope, conditions: Sequence[Condition], order: str, *, limit: int, offset: int = 0
) -> tuple[list[ListedService], int]:
    """One page of what the conditions leave of the services within scope, in an order of search.order; and how many there are."""
    listing = Listing.within(scope, SERVICE_ROWS, conditions)
    with reader.snapshot():
        is_all = all(sql == "1" for sql, _ in listing.conditions)
        total = reader.count_all(is_service=True) if is_all else listing.count(reader)
        return _page(reader, listing, order, limit, offset), total


def listed_services_of_hosts(reader: Reader, scope: Scope, host_ids: Sequence[int]) -> dict[int, list[ListedService]]:
    """The services of each of these hosts, by host id; none for a host without any, or out of scope."""
    found: dict[int, list[ListedService]] = {id: [] for id in host_ids}
    for row in _page(reader, Listing.within(scope, SERVICE_ROWS, [of_hosts(list(found))]), _BY_NAME, ALL, 0):
        found[row.host_id].append(row)
    return found


def _page(reader: Reader, listing: Listing, order: str, limit: int, offset: int) -> list[ListedService]:
    chosen, values = listing.selected(["s.rowid"])
    query = _SELECT.format(chosen=chosen, order=order)
    return list(map(ListedService._make, reader.connection.execute(query, [*values, limit, offset])))


def as_listed(view: ServiceView) -> ListedService:
    """The same of a service of which all is known."""
    known = view.status._asdict() | view._asdict() | {name: getattr(view.config, name) for name in _OF_CONFIG}
    known["configured_variables"] = view.config.custom_variables
    return ListedService._make(known[name] for name in ListedService._fields)


_OF_CONFIG = ("display_name", "icon_image", "icon_image_alt")
