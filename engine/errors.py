"""Every error Signalbox raises on purpose, told apart by whose fault it is.

`str(error)` is a sentence for people that ends with what to do next; `.code` (the class's own word) and `.facts` are for
programs. Foreign exceptions are translated once, where they enter. Each dialect has one table from class to its own answer.
"""

from __future__ import annotations

from typing import ClassVar


class SignalboxError(Exception):
    """Base of all. `facts` are JSON values that name what the sentence is about."""

    code: ClassVar[str] = "signalbox_error"

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


# --- the caller is wrong ------------------------------------------------------------------------------------------------


class CallerError(SignalboxError):
    """The request cannot be carried out as it was made; repeating it unchanged will fail again."""

    code = "caller_error"


class InvalidField(CallerError):
    """A value is missing, of the wrong type, out of range or holds forbidden bytes. `facts["field"]` names it."""

    code = "invalid_field"


class InvalidSearch(CallerError):
    """A search or an order that is not of the language. `facts` name the `field`, `operator`, `value` or `position` at fault."""

    code = "invalid_search"


class SearchTooSlow(CallerError):
    """Finding what was asked for takes longer than one reader may hold the mirror. `facts["limit_s"]` is that limit."""

    code = "search_too_slow"


class UnknownHost(CallerError):
    """No such host within the caller's scope. `facts["near"]` lists similar names within scope."""

    code = "unknown_host"


class UnknownService(CallerError):
    """The host is known, the service is not. `facts["near"]` lists similar names within scope."""

    code = "unknown_service"


class UnknownPoller(CallerError):
    """No poller of that number or name within scope."""

    code = "unknown_poller"


class UnknownObject(CallerError):
    """No downtime, acknowledgement, comment or command of that id within scope."""

    code = "unknown_object"


class Ambiguous(CallerError):
    """The host stands on several pollers. `facts["pollers"]` names them; `poller=` decides."""

    code = "ambiguous"


class NotPossible(CallerError):
    """The object's present state forbids it (acknowledging an UP host, cancelling what was already written …)."""

    code = "not_possible"


class TooManyTargets(CallerError):
    """A call for more targets than the caller may command at once. `facts` give `targets` and `limit`."""

    code = "too_many_targets"


class Conflicting(CallerError):
    """Some targets of a call cannot be commanded. `facts["conflicts"]` lists them; `skip_conflicts` leaves them out."""

    code = "conflicts"


class PlanChanged(CallerError):
    """What is asked is no longer what was planned. `facts` list what was `added`, `removed` and changed in `conflicts`."""

    code = "plan_changed"


class KeyReused(CallerError):
    """The Idempotency-Key was used before, for another method, path, query or body."""

    code = "key_reused"


class KeyInUse(CallerError):
    """Another request with this Idempotency-Key was being stored at the same time; repeating gives its answer."""

    code = "key_in_use"


class UnsupportedCommand(CallerError):
    """That kind of core does not know the command."""

    code = "unsupported_command"


class UnknownCommand(CallerError):
    """No core has an external command of that name. `facts["near"]` lists similar names."""

    code = "unknown_command"


class TooManyReaders(CallerError):
    """As many streams of events as this worker serves are being read already."""

    code = "too_many_readers"


class ResultsRefused(CallerError):
    """Some results of a call cannot be taken, so none was. `facts["refused"]` names them, each with its own code and sentence."""

    code = "results_refused"


class Forbidden(CallerError):
    """Authenticated, but the right is missing. `facts["right"]` names it."""

    code = "forbidden"


class NotAuthenticated(CallerError):
    """No credentials, or none that are valid now."""

    code = "not_authenticated"


class TooManyLogins(CallerError):
    """Failed logins are throttled. `facts["retry_after_s"]` says how long."""

    code = "too_many_logins"


# --- the outside is wrong or away -----------------------------------------------------------------------------------------


class PollerError(SignalboxError):
    """A core, or one of its files, is not as it must be. `facts["poller"]` names it."""

    code = "poller_error"


class CommandFileMissing(PollerError):
    """Nothing at the command file's path: the core is stopped, or external commands are off."""

    code = "command_file_missing"


class NotAFifo(PollerError):
    """Something else than a FIFO stands at the command file's path."""

    code = "not_a_fifo"


class CommandFileNotWritable(PollerError):
    """The rights do not allow us to write the command file."""

    code = "command_file_not_writable"


class NoReader(PollerError):
    """The FIFO is there, nobody reads it: the core is away."""

    code = "no_reader"


class PipeFull(PollerError):
    """The FIFO has a reader that does not read."""

    code = "pipe_full"


class PollerAway(PollerError):
    """The poller's core is not reading commands and the dialect cannot hold them: nothing was journalled, nothing will be sent."""

    code = "poller_away"


class TooManyResults(PollerError):
    """More passive results are under way for a poller than may be; nothing was accepted. `facts["limit"]` says how many may."""

    code = "too_many_results"


class StatusFileStale(PollerError):
    """The view is older than the caller accepts."""

    code = "status_file_stale"


class FormatError(PollerError):
    """Bytes of a core's file that are not of the expected form. `facts` give the offset or line."""

    code = "format_error"


# --- we are wrong or cannot store ------------------------------------------------------------------------------------------


class JournalError(SignalboxError):
    """The journal cannot be read or written; nothing was accepted."""

    code = "journal_error"


class ConfigError(SignalboxError):
    """Every mistake of the configuration at once: `mistakes` holds one sentence each, with file, line and remedy."""

    code = "config_error"

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes), mistakes=list(mistakes))
        self.mistakes = tuple(mistakes)
