"""Who the caller is, and what the caller may do."""

from __future__ import annotations

from starlette.responses import Response

from api.auth.doorkeeper import may
from api.centreon.place import Visit
from api.render import json_response
from engine.journal.accounts import Verb

# What the original's pages ask of each kind of resource, and the verb it takes here.
ACTIONS = {
    "check": Verb.CHECK,
    "forced_check": Verb.CHECK,
    "acknowledgement": Verb.ACKNOWLEDGEMENT,
    "disacknowledgement": Verb.ACKNOWLEDGEMENT,
    "downtime": Verb.DOWNTIME,
    "submit_status": Verb.RESULT,
    "comment": Verb.COMMENT,
}


async def actions(visit: Visit) -> Response:
    """Which actions the caller's role and token allow; nobody's do on metaservices, which no core has."""
    allowed = {action: may(visit.caller, verb) for action, verb in ACTIONS.items()}
    nothing = dict.fromkeys(ACTIONS, False)
    return json_response(200, {"host": allowed, "service": allowed, "metaservice": nothing})


async def parameters(visit: Visit) -> Response:
    """The caller as a user. What only the original's own pages have (theme, export …) is as in a new installation of it."""
    user = await visit.services.doorkeeper.user_named(visit.caller.user)
    return json_response(
        200,
        {
            "id": user.id if user else None,
            "name": visit.caller.user,
            "alias": visit.caller.author,
            "email": user.email if user else "",
            "timezone": visit.caller.zone or "UTC",
            "locale": "en_US",
            "is_admin": visit.caller.role == "admin",
            "use_deprecated_pages": False,
            "is_export_button_enabled": False,
            "theme": "light",
            "default_page": None,
        },
    )
