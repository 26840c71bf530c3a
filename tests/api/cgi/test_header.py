"""A right about a whole core is one of its own: who sees every host and service has not got it by that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api.cgi.header import pollers_with
from engine.desk import Caller
from engine.state.rights import ContactRights, Right
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.engine.state.conftest import mint, mirror, reader

__all__ = ["mint", "mirror", "reader"]

OBJECTS = frozenset({Right.ALL_HOSTS, Right.ALL_SERVICES})


@pytest.mark.parametrize(
    ("rights", "scope", "is_given"),
    [
        (None, EVERYTHING, True),
        (None, Scope(hostgroups=frozenset({"web"})), False),
        (ContactRights("eve", OBJECTS), EVERYTHING, False),
        (ContactRights("eve", OBJECTS | {Right.SYSTEM_INFORMATION}), EVERYTHING, True),
    ],
)
def test_what_is_about_the_system(reader: Reader, rights: ContactRights | None, scope: Scope, is_given: bool) -> None:
    caller = Caller("eve", "eve", "operator", scope=scope, rights=rights)
    visit: Any = SimpleNamespace(caller=caller, rights=rights)
    views: Any = [SimpleNamespace(number=number) for number in (1, 2)]
    assert bool(pollers_with(reader, visit, views, Right.SYSTEM_INFORMATION)) is is_given
