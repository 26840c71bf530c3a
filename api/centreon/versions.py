"""The version segment of a Centreon path, and what differs between versions.

Three generations share one path scheme: the beta the reference documents (2.0, 2.1) and the product versions since 21.10, where
the API's version is the product's. `latest` is what today's clients use. Pure.
"""

from __future__ import annotations

import re

import msgspec

NEWEST = "25.10"
_DOCUMENTED = frozenset({"beta", "v2", "v2.0", "v2.1"})
_PRODUCT = re.compile(r"v([0-9]{2})\.(04|10)")
_OLDEST_RELEASE, _NEWEST_RELEASE = (20, 4), (25, 10)
_LAST_FORBIDDING = (21, 10)  # what it answers to a token it does not know


class Version(msgspec.Struct, frozen=True):
    """How one version of the original speaks where versions differ."""

    name: str
    attempt_is_text: bool  # a service's check_attempt: "1" since 20.04, 1 in the reference
    bad_token_status: int  # 403 up to 21.10, 401 after


def parse_version(segment: str) -> Version | None:
    """The version a path names, None when the dialect does not serve it."""
    if segment in _DOCUMENTED:
        return Version(segment, attempt_is_text=False, bad_token_status=403)
    if segment == "latest":
        return Version(segment, attempt_is_text=True, bad_token_status=401)
    found = _PRODUCT.fullmatch(segment)
    release = (int(found[1]), int(found[2])) if found else (0, 0)
    if not _OLDEST_RELEASE <= release <= _NEWEST_RELEASE:
        return None
    return Version(segment, attempt_is_text=True, bad_token_status=403 if release <= _LAST_FORBIDDING else 401)
