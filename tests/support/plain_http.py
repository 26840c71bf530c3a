"""Single requests over plain HTTP, without the certificates that httpx reads anew for each (30 ms of processor)."""

from __future__ import annotations

from functools import partial

import httpx

get = partial(httpx.get, verify=False, timeout=30)
post = partial(httpx.post, verify=False, timeout=30)
