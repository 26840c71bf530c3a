"""The headers of a request by name: every step of its way asks for one or two, so they are put in order once."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Scope

_BY_NAME = "signalbox.headers"  # of the scope


def by_name(scope: Scope) -> Mapping[bytes, bytes]:
    """The first header of each name; names in lower case, as servers give them."""
    known: Mapping[bytes, bytes] | None = scope.get(_BY_NAME)
    if known is None:
        known = scope[_BY_NAME] = dict(reversed(list(scope["headers"])))
    return known
