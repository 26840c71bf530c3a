"""What contacts, timeperiods and check commands have in common: a page of them, and the one of a name.

They stand by poller and name; the same name on two pollers is two of them, and `poller=` decides.
"""

from __future__ import annotations

from api.native.grouped import unknown
from api.native.operation import Call, poller_number
from api.native.pollers import View, fresh_views
from api.native.requests import PollerQuery, ViewPaging
from engine.errors import Ambiguous
from engine.state.configured import C, Configured, Table, configured
from engine.state.views import Reader


def read_page(reader: Reader, call: Call, table: Table[C], query: ViewPaging) -> tuple[tuple[Configured[C], ...], int, list[View]]:
    """One page by name and poller, how many there are, and how fresh all that is."""
    poller = poller_number(reader, call.caller, query.poller)
    found, total = configured(reader, call.caller.scope, table, poller=poller, limit=query.limit, offset=query.offset)
    return found, total, list(fresh_views(reader, call, query, poller).values())


def read_one(reader: Reader, call: Call, table: Table[C], noun: str, name: str, query: PollerQuery) -> Configured[C]:
    """The one of that name. Raises UnknownObject, Ambiguous, UnknownPoller."""
    poller = poller_number(reader, call.caller, query.poller)
    found, _ = configured(reader, call.caller.scope, table, poller=poller, name=name)
    if not found:
        raise unknown(reader, call, noun, name)
    if len(found) > 1:
        pollers = [one.poller_name for one in found]
        raise Ambiguous(f"{name} stands on {', '.join(pollers)}: add poller= with one of these.", name=name, pollers=pollers)
    return found[0]
