"""Lists of hosts and services that are kept for the next who asks the same: see `api/kept.py`.

Ages are shown in whole seconds, so what stands in a list is another with each second, and with whatever changes in state.db;
nothing else may go into one. A question is the path and the query as they came, and of the caller the scope and the zone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from api.centreon.answers import body_answer
from api.centreon.place import Visit


async def kept_list(visit: Visit, make: Callable[[float], Awaitable[bytes]]) -> Response:
    """A list whose body `make` makes, given the second it is. Raises what that raises."""
    now, scope, caller = float(int(visit.services.clock.now())), visit.request.scope, visit.caller
    if caller.scope.rights is not None:  # these come from files that change by themselves
        return body_answer(await make(now))
    question = scope.get("root_path", ""), scope["path"], scope["query_string"], caller.scope, caller.zone, now
    return body_answer(await visit.services.kept.answer(question, lambda: make(now), len))
