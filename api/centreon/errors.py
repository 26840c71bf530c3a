"""The dialect's answers to errors: the shared table's statuses but for a few rows of its own, and Centreon's body.

Where the original answers 500 to a caller's mistake or an empty 401 to a missing right, ours keeps the body's keys and tells the
truth in the status. `code` is always the HTTP status.
"""

from __future__ import annotations

from starlette.responses import Response

from api.errors import NoSuchPath, problem_of, status_and_title
from api.render import json_response
from engine.errors import InvalidField, SignalboxError


class NoRoute(NoSuchPath):
    """The dialect has nothing at that path. Clients tell this from a missing object by the message's first words."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f'No route found for "{method} {path}"')


OWN_STATUS: dict[type[SignalboxError], int] = {InvalidField: 400}


def status_of(error: SignalboxError) -> int:
    """The HTTP status of an error: the dialect's own row, else the shared one."""
    own = next((OWN_STATUS[kind] for kind in type(error).__mro__ if kind in OWN_STATUS), None)
    return own or status_and_title(type(error))[0]


def error_answer(error: SignalboxError) -> Response:
    """What a caller is told of an error."""
    answer = refusal(status_of(error), str(error))
    answer.headers.update(problem_of(error).headers)
    return answer


def refusal(status: int, message: str) -> Response:
    """An answer that says no in Centreon's form."""
    return json_response(status, {"code": status, "message": message})
