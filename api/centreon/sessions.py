"""Login and logout.

A login's token ends one hour (a setting) after its last use; a user may hold many, and ends each by itself. Bearer tokens made with
`signalbox token create` work in the same header.

A browser logs in under `authentication/providers/configurations/local`, the original's own path: the token comes as a cookie that
no script can read, and its logout ends it. See `cookies` for what a browser may do with it.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from api.auth.doorkeeper import Login
from api.centreon.bodies import Credentials, LoginBody, parse_body, raw_body, read_body
from api.centreon.cookies import check_not_cross_site, check_same_origin, end_cookie, set_cookie
from api.centreon.errors import wrong_credentials
from api.centreon.place import Visit, address_of
from api.centreon.versions import Version
from api.render import json_response
from api.services import Services
from engine.errors import InvalidField, NotAuthenticated, NotPossible

_FORM = "application/x-www-form-urlencoded"
_LOGGED_OUT = {"message": "Successful logout"}


async def login(services: Services, request: Request, _: Version) -> Response:
    """Give a token for a name and a password."""
    let_in = await _let_in(services, request, (await read_body(request, LoginBody)).security.credentials)
    if let_in is None:
        return wrong_credentials()
    return json_response(200, {"contact": await _contact(services, let_in), "security": {"token": let_in.secret}})


async def browser_login(services: Services, request: Request, _: Version) -> Response:
    """Give a browser a cookie for a name and a password, sent as JSON or as a page's form."""
    check_not_cross_site(request)
    let_in = await _let_in(services, request, await _credentials(request))
    if let_in is None:
        return wrong_credentials()
    answer = json_response(200, {"contact": await _contact(services, let_in), "redirect_uri": None})
    set_cookie(answer, request, let_in.secret)
    return answer


async def logout(visit: Visit) -> Response:
    """End the token presented; a cookie is ended with its login. Raises NotPossible for a bearer token, which stays valid.

    The same for who comes by password or by a web server's word: there is no login to end.
    """
    credential = visit.credential
    if credential is None:
        raise NotPossible("You did not log in here: each request says who you are, and as long as it does you are let in.")
    if credential.is_cookie:
        check_same_origin(visit.request)
    await visit.services.doorkeeper.logout(credential.secret)
    if await _is_valid(visit, credential.secret):
        name = visit.caller.token
        raise NotPossible(f"{name} is a bearer token, which logging out does not end: use `signalbox token revoke {name}`.")
    answer = json_response(200, _LOGGED_OUT)
    if credential.is_cookie:
        end_cookie(answer, visit.request)
    return answer


async def _let_in(services: Services, request: Request, credentials: Credentials) -> Login | None:
    try:
        return await services.doorkeeper.login(credentials.login, credentials.password, address_of(request))
    except NotAuthenticated:
        return None


async def _contact(services: Services, let_in: Login) -> dict[str, object]:
    caller, user = let_in.caller, await services.doorkeeper.user(let_in.user_id)
    return {
        "id": let_in.user_id,
        "name": caller.user,
        "alias": caller.author,
        "email": user.email if user else "",
        "is_admin": caller.role == "admin",
    }


async def _credentials(request: Request) -> Credentials:
    """Of `{"login": …, "password": …}` or a form of these two fields. Raises InvalidField."""
    raw = await raw_body(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return parse_body(raw, Credentials)
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError:
        raise InvalidField("Error when decoding your sent data: it is no form.", field="") from None
    known = dict(fields)
    if len(known) != len(fields) or not known.keys() <= {"login", "password"}:
        raise InvalidField("A login's form has the fields login and password, once each.", field="login")
    return Credentials(login=known.get("login", ""), password=known.get("password", ""))


async def _is_valid(visit: Visit, secret: str) -> bool:
    try:
        await visit.services.doorkeeper.caller_of(secret, visit.caller.address)
    except NotAuthenticated:
        return False
    return True
