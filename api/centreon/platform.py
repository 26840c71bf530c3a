"""What a client asks before it logs in: which Centreon this speaks like, and that it is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request
from starlette.responses import Response

from api.centreon.versions import Version
from api.render import json_response
from api.services import Services

SPOKEN = ("22", "10", "0")  # the newest version whose dialect is wholly known; clients choose theirs by it


async def versions(services: Services, request: Request, spoken: Version) -> Response:
    """The version of Centreon whose clients understand this, all in texts; what it really is stands under `signalbox`."""
    major, minor, fix = SPOKEN
    web = {"version": ".".join(SPOKEN), "major": major, "minor": minor, "fix": fix}
    return json_response(200, {"web": web, "modules": {}, "widgets": {}, "signalbox": {"version": own_version()}})


async def installation(services: Services, request: Request, spoken: Version) -> Response:
    """It is installed, or it would not answer."""
    return json_response(200, {"is_installed": True, "has_upgrade_available": False})


def own_version() -> str:
    """The version of what answers."""
    try:
        return version("signalbox")
    except PackageNotFoundError:
        return "0"
