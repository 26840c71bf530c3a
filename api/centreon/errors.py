"""The dialect's answers to errors: the shared table's statuses but for a few rows of its own, and Centreon's body.

Where the original answers 500 to a caller's mistake or an empty 401 to a missing right, ours keeps the body's keys and tells the
truth in the status. `code` is always the HTTP status; `errors` says for programs what `message` says for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from starlette.responses import Response

from api.errors import TABLE, NoSuchPath, problem_of, status_and_title
from api.render import json_response
from engine.errors import InvalidField, NotAuthenticated, SignalboxError


class NoRoute(NoSuchPath):
    """The dialect has nothing at that path. Clients tell this from a missing object by the message's first words."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f'No route found for "{method} {path}"')


OWN_STATUS: dict[type[SignalboxError], int] = {InvalidField: 400}
_BY_CODE = {kind.code: kind for kind in reversed(TABLE)}

# What the desk calls a field, and what this dialect's bodies call it.
_FIELDS = {"start": "start_time", "end": "end_time", "return_code": "status", "plugin_output": "output",
           "perf_data": "performance_data"}  # fmt: skip
_IN_WORDS = re.compile(r"\b(?:plugin_output|perf_data|return_code)\b|^(?:start|end)(?= must )")


def status_of(error: SignalboxError) -> int:
    """The HTTP status of an error: the dialect's own row, else the shared one."""
    return _status(type(error))


def status_of_code(code: str) -> int:
    """The same by the error's code."""
    return _status(_BY_CODE.get(code, SignalboxError))


def error_answer(error: SignalboxError) -> Response:
    """What a caller is told of an error."""
    facts = {name: value for name, value in error.facts.items() if name != "field"}
    told = told_error(error.code, str(error), str(error.facts.get("field") or ""))
    answer = refusal(
        status_of(error),
        in_our_words(error.code, str(error)),
        [told | {name: value for name, value in facts.items() if name not in told}],
    )
    answer.headers.update(problem_of(error).headers)
    return answer


def told_error(code: str, message: str, field: str = "") -> dict[str, object]:
    """One row of `errors`: a word for programs, the sentence, and the body's or query's field it is about."""
    about: dict[str, object] = {"field": _FIELDS.get(field, field)} if field else {}
    return {"type": code, "message": in_our_words(code, message), **about}


def in_our_words(code: str, message: str) -> str:
    """A sentence about a wrong field with that field as this dialect's bodies call it."""
    return message if code != InvalidField.code else _IN_WORDS.sub(lambda found: _FIELDS[found[0]], message)


def refusal(status: int, message: str, errors: Sequence[Mapping[str, object]] = (), **more: object) -> Response:
    """An answer that says no in Centreon's form."""
    return json_response(status, {"code": status, "message": message, "errors": list(errors), **more})


def wrong_credentials() -> Response:
    """The answer to a name and a password that are nobody's."""
    message = "Invalid credentials"
    return refusal(401, message, [told_error(NotAuthenticated.code, message)])


def _status(kind: type[SignalboxError]) -> int:
    own = next((OWN_STATUS[parent] for parent in kind.__mro__ if parent in OWN_STATUS), None)
    return own or status_and_title(kind)[0]
