"""Single requests over plain HTTP, without the certificates that httpx reads anew for each (30 ms of processor)."""

from __future__ import annotations

from functools import partial

import httpx

from tests.support.cores import PATIENCE_S

get = partial(httpx.get, verify=False, timeout=PATIENCE_S)
post = partial(httpx.post, verify=False, timeout=PATIENCE_S)
