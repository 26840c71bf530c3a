"""The canned desk takes what the real one takes."""

from __future__ import annotations

import inspect

import pytest

from engine.desk import Desk
from tests.api.centreon.canned import CannedDesk

METHODS = sorted(name for name, value in vars(CannedDesk).items() if inspect.iscoroutinefunction(value))


def test_there_is_something_to_compare() -> None:
    assert {"read", "entries", "settle", "schedule_downtime", "delete_entry"} <= set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_signatures_agree(method: str) -> None:
    real, canned = (inspect.signature(getattr(kind, method)) for kind in (Desk, CannedDesk))
    described = [
        [(parameter.name, parameter.kind, parameter.default) for parameter in signature.parameters.values()]
        for signature in (real, canned)
    ]
    assert described[0] == described[1]
