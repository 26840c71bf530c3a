"""How long a caller wants to wait for the end of what is asked for: `?wait=S`, or `Prefer: wait=S` of RFC 7240. Any dialect's."""

from __future__ import annotations

import re

from starlette.requests import Request

from api.headers import by_name

WAIT_CAP_S = 60.0  # longer ones are cut to it: proxies give up soon after
_PREFER_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9}(?:\.\d+)?)"?\s*(?=$|[,;])', re.IGNORECASE | re.ASCII)


def preferred_wait(request: Request) -> float | None:
    """Seconds of RFC 7240's `wait`; a preference that cannot be understood is ignored, as that document wants."""
    if b"prefer" not in by_name(request.scope):
        return None
    found = _PREFER_WAIT.search(",".join(request.headers.getlist("prefer")))
    return float(found[1]) if found else None
