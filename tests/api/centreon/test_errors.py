"""Every error has a status, and the body is Centreon's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from api.centreon.errors import NoRoute, error_answer, status_of
from engine import errors

EXPECTED = {
    errors.InvalidField: 400, errors.UnknownHost: 404, errors.UnknownService: 404, errors.UnknownPoller: 404,
    errors.UnknownObject: 404, errors.Ambiguous: 409, errors.NotPossible: 409, errors.UnsupportedCommand: 422,
    errors.Forbidden: 403,
    errors.NotAuthenticated: 401, errors.TooManyLogins: 429, errors.PollerAway: 503, errors.NoReader: 503,
    errors.StatusFileStale: 503, errors.JournalError: 503,
}  # fmt: skip


def descendants(kind: type[errors.SignalboxError]) -> Iterator[type[errors.SignalboxError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def made(kind: type[errors.SignalboxError]) -> errors.SignalboxError:
    if kind is errors.ConfigError:
        return errors.ConfigError(["one mistake"])
    if kind is NoRoute:
        return NoRoute("GET", "/x")
    return kind("a sentence")


@pytest.mark.parametrize("kind", list(EXPECTED), ids=lambda kind: kind.__name__)
def test_the_status_of(kind: type[errors.SignalboxError]) -> None:
    assert status_of(made(kind)) == EXPECTED[kind]


def test_whose_fault_it_is_shows_in_every_status() -> None:
    kinds = set(descendants(errors.SignalboxError))
    assert set(EXPECTED) <= kinds
    for kind in kinds:
        status = status_of(made(kind))
        assert (400 <= status < 500) == issubclass(kind, errors.CallerError), kind


def test_the_body_and_when_to_come_back() -> None:
    answer = error_answer(errors.PollerAway("central is away.", retry_after_s=3.2))
    told = {"type": "poller_away", "message": "central is away.", "retry_after_s": 3.2}
    assert json.loads(bytes(answer.body)) == {"code": 503, "message": "central is away.", "errors": [told]}
    assert answer.headers["retry-after"] == "4"
    assert int(error_answer(errors.JournalError("full")).headers["retry-after"]) >= 1


def test_text_that_utf8_cannot_hold_is_told_anyway() -> None:
    assert error_answer(errors.InvalidField("bad \ud800 name")).status_code == 400


@pytest.mark.parametrize(
    ("field", "said", "told", "about"),
    [
        ("plugin_output", "plugin_output holds `|`: give that as perf_data only.",
         "output holds `|`: give that as performance_data only.", "output"),
        ("end", "end must be a time from 2000 to 2099.", "end_time must be a time from 2000 to 2099.", "end_time"),
        ("comment", "comment is empty: say why.", "comment is empty: say why.", "comment"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_called_what_the_caller_calls_it(field: str, said: str, told: str, about: str) -> None:
    body = json.loads(bytes(error_answer(errors.InvalidField(said, field=field)).body))
    assert (body["message"], body["errors"]) == (told, [{"type": "invalid_field", "message": told, "field": about}])
