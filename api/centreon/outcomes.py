"""What became of commands, as a status: the dialect's 204 is kept for what a core really carried out.

| at answer time | status |
|---|---|
| processed, confirmed | 204 |
| refused by the core | 422 with its words |
| no_effect, partial, expired, cancelled, lost_by_core | 409 with the reason |
| not known yet, or never to be known | 504: the command lives on, repeating is safe |

A poller that is away is refused with 503 by the desk before anything is journalled.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from api.centreon.errors import refusal
from api.centreon.place import Visit
from engine.commands.catalogue import CATALOGUE, Effect
from engine.commands.lifecycle import State
from engine.desk import Life, Receipt, Recorded

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


async def outcome(visit: Visit, receipts: Sequence[Receipt], *, deletes: bool = False) -> Response:
    """Wait for `processed`, as long as the setting allows, and answer with what is known then."""
    ids = list(dict.fromkeys(receipt.command_id for receipt in receipts))
    wait_s = visit.services.settings.centreon_wait_s
    lives = await visit.desk.settle(visit.caller, ids, until="processed", timeout_s=wait_s)
    status, message = judge(lives, deletes=deletes)
    answer = Response(status_code=204) if status == 204 else refusal(status, message)
    answer.headers.update(_headers(ids, receipts))
    return answer


async def again(visit: Visit, known: Recorded) -> Response:
    """The answer to a repeat of what was carried out before: the same commands, as they stand now."""
    receipts = msgspec.json.decode(known.answer, type=tuple[Receipt, ...])
    return await outcome(visit, receipts, deletes=any(receipt.withdrawn for receipt in receipts))


def judge(lives: Sequence[Life], *, deletes: bool = False) -> tuple[int, str]:
    """The status of several commands together, a certain failure before an uncertain one, and its message. Pure.

    A deletion that withdrew the unwritten creation has reached all it was asked for.
    """
    by_status: dict[int, list[Life]] = {}
    for life in lives:
        status = 204 if deletes and _is_withdrawn_creation(life) else _STATUS[State(life.state)]
        by_status.setdefault(status, []).append(life)
    for status in _WORST_FIRST:
        if status in by_status:
            return status, " ".join(_said_of(life) for life in by_status[status])
    return 204, ""


def _is_withdrawn_creation(life: Life) -> bool:
    return life.state == State.CANCELLED and CATALOGUE[life.command].effect in _CREATES


def _said_of(life: Life) -> str:
    """What the core wrote of it, else our reason; then what to do."""
    thing = life.host if life.service is None else f"{life.host} / {life.service}"
    evidence = life.steps[-1].evidence if life.steps and life.state in (State.REFUSED, State.NO_EFFECT) else ""
    lives_on = _LIVES_ON if _STATUS[State(life.state)] == 504 and life.state != State.UNKNOWN else ""
    said = [f"{life.command} on {thing} ({life.poller_name}) is {life.state}", evidence or life.reason, lives_on, life.advice]
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in said if text)


def _headers(ids: Sequence[str], receipts: Sequence[Receipt]) -> dict[str, str]:
    entries = dict.fromkeys(str(receipt.entry_id) for receipt in receipts if receipt.entry_id is not None)
    notes = dict.fromkeys(note for receipt in receipts for note in receipt.notes)
    headers = {
        COMMAND_HEADER: ", ".join(ids[:MOST_IN_HEADER]),
        ENTRY_HEADER: ", ".join(list(entries)[:MOST_IN_HEADER]),
        NOTE_HEADER: _header_text(" ".join(notes)),
    }
    return {name: value for name, value in headers.items() if value}


def _header_text(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.encode("ascii", "backslashreplace").decode()[:2000]
