"""What became of commands, as a status: the dialect's 204 is kept for what a core really carried out.

| at answer time | status |
|---|---|
| processed, confirmed | 204 |
| refused by the core | 422 with its words |
| no_effect, partial, expired, cancelled | 409 with the reason |
| not known yet, or never to be known | 504: the command lives on, repeating is safe |

A poller that is away is refused with 503 by the desk before anything is journalled.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from api.centreon.errors import refusal
from api.centreon.place import Visit
from engine.commands.lifecycle import State
from engine.desk import Life, Receipt

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
    State.ACCEPTED: 504,
    State.HELD: 504,
    State.WRITING: 504,
    State.WRITTEN: 504,
    State.UNKNOWN: 504,
}
_WORST_FIRST = (422, 409, 504)


async def outcome(visit: Visit, receipts: Sequence[Receipt], *, withdrawn_is_done: bool = False) -> Response:
    """Wait for `processed`, as long as the setting allows, and answer with what is known then."""
    lives = await visit.desk.settle(
        visit.caller,
        [receipt.command_id for receipt in receipts],
        until="processed",
        timeout_s=visit.services.settings.centreon_wait_s,
    )
    status, message = judge(lives, withdrawn_is_done=withdrawn_is_done)
    answer = Response(status_code=204) if status == 204 else refusal(status, message)
    answer.headers[COMMAND_HEADER] = ", ".join(receipt.command_id for receipt in receipts)
    entries = [str(receipt.entry_id) for receipt in receipts if receipt.entry_id is not None]
    if entries:
        answer.headers[ENTRY_HEADER] = ", ".join(entries)
    notes = [note for receipt in receipts for note in receipt.notes]
    if notes:
        answer.headers[NOTE_HEADER] = _header_text("; ".join(dict.fromkeys(notes)))
    return answer


def judge(lives: Sequence[Life], *, withdrawn_is_done: bool = False) -> tuple[int, str]:
    """The status of several commands together, a certain failure before an uncertain one, and its message. Pure."""
    by_status: dict[int, list[Life]] = {}
    for life in lives:
        done = withdrawn_is_done and life.state == State.CANCELLED
        by_status.setdefault(204 if done else _STATUS[State(life.state)], []).append(life)
    for status in _WORST_FIRST:
        if status in by_status:
            return status, " ".join(_said_of(life, status) for life in by_status[status])
    return 204, ""


def _said_of(life: Life, status: int) -> str:
    thing = life.host if life.service is None else f"{life.host} / {life.service}"
    words = [f"{life.command} on {thing} is {life.state}."]
    words += [text if text.endswith(".") else f"{text}." for text in (life.reason, life.advice) if text]
    if status == 504 and life.state != State.UNKNOWN:
        words.append("Its outcome is not known yet; it lives on, and repeating the request is safe.")
    return " ".join(words)


def _header_text(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.encode("ascii", "backslashreplace").decode()
