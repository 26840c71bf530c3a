"""Login and logout.

A login's token ends one hour (a setting) after its last use. Bearer tokens made with `signalbox token create` work in the same
header. The cookie PHPSESSID of the original's web pages does not exist here.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.centreon.bodies import LoginBody, read_body
from api.centreon.errors import refusal
from api.centreon.place import HEADER, Services, Visit, address_of
from api.centreon.versions import Version
from api.render import json_response
from engine.errors import NotAuthenticated, NotPossible


async def login(services: Services, request: Request, _: Version) -> Response:
    """Give a token for a name and a password."""
    credentials = (await read_body(request, LoginBody)).security.credentials
    try:
        let_in = await services.doorkeeper.login(credentials.login, credentials.password, address_of(request))
    except NotAuthenticated:
        return refusal(401, "Invalid credentials")
    caller = let_in.caller
    contact = {"id": let_in.user_id, "name": caller.user, "alias": caller.author, "email": "", "is_admin": caller.role == "admin"}
    return json_response(200, {"contact": contact, "security": {"token": let_in.secret}})


async def logout(visit: Visit) -> Response:
    """End the token presented. Raises NotPossible for a bearer token, which stays valid."""
    secret = visit.request.headers[HEADER]
    await visit.services.doorkeeper.logout(secret)
    if await _is_valid(visit, secret):
        name = visit.caller.token
        raise NotPossible(f"{name} is a bearer token, which logging out does not end: use `signalbox token revoke {name}`.")
    return json_response(200, {"message": "Successful logout"})


async def _is_valid(visit: Visit, secret: str) -> bool:
    try:
        await visit.services.doorkeeper.caller_of(secret, visit.caller.address)
    except NotAuthenticated:
        return False
    return True
