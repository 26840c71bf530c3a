"""Problem documents: every error the program raises on purpose has its row, and none tells more than it should."""

from __future__ import annotations

import importlib
import pkgutil

import orjson
import pytest

import api
import engine
from api.errors import TABLE, problem_of, status_and_title
from api.render import encode_json, problem_response
from engine import errors
from engine.desk.values import Target
from engine.errors import SignalboxError


def _all_errors() -> list[type[SignalboxError]]:
    """Every subclass there is once every module of the program was imported."""
    for package in (engine, api):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    found, new = [SignalboxError], [SignalboxError]
    while new:
        new = [kind for parent in new for kind in parent.__subclasses__()]
        found += new
    return [kind for kind in found if kind.__module__.partition(".")[0] in ("engine", "api")]


# Whose fault it is decides the class of the status, whatever the row says.
FAULTS = (
    (errors.CallerError, range(400, 500)),
    (errors.PollerError, range(503, 504)),
    (errors.JournalError, range(503, 504)),
    (errors.ConfigError, range(500, 501)),
)


@pytest.mark.parametrize("kind", _all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_that_says_whose_fault_it_is(kind: type[SignalboxError]) -> None:
    if kind.__module__ == "engine.errors":
        assert kind in TABLE, f"{kind.__name__} has no row of its own"
    status, title = status_and_title(kind)
    assert title
    for parent, statuses in FAULTS:
        if issubclass(kind, parent):
            assert status in statuses
    error = kind.__new__(kind)
    SignalboxError.__init__(error, "What and what to do.", field="x", status=200, type="y")
    problem = problem_of(error)
    assert problem.members["status"] == problem.status == status
    assert problem.members["code"] == kind.code and problem.members["type"] == f"urn:signalbox:problem:{kind.code}"
    assert problem.members["detail"] == str(error) and problem.members["title"] == title
    assert ("Retry-After" in problem.headers) == (status in (429, 503))
    response = problem_response(problem)
    assert response.headers["content-type"] == "application/problem+json"


def test_codes_tell_the_classes_apart() -> None:
    codes = [kind.code for kind in _all_errors() if kind.__module__ != "api.centreon.errors"]  # has codes of its own
    assert len(codes) == len(set(codes)), sorted(code for code in set(codes) if codes.count(code) > 1)


def test_the_table_has_no_row_that_nobody_raises() -> None:
    assert set(TABLE) <= set(_all_errors())


def test_a_subclass_without_a_row_takes_its_parents() -> None:
    class Sub(errors.UnknownHost):
        code = "sub"

    assert status_and_title(Sub) == TABLE[errors.UnknownHost]


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ({"name": "a\ud800b"}, {"name": "a?b"}),
        ({"\udfff": [("x", {"\ud800"})]}, {"?": [["x", ["?"]]]}),
        ({"n": 10**30}, {"n": str(10**30)}),
        ({"path": importlib}, {"path": str(importlib)}),
        ([float("nan"), 1.5, None, True], [None, 1.5, None, True]),
        ({1: "one"}, {"1": "one"}),
        ({"of": [Target("db\ud800", None)]}, {"of": [{"host": "db?", "service": None, "poller": None}]}),
    ],
)
def test_whatever_a_fact_holds_can_be_sent(value: object, encoded: object) -> None:
    assert orjson.loads(encode_json(value)) == encoded


def test_retry_after_is_whole_seconds_and_never_none() -> None:
    for told, header in ((None, "10"), (0, "1"), (0.2, "1"), (3, "3"), (3.1, "4"), ("soon", "10")):
        assert problem_of(errors.PollerAway("away", retry_after_s=told)).headers == {"Retry-After": header}
