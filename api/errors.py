"""Errors as RFC 9457 problem documents: one table from error class to status and title, and what only HTTP can get wrong.

Routes contain no `try`; the edge that serves them asks `problem_of`. A subclass without a row of its own takes its nearest
ancestor's. Nothing of a stack, a path or a statement ever reaches a client: an error that is not ours is a bare 500.
"""

from __future__ import annotations

import msgspec

from engine import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:signalbox:problem:"
RETRY_AFTER_S = 10  # a core that is being restarted is back within this, as a rule


class MalformedRequest(errors.CallerError):
    """The path, the query or the body is not of the form HTTP and JSON demand."""

    code = "malformed_request"


class NoSuchPath(errors.CallerError):
    """Nothing is served under that path."""

    code = "no_such_path"


class MethodNotAllowed(errors.CallerError):
    """The path is served, not with that method. `facts["allow"]` lists those it knows."""

    code = "method_not_allowed"


class BodyTooLarge(errors.CallerError):
    """The body is longer than `facts["limit"]` bytes."""

    code = "body_too_large"


class Problem(msgspec.Struct, frozen=True):
    """One problem document and the headers that go with it."""

    status: int
    members: dict[str, object]
    headers: dict[str, str] = msgspec.field(default_factory=dict)


TABLE: dict[type[errors.SignalboxError], tuple[int, str]] = {
    errors.CallerError: (400, "The request cannot be carried out"),
    MalformedRequest: (400, "The request is malformed"),
    NoSuchPath: (404, "Nothing is served here"),
    MethodNotAllowed: (405, "That method is not possible here"),
    BodyTooLarge: (413, "The body is too large"),
    errors.InvalidField: (422, "A value is not acceptable"),
    errors.InvalidSearch: (400, "The search cannot be understood"),
    errors.SearchTooSlow: (422, "The search takes too long"),
    errors.UnknownHost: (404, "No such host"),
    errors.UnknownService: (404, "No such service"),
    errors.UnknownPoller: (404, "No such poller"),
    errors.UnknownObject: (404, "No such object"),
    errors.Ambiguous: (409, "The name stands on several pollers"),
    errors.NotPossible: (409, "The present state forbids it"),
    errors.TooManyTargets: (422, "Too many targets for one call"),
    errors.Conflicting: (409, "Some targets cannot be commanded"),
    errors.PlanChanged: (409, "It is no longer what was planned"),
    errors.KeyReused: (422, "The key was used for another request"),
    errors.KeyInUse: (409, "The key is in use at this moment"),
    errors.UnsupportedCommand: (422, "That kind of core does not know the command"),
    errors.UnknownCommand: (422, "No core has such a command"),
    errors.ResultsRefused: (422, "Some results cannot be taken"),
    errors.Forbidden: (403, "The right is missing"),
    errors.NotAuthenticated: (401, "Not authenticated"),
    errors.TooManyLogins: (429, "Too many failed logins"),
    errors.TooManyReaders: (429, "Too many streams are being read"),
    errors.PollerError: (503, "A core or one of its files is not as it must be"),
    errors.CommandFileMissing: (503, "The command file is missing"),
    errors.NotAFifo: (503, "The command file is no pipe"),
    errors.CommandFileNotWritable: (503, "The command file may not be written"),
    errors.NoReader: (503, "The core is not reading commands"),
    errors.PipeFull: (503, "The core does not empty its command pipe"),
    errors.PollerAway: (503, "The core is away"),
    errors.TooManyResults: (503, "Too many results are under way"),
    errors.StatusFileStale: (503, "The view is too old"),
    errors.FormatError: (503, "A file of the core cannot be read"),
    errors.JournalError: (503, "Nothing can be stored now"),
    errors.ConfigError: (500, "The configuration is wrong"),
    errors.SignalboxError: (500, "Signalbox failed"),
}


def status_and_title(kind: type[errors.SignalboxError]) -> tuple[int, str]:
    """The row of the class or of its nearest ancestor that has one."""
    return next(TABLE[ancestor] for ancestor in kind.__mro__ if ancestor in TABLE)


def problem_of(error: errors.SignalboxError) -> Problem:
    """The error as a client sees it: its sentence, its code, and its facts as further members."""
    status, title = status_and_title(type(error))
    return Problem(status, problem_members(error.code, title, status, str(error), error.facts), _headers(error, status))


def problem_members(code: str, title: str, status: int, detail: str, more: dict[str, object]) -> dict[str, object]:
    """The members of RFC 9457 first, then ours; a fact never overrides one of the former."""
    standard: dict[str, object] = {
        "type": TYPE_PREFIX + code, "title": title, "status": status, "detail": detail, "code": code,
    }  # fmt: skip
    return standard | {name: value for name, value in more.items() if name not in standard}


def internal_problem() -> Problem:
    """What is said of a bug of ours: nothing but that it is one."""
    detail = "Signalbox met an error of its own; its log has the details. Whether a command was accepted: see /v1/commands."
    return Problem(500, problem_members("internal_error", "Signalbox failed", 500, detail, {}))


def _headers(error: errors.SignalboxError, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="signalbox"'}
    if status in (429, 503):
        return {"Retry-After": str(_whole_seconds(error.facts.get("retry_after_s")))}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(str(name) for name in _sequence(error.facts.get("allow")))}
    return {}


def _whole_seconds(value: object) -> int:
    return max(1, int(-(-value // 1))) if isinstance(value, int | float) else RETRY_AFTER_S


def _sequence(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()
