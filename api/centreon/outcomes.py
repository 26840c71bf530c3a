"""What became of commands, as a status: the dialect's 204 is kept for what a core really carried out.

| at answer time | status |
|---|---|
| processed, confirmed | 204 |
| refused by the core | 422 with its words |
| no_effect, partial, expired, cancelled, lost_by_core | 409 with the reason |
| not known yet, or never to be known | 504: the command lives on, repeating is safe |

A poller that is away is refused with 503 by the desk before anything is journalled. Of a call for several things each has a status
of its own, told in `results` in the order of the request: the answer's is 204 if every one is, 404 if none is known, 503 if all are
on pollers that are away, else 207. Who says `?wait=S` (or `Prefer: wait=S`) is answered when the commands came to their last state,
or after S seconds, with a body: `commands` has each with its proof; 204 becomes 200.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

from api.centreon.errors import in_our_words, refusal, status_of_code, told_error
from api.centreon.place import Visit
from api.centreon.waits import Wait
from api.errors import RETRY_AFTER_S
from api.render import json_response
from engine.commands.catalogue import CATALOGUE, Effect
from engine.commands.lifecycle import State
from engine.desk import ItemDone, Life, Receipt, Recorded
from engine.desk.items import items_again
from engine.desk.lives import is_never_sent

COMMAND_HEADER = "Signalbox-Command"  # ids of the commands
ENTRY_HEADER = "Signalbox-Entry"  # ids of the downtimes or acknowledgements they make or end
NOTE_HEADER = "Signalbox-Note"  # what was changed on the way

_STATUS = {
    State.PROCESSED: 204,
    State.CONFIRMED: 204,
    State.REFUSED: 422,
    State.NO_EFFECT: 409,
    State.PARTIAL: 409,
    State.EXPIRED: 409,
    State.CANCELLED: 409,
    State.LOST_BY_CORE: 409,
    State.ACCEPTED: 504,
    State.HELD: 504,
    State.WRITING: 504,
    State.WRITTEN: 504,
    State.UNKNOWN: 504,
}
_WORST_FIRST = (422, 409, 504)
_LIVES_ON = "Its outcome is not known yet; it lives on, and repeating the request is safe."
_CREATES = frozenset({Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED})
MOST_IN_HEADER = 100  # proxies and clients refuse much longer header lines
_MOST_SAID = 5  # different sentences in one message


class Verdict(msgspec.Struct, frozen=True):
    """A status, what is said of it, and its rows of `errors`."""

    status: int
    message: str = ""
    errors: tuple[Mapping[str, object], ...] = ()


async def outcome(visit: Visit, receipts: Sequence[Receipt], *, deletes: bool = False) -> Response:
    """Wait for `processed`, as long as the setting allows, and answer with what is known then."""
    wait, ids = visit.wait, _ids(receipts)
    lives = await visit.desk.settle(visit.caller, ids, until=wait.until, timeout_s=wait.timeout_s)
    return _answer(_verdict(lives, deletes=deletes), wait, receipts, lives)


async def outcome_of_items(visit: Visit, done: Sequence[ItemDone]) -> Response:
    """The same of several things: each has a status of its own."""
    wait, receipts = visit.wait, [receipt for item in done for receipt in item.receipts]
    ids = _ids(receipts)
    lives = await visit.desk.settle(visit.caller, ids, until=wait.until, timeout_s=wait.timeout_s) if ids else ()
    by_id = {life.id: life for life in lives}
    verdicts = [_item_verdict(item, by_id) for item in done]
    verdict = _together(verdicts)
    if not ids and verdict.status != 204:
        words = next(str(error["type"]) for error in verdict.errors)
        await visit.desk.refused(visit.caller, verdict.status, words, verdict.message)
    return _answer(verdict, wait, receipts, lives, {"results": [_result(one) for one in verdicts]})


async def nothing_to_do(visit: Visit, note: str = "") -> Response:
    """What was asked for is so already."""
    answer = _answer(Verdict(204), visit.wait, (), ())
    return noted(answer, note)


async def again(visit: Visit, known: Recorded) -> Response:
    """The answer to a repeat of what was carried out before: the same commands, as they stand now."""
    items = items_again(known)
    if items is not None:
        return await outcome_of_items(visit, items)
    receipts = msgspec.json.decode(known.answer, type=tuple[Receipt, ...])
    return await outcome(visit, receipts, deletes=any(receipt.withdrawn for receipt in receipts))


def judge(lives: Sequence[Life], *, deletes: bool = False) -> tuple[int, str]:
    """The status of several commands together, a certain failure before an uncertain one, and its message. Pure.

    A deletion that withdrew the unwritten creation has reached all it was asked for.
    """
    verdict = _verdict(lives, deletes=deletes)
    return verdict.status, verdict.message


def _verdict(lives: Sequence[Life], *, deletes: bool = False) -> Verdict:
    by_status: dict[int, list[Life]] = {}
    for life in lives:
        status = 204 if is_never_sent(life) or (deletes and _is_withdrawn_creation(life)) else _STATUS[State(life.state)]
        by_status.setdefault(status, []).append(life)
    for status in _WORST_FIRST:
        if status in by_status:
            bad = by_status[status]
            return Verdict(status, " ".join(_said_of(life) for life in bad), tuple(_life_error(life) for life in bad))
    return Verdict(204)


def _item_verdict(item: ItemDone, lives: Mapping[str, Life]) -> Verdict:
    if item.code:
        message = in_our_words(item.code, item.message)
        return Verdict(status_of_code(item.code), message, (told_error(item.code, item.message, item.field),))
    own = [lives[command_id] for command_id in _ids(item.receipts)]
    return _verdict(own, deletes=any(receipt.withdrawn for receipt in item.receipts))


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    bad = [one for one in verdicts if one.status != 204]
    if not bad:
        return Verdict(204)
    errors = tuple(error for one in bad for error in one.errors)
    said = [text if text.endswith((".", "!", "?")) else f"{text}." for text in dict.fromkeys(one.message for one in bad)]
    message = " ".join(said[:_MOST_SAID]) + (f" … and {len(said) - _MOST_SAID} more." if len(said) > _MOST_SAID else "")
    statuses = {one.status for one in verdicts}
    if len(verdicts) == 1 or statuses in ({404}, {503}):
        return Verdict(bad[0].status, message, errors)
    surely = "were" if 504 not in statuses else "are known to be"
    return Verdict(207, f"{len(verdicts) - len(bad)} of {len(verdicts)} {surely} carried out. {message}", errors)


def _result(verdict: Verdict) -> dict[str, object]:
    return {"code": verdict.status, "message": verdict.message or None}


def _answer(
    verdict: Verdict,
    wait: Wait,
    receipts: Sequence[Receipt],
    lives: Sequence[Life],
    more: Mapping[str, object] | None = None,
) -> Response:
    told = dict(more or {}) | ({"commands": [_shown(life) for life in lives]} if wait.wants_body else {})
    if verdict.status != 204:
        answer = refusal(verdict.status, verdict.message, verdict.errors, **told)
    elif wait.wants_body:
        answer = json_response(200, told)
    else:
        answer = Response(status_code=204)
    if verdict.status == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    answer.headers.update(_headers(_ids(receipts), receipts) | dict(wait.headers))
    return answer


def _shown(life: Life) -> dict[str, object]:
    """One command with what proves its state."""
    return {
        "id": life.id,
        "command": life.command,
        "poller_id": life.poller,
        "poller_name": life.poller_name,
        "host": life.host or None,
        "service": life.service,
        "entry_id": life.entry_id,
        "state": life.state,
        "final": life.final,
        "evidence": next((step.evidence for step in reversed(life.steps) if step.evidence), None),
        "reason": life.reason or None,
        "advice": life.advice or None,
    }


def _life_error(life: Life) -> dict[str, object]:
    return told_error(str(life.state), _said_of(life)) | {"command": life.id, "host": life.host or None, "service": life.service}


def _is_withdrawn_creation(life: Life) -> bool:
    return life.state == State.CANCELLED and CATALOGUE[life.command].effect in _CREATES


def _said_of(life: Life) -> str:
    """What the core wrote of it, else our reason; then what to do."""
    thing = life.host if life.service is None else f"{life.host} / {life.service}"
    evidence = life.steps[-1].evidence if life.steps and life.state in (State.REFUSED, State.NO_EFFECT) else ""
    lives_on = _LIVES_ON if _STATUS[State(life.state)] == 504 and life.state != State.UNKNOWN else ""
    said = [f"{life.command} on {thing} ({life.poller_name}) is {life.state}", evidence or life.reason, lives_on, life.advice]
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in said if text)


def _ids(receipts: Sequence[Receipt]) -> list[str]:
    return list(dict.fromkeys(receipt.command_id for receipt in receipts))


def _headers(ids: Sequence[str], receipts: Sequence[Receipt]) -> dict[str, str]:
    entries = dict.fromkeys(str(receipt.entry_id) for receipt in receipts if receipt.entry_id is not None)
    notes = dict.fromkeys(note for receipt in receipts for note in receipt.notes)
    headers = {
        COMMAND_HEADER: ", ".join(ids[:MOST_IN_HEADER]),
        ENTRY_HEADER: ", ".join(list(entries)[:MOST_IN_HEADER]),
        NOTE_HEADER: _header_text(" ".join(notes)),
    }
    return {name: value for name, value in headers.items() if value}


def noted(answer: Response, note: str) -> Response:
    """The answer, with one more thing said of what was not done as asked."""
    said = " ".join(text for text in (answer.headers.get(NOTE_HEADER, ""), _header_text(note)) if text)
    if said:
        answer.headers[NOTE_HEADER] = said
    return answer


def _header_text(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.encode("ascii", "backslashreplace").decode()[:2000]
