"""cmd.cgi: `cmd_mod=1` shows a form, `cmd_mod=2` commits, by POST and by GET.

A commit goes the way of every dialect: over the desk, to the poller that owns the target, and is proven. The original's sentence of
success stands only where the core has processed it; otherwise its error sentences, with what the core said behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from markupsafe import Markup
from msgspec import structs
from msgspec.structs import replace
from starlette.responses import Response

from api.auth.doorkeeper import check_may
from api.cgi.asked import Commanded, author_of, commanded, is_icinga, mistake, targets
from api.cgi.commands import TABLE, CgiCommand, Form
from api.cgi.csrf import COOKIE, FIELD, read_key
from api.cgi.csrf import mistake as csrf_mistake
from api.cgi.dates import parse_time
from api.cgi.form import form_page
from api.cgi.pages import page
from api.cgi.places import Place, entry_id, places_of
from api.cgi.visit import Visit
from api.errors import problem_of
from api.ledger import as_asked, kept, without_body
from engine.commands.catalogue import CATALOGUE, Effect
from engine.commands.lifecycle import State
from engine.desk import Caller, Life, Receipt, Wanted
from engine.desk.lives import is_never_sent
from engine.desk.plans import limit_of
from engine.desk.selection import check_limit
from engine.errors import (
    Ambiguous,
    CallerError,
    Forbidden,
    InvalidField,
    JournalError,
    PollerError,
    SignalboxError,
    UnknownHost,
    UnknownObject,
    UnknownPoller,
    UnknownService,
)
from engine.state.rights import Right
from engine.state.views import Reader

TITLE = "External Command Interface"
COMMIT = 2
NO_COMMAND = "Error: No command was specified"
NOT_AUTHORISED = "Sorry, but you are not authorized to commit the specified command."
READ_ONLY = "It appears as though you do not have permission to submit the command you requested..."
NO_AUTHENTICATION = Markup("Sorry Dave, I can't let you do that...")  # programs look for its apostrophe as it is
NOT_CHECKING = "Sorry, but Nagios is currently not checking for external commands, so your command will not be committed!"
FAILED = "An error occurred while attempting to commit your command for processing."
BAD_PAIR = "Error: Invalid or missing CSRF cookie!"
SUCCESS = "Your command request was successfully submitted to Nagios for processing."
ICINGA_SUCCESS = "Your command request(s) was/were successfully submitted to Icinga for processing."
# What the small variant says instead (content=wml).
_SMALL = {
    NO_COMMAND: "Error: No command specified!",
    NOT_AUTHORISED: Markup("Error: You're not authorized to commit that command!"),
    NO_AUTHENTICATION: "Error: Authentication is not enabled!",
    NOT_CHECKING: "Error: Nagios is not checking external commands!",
    FAILED: "An error occurred while committing your command!",
    SUCCESS: "Your command was submitted successfully...",
}
COMMAND_HEADER, ENTRY_HEADER = "Signalbox-Command", "Signalbox-Entry"
_DONE = frozenset({State.PROCESSED, State.CONFIRMED})
_CREATES = frozenset({Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED})


class Refusal(Exception):
    """A commit is refused in the original's words; `code` is the true status."""

    def __init__(self, message: str, *details: str, code: int = 400) -> None:
        super().__init__(message)
        self.message, self.details, self.code = message, details, code


async def cmd(visit: Visit) -> Response:
    """The page of cmd.cgi."""
    try:
        return await _cmd(visit)
    except Refusal as refusal:
        return _refused(visit, refusal)


async def _cmd(visit: Visit) -> Response:
    if await _reads_only(visit):
        raise Refusal(READ_ONLY, "The CGI configuration lists you as one who may only read.", code=403)
    number = visit.number("cmd_typ")
    command = TABLE.get(number)
    if number == 0:
        raise Refusal(NO_COMMAND)
    key = await asyncio.to_thread(read_key, visit.desk.config.data)
    if visit.number("cmd_mod") != COMMIT or visit.request.method == "HEAD":
        if command is None:
            raise Refusal("You are requesting to execute an unknown command. Shame on you!", code=404)
        return await form_page(visit, command, key)
    pair = {"cookie": visit.request.cookies.get(COOKIE, ""), "field": visit.value(FIELD)}
    now = visit.services.clock.now()
    wrong = csrf_mistake(visit.request.headers, on_request=visit.on_request, key=key, user=visit.caller.user, now=now, **pair)
    if wrong:
        raise Refusal(BAD_PAIR, wrong, code=403)
    if visit.rights is not None and visit.rights.is_open:
        raise Refusal(NO_AUTHENTICATION, "Nobody may command while the CGI configuration says use_authentication=0.", code=403)
    if command is None:
        raise Refusal(NOT_AUTHORISED, f"cmd_typ {number} cannot be submitted here.", code=403)
    return await _commit(visit, command)


