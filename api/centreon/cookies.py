"""What a request brings to be let in by: a token in the header, or the cookie of a login made by a browser.

A browser sends a cookie wherever a page of any site makes it send one. So a request that changes something is taken by cookie only
if the browser says that a page of this very site sends it: `Sec-Fetch-Site: same-origin`, or, from browsers and over plain HTTP
where that is not sent, an `Origin` that is this site. Both headers are out of a page's reach. The header's token comes first.
A request that brings neither is of whom a trusted web server names, or of the name and password in it: see `api.auth.presented`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import Forbidden

HEADER = "X-AUTH-TOKEN"
COOKIE = "PHPSESSID"  # as the original calls it
_FROM_HERE = "same-origin"


class Credential(msgspec.Struct, frozen=True):
    """A secret and how it came."""

    secret: str
    is_cookie: bool = False


def credential_of(request: Request) -> Credential | None:
    """What the request brings, None for nothing."""
    if secret := request.headers.get(HEADER):
        return Credential(secret)
    secret = request.cookies.get(COOKIE, "")
    return Credential(secret, is_cookie=True) if secret else None


def check_same_origin(request: Request) -> None:
    """Raise Forbidden unless the browser says that a page of this site sends the request."""
    if not _is_same_origin(request):
        raise Forbidden(
            f"By the cookie {COOKIE} only pages of this site may change something: a browser says so by itself (Sec-Fetch-Site or"
            f" Origin). Programs send the token of their login as {HEADER}.",
            right="same-origin",
        )


def check_not_cross_site(request: Request) -> None:
    """Raise Forbidden if the browser says that a page of another site sends the request; programs say nothing."""
    if {"sec-fetch-site", "origin"} & set(request.headers) and not _is_same_origin(request):
        raise Forbidden("Only pages of this site may log a browser in here.", right="same-origin")


def set_cookie(answer: Response, request: Request, secret: str) -> None:
    """Give the browser its cookie, until it is closed or logs out. No script can read it, no other site's form sends it."""
    answer.set_cookie(COOKIE, secret, path=_path(request), httponly=True, samesite="lax", secure=_is_secure(request))


def end_cookie(answer: Response, request: Request) -> None:
    """Make the browser forget it."""
    answer.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="lax", secure=_is_secure(request))


def _path(request: Request) -> str:
    """What stands before `/api`: all of the original lies below it."""
    return request.url.path.partition("/api/")[0] or "/"


def _is_secure(request: Request) -> bool:
    """Over TLS, as we see it or as the browser says: a proxy may have taken the TLS off and not say so."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _is_same_origin(request: Request) -> bool:
    site = request.headers.getlist("sec-fetch-site")
    if site:
        return site == [_FROM_HERE]
    origins, hosts = request.headers.getlist("origin"), request.headers.getlist("host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    origin = urlsplit(origins[0])
    # A proxy may have taken the TLS off and not say so; never the other way round.
    return origin.netloc.lower() == hosts[0].lower() and origin.scheme in (request.url.scheme, "https")
