"""What contacts, timeperiods and check commands have in common: the one of a name.

They stand by poller and name; the same name on two pollers is two of them, and `poller=` decides.
"""

from __future__ import annotations

from api.native.grouped import unknown
from api.native.operation import Call, poller_number
from api.native.requests import PollerQuery
from engine.errors import Ambiguous
from engine.state.configured import C, Configured, Table, configured
from engine.state.views import Reader


def read_one(reader: Reader, call: Call, table: Table[C], noun: str, name: str, query: PollerQuery) -> Configured[C]:
    """The one of that name. Raises UnknownObject, Ambiguous, UnknownPoller."""
    poller = poller_number(reader, call.caller, query.poller)
    found = configured(reader, call.caller.scope, table, name, poller)
    if not found:
        raise unknown(reader, call, noun, name)
    if len(found) > 1:
        pollers = [one.poller_name for one in found]
        raise Ambiguous(f"{name} stands on {', '.join(pollers)}: add poller= with one of these.", name=name, pollers=pollers)
    return found[0]
