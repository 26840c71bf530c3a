"""Who asks, by what came with a request itself: a token, a name and a password, or the name a web server we trust gives.

Browsers send passwords by themselves, wherever a page of any site makes them send something: `foreign` and `is_unexplained` tell
such requests from those of programs and of pages of ours.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from api.auth.doorkeeper import Doorkeeper
from api.connection import PEER
from engine.desk import Caller
from engine.errors import Forbidden, NotAuthenticated
from engine.formats.text import text_of

REMOTE_USER = "X-Remote-User"
# What programs say of themselves that call themselves Mozilla, too. No page can make a browser say so without asking us first.
_NO_BROWSERS = ("PowerShell", "WinHttp", "Indy Library")


async def presented_caller(doorkeeper: Doorkeeper, request: Request, trusted: Sequence[str]) -> Caller | None:
    """Who asks, None when the request says nothing of it. `trusted`: addresses of web servers that log users in.

    Raises NotAuthenticated, TooManyLogins.
    """
    address = address_of(request)
    named = remote_user(request.headers, request.scope.get(PEER, ""), trusted)
    if named:
        return await doorkeeper.vouched(named, address)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await doorkeeper.caller_of(given.strip(), address)
    if scheme.lower() == "basic":
        user, password = parse_basic(given)
        return await doorkeeper.basic(user, password, address)
    return None


def address_of(request: Request) -> str:
    """Where the request comes from, for throttling and the record."""
    client = request.scope.get("client")
    return str(client[0]) if client else ""


def remote_user(headers: Headers, peer: str, trusted: Sequence[str]) -> str:
    """Whom the web server at `peer` has logged in; "" when it is none of the trusted ones, or names nobody (or several)."""
    given = headers.getlist(REMOTE_USER)
    if len(given) != 1 or not given[0].strip() or not is_trusted(peer, trusted):
        return ""
    return text_of(given[0].strip().encode("latin-1"))


def is_trusted(peer: str, trusted: Sequence[str]) -> bool:
    """Is it one of the web servers that log users in?"""
    if not trusted:
        return False
    try:
        address = ipaddress.ip_address(peer)
        return any(address in ipaddress.ip_network(network, strict=False) for network in trusted)
    except ValueError:
        return False


def parse_basic(given: str) -> tuple[str, str]:
    """Name and password of HTTP Basic. Raises NotAuthenticated."""
    try:
        raw = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise NotAuthenticated("The Authorization header is no HTTP Basic.") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # what browsers sent before RFC 7617
    user, _, password = text.partition(":")
    return user, password


# --- browsers -----------------------------------------------------------------------------------------------------------------


def check_meant(headers: Headers) -> None:
    """Raise Forbidden for a change that a page of another site, or of nobody knows where, made a browser ask for."""
    sent_by = foreign(headers)
    if sent_by or is_unexplained(headers):
        words = f"The request was sent by another site ({sent_by})." if sent_by else "Nothing says which page sent the request."
        raise Forbidden(f"{words} By password only pages of this site may change something; programs send a token.", right="origin")


def foreign(headers: Headers) -> str:
    """What says that another site made the browser send this, "" for nothing."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return f"Sec-Fetch-Site: {site}"
    for name in ("Origin", "Referer"):
        given = headers.get(name)
        if given is not None and _host(given) != headers.get("Host", "").lower():
            return f"{name}: {given[:200]}"
    return ""


def is_unexplained(headers: Headers) -> bool:
    """A browser sent it, and nothing says that a page of ours made it do so (what says that another did is `foreign`)."""
    agent = headers.get("User-Agent", "")
    is_browser = "Sec-Fetch-Site" in headers or (agent.startswith("Mozilla/") and not any(name in agent for name in _NO_BROWSERS))
    return is_browser and not (headers.get("Sec-Fetch-Site") == "same-origin" or "Origin" in headers or "Referer" in headers)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