async def _reads_only(visit: Visit) -> bool:
    """May he only read, on every core? Where it is so on some of them, each command is refused or not by its own core's."""
    rights = visit.rights
    if rights is None or rights.is_open:
        return False
    sql, values = rights.has(Right.READ_ONLY, "p.number")
    seen, of_seen = replace(visit.caller.scope, rights=None, hostgroups=None).sql("p.number", "''")

    def look(reader: Reader) -> bool:
        query = f"SELECT min({sql}) FROM state.poller p WHERE {seen}"
        return bool(reader.connection.execute(query, [*values, *of_seen]).fetchone()[0])

    return await visit.desk.read(look)


# --- committing -----------------------------------------------------------------------------------------------------------------


async def _commit(visit: Visit, command: CgiCommand) -> Response:
    before = without_body(visit.caller, visit.request, command.needs)
    body = visit.body

    async def act() -> list[Receipt]:
        caller = as_asked(visit.caller, visit.request, command.needs, body)
        return await kept(visit.desk, caller, _status_of, lambda: _carried_out(visit, caller, command))

    try:
        receipts = await kept(visit.desk, before, _status_of, act) if visit.request.headers.get("Idempotency-Key") else await act()
    except (Forbidden, UnknownHost, UnknownService, UnknownObject, UnknownPoller) as error:
        raise Refusal(NOT_AUTHORISED, str(error), code=403) from error
    except Ambiguous as error:
        raise Refusal(FAILED, str(error), code=409) from error
    except JournalError:
        raise
    except (CallerError, PollerError) as error:
        raise Refusal(FAILED, str(error), code=_status_of(error)) from error
    return await _outcome(visit, command, receipts)


def _status_of(error: SignalboxError) -> int:
    return problem_of(error).status


async def _carried_out(visit: Visit, caller: Caller, command: CgiCommand) -> list[Receipt]:
    check_may(caller, command.needs)
    known = await visit.desk.recorded(caller)
    if known is not None:
        return list(msgspec.json.decode(known.answer, type=tuple[Receipt, ...]))
    if command.form in (Form.DELETE_COMMENT, Form.DELETE_DOWNTIME):
        return await _deleted(visit, caller, command)
    named = targets(visit, command)
    _check_count(visit, caller, len(named))
    asked = [(names, place) for names in named for place in await _places(visit, caller, command, names)]
    for _, place in asked:
        _check(visit, command, place)
    wanted: list[Wanted] = []
    for names, place in asked:
        now = visit.services.clock.now() + place.clock_offset_s
        who = structs.replace(caller, author=author_of(visit, place)) if command.has_author else caller
        wanted += [await _wanted(visit, who, one, place) for one in commanded(visit, command, names, place, now)]
    return list(await visit.desk.command_all(wanted))


def _check_count(visit: Visit, caller: Caller, count: int) -> None:
    """Several objects named in one form are one call. Raises TooManyTargets."""
    check_limit(count, limit_of(visit.services.settings, caller.role))


async def _places(visit: Visit, caller: Caller, command: CgiCommand, names: dict[str, str]) -> list[Place]:
    try:
        return await places_of(visit.desk, caller, command, names, visit.value("poller"))
    except InvalidField as error:  # no object can have such a name
        raise Refusal(NOT_AUTHORISED, str(error), code=404) from error


def _check(visit: Visit, command: CgiCommand, place: Place) -> None:
    """Raises Refusal, in the original's order: what is missing, then whether the core reads commands at all."""
    wrong = mistake(visit, command, place)
    if wrong:
        raise Refusal(wrong)
    if not place.poller.check_external_commands:
        raise Refusal(NOT_CHECKING, f"{place.poller.name} has check_external_commands=0.", code=503)


