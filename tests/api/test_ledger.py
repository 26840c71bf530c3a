"""Every write is made by the whole caller: a field lost on the way would widen what he may do."""

from __future__ import annotations

from typing import Any
from unittest.mock import sentinel

from msgspec import structs
from starlette.requests import Request as HttpRequest

from api.ledger import as_asked, without_body
from engine.desk.values import Caller
from engine.journal.accounts import Verb


def test_a_request_is_added_and_no_field_of_the_caller_is_lost() -> None:
    values: dict[str, Any] = {field.name: getattr(sentinel, field.name) for field in structs.fields(Caller)}
    caller = Caller(**values)
    request = HttpRequest({"type": "http", "method": "POST", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": []})
    for asking in (as_asked(caller, request, Verb.DOWNTIME, b"{}"), without_body(caller, request, Verb.DOWNTIME)):
        assert {name: getattr(asking, name) for name in values if name != "request"} == {
            name: value for name, value in values.items() if name != "request"
        }
        assert asking.request is not None and asking.request.method == "POST"
