"""Whether a commit was meant: the pair of a cookie and a form field, and what browsers say of where a request comes from.

Since 2026 the originals demand such a pair, any equal one, from everybody, which locks programs out. Here a pair counts only if it
was issued here: it is signed, bound to the user, and ends. It is demanded from whoever is logged in by something his browser sends
by itself, and from browsers that do not say that the request came from a page of ours: they send a password again by themselves,
too, for a link in a mail, say. A program that brings its password with the request needs no pair; whoever sends a forged one, or
comes from another site, is refused.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from starlette.datastructures import Headers

from api.auth.presented import foreign, is_unexplained

COOKIE, FIELD = "NagFormId", "nagFormId"
LASTS_S = 4 * 3600
KEY_FILE = "cgi.key"
_KEY_BYTES = 32


def read_key(data: Path) -> bytes:
    """The key that signs forms; made on first use, the same for every worker and after a restart."""
    path = data / KEY_FILE
    key = path.read_bytes() if path.exists() else None
    if key is not None and len(key) == _KEY_BYTES:
        return key
    fresh = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(secrets.token_bytes(_KEY_BYTES))
        opened.flush()
        os.fsync(descriptor)  # or a machine that stops leaves a file without a key, which everybody knows
    if key is None:
        with suppress(FileExistsError):  # another worker was first
            os.link(fresh, path)
        fresh.unlink()
    else:
        fresh.replace(path)
    return path.read_bytes()


def new_token(key: bytes, user: str, now: float) -> str:
    """A token for one form of that user: lower-case hexadecimal."""
    head = f"{int(now) + LASTS_S:08x}{secrets.token_hex(8)}"
    return head + _signature(key, user, head)


def is_issued(key: bytes, user: str, token: str, now: float) -> bool:
    """The token was made here for that user and has not ended."""
    head = token[:24]
    if len(token) != 24 + 32 or not token.isascii() or not hmac.compare_digest(_signature(key, user, head), token[24:]):
        return False
    return now < int(head[:8], 16)


def _signature(key: bytes, user: str, head: str) -> str:
    return hmac.digest(key, f"{head} {user}".encode("utf-8", "backslashreplace"), "sha256").hex()[:32]


def mistake(headers: Headers, *, on_request: bool, cookie: str, field: str, key: bytes, user: str, now: float) -> str:
    """Why a commit is refused, "" when it is not. `on_request`: the request itself says who asks."""
    sent_by = foreign(headers)
    if sent_by:
        return f"The request was sent by another site ({sent_by})."
    if "prefetch" in headers.get("Sec-Purpose", "") or "prefetch" in headers.get("Purpose", ""):
        return "The request was sent ahead of time, not by a person."
    if field and not (is_issued(key, user, field, now) and cookie in ("", field)):
        return "The form was not made for this user here, or it is too old: open it again."
    if (not on_request or is_unexplained(headers)) and not (field and cookie):
        return "The form's cookie is missing: open the form, and commit from there."
    return ""