async def _wanted(visit: Visit, caller: Caller, one: Commanded, place: Place) -> Wanted:
    poller, arguments = place.poller.number, dict(one.arguments)
    if one.trigger:
        arguments["trigger"] = await entry_id(visit.desk, caller, "downtime", one.trigger, place.poller.name, None)
    expire = expiry(visit, place)
    if expire is not None and one.name == "DISABLE_NOTIFICATIONS":
        return Wanted(caller, "DISABLE_NOTIFICATIONS_EXPIRE_TIME", {"expire": expire}, poller)
    return Wanted(caller, one.name, arguments, poller, expire if one.name.startswith("ACKNOWLEDGE_") else None)


def expiry(visit: Visit, place: Place) -> int | None:
    """When an acknowledgement, or notifications being off, is to end: Icinga's forms ask for it. Raises Refusal."""
    if not (visit.has("use_ack_end_time") or visit.has("use_disabled_notif_end_time")):
        return None
    at = parse_time(visit.value("end_time"), place.poller.date_format, place.poller.timezone)
    if at is None:
        raise Refusal("Start or end time not valid")
    return int(at)


async def _deleted(visit: Visit, caller: Caller, command: CgiCommand) -> list[Receipt]:
    is_comment = command.form is Form.DELETE_COMMENT
    kind, parameter = ("comment", "com_id") if is_comment else ("downtime", "down_id")
    given = visit.values(parameter) if is_icinga(visit) else [visit.value(parameter)]
    _check_count(visit, caller, len(given))
    numbers = [int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0 for text in given]
    ids = [await entry_id(visit.desk, caller, kind, number, visit.value("poller"), command.subject) for number in numbers]
    return list(await visit.desk.delete_entries(caller, kind, list(dict.fromkeys(ids))))


# --- telling ----------------------------------------------------------------------------------------------------------------------


async def _outcome(visit: Visit, command: CgiCommand, receipts: Sequence[Receipt]) -> Response:
    ids = list(dict.fromkeys(receipt.command_id for receipt in receipts))
    wait_s = visit.services.settings.cgi_wait_s
    lives = await visit.desk.settle(visit.caller, ids, until="processed", timeout_s=wait_s)
    failed = [life for life in lives if not _is_done(life, command)]
    if failed:
        raise Refusal(FAILED, *map(_said_of, failed), code=502)
    entries = dict.fromkeys(str(receipt.entry_id) for receipt in receipts if receipt.entry_id is not None)
    notes = list(dict.fromkeys(note for receipt in receipts for note in receipt.notes))
    icinga = is_icinga(visit)
    words = ICINGA_SUCCESS if icinga else SUCCESS
    if _is_wml(visit):
        answer = _wml(SUCCESS)
    else:
        answer = page("done.html", title=TITLE, message=words, css="successMessage" if icinga else "infoMessage", notes=notes)
    told = {COMMAND_HEADER: ", ".join(ids[:100]), ENTRY_HEADER: ", ".join(list(entries)[:100])}
    answer.headers.update({name: value for name, value in told.items() if value})
    return answer


def _is_done(life: Life, command: CgiCommand) -> bool:
    if is_never_sent(life):
        return True
    if life.state == State.CANCELLED and command.form in (Form.DELETE_COMMENT, Form.DELETE_DOWNTIME):
        return CATALOGUE[life.command].effect in _CREATES  # it was withdrawn before the core ever saw it
    return State(life.state) in _DONE


def _said_of(life: Life) -> str:
    """What the core wrote of it, else our reason; then what to do."""
    thing = life.host if life.service is None else f"{life.host} / {life.service}"
    evidence = life.steps[-1].evidence if life.steps and life.state in (State.REFUSED, State.NO_EFFECT) else ""
    said = [f"{life.command} on {thing or life.poller_name} is {life.state}", evidence or life.reason, life.advice]
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in said if text)


def _refused(visit: Visit, refusal: Refusal) -> Response:
    status = refusal.code if visit.services.settings.cgi_status_codes else 200
    if _is_wml(visit):
        answer = _wml(refusal.message, *refusal.details)
        answer.status_code = status
        return answer
    return page("error.html", status, title=TITLE, message=refusal.message, details=refusal.details)


def _is_wml(visit: Visit) -> bool:
    return visit.value("content") == "wml"


def _wml(message: str, *details: str) -> Response:
    answer = page("cmd.wml", message=_SMALL.get(message, message), details=details)
    answer.headers["Content-Type"] = "text/vnd.wap.wml; charset=utf-8"
    return answer
