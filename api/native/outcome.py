"""What became of the commands of one call → status, body and headers of its answer. The status table of the native API.

The worst command decides; all are listed. Nothing here claims more than the lives say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from api.errors import problem_members
from api.native.operation import Answer, Call
from api.native.requests import WaitQuery
from api.waiting import WAIT_CAP_S
from engine.commands.catalogue import Effect, known_row
from engine.commands.lifecycle import State
from engine.desk import Life, Receipt, Recorded
from engine.desk.bulk import SLICE
from engine.desk.lives import advice_when_accepted, is_never_sent
from engine.desk.plans import Conflict, unpacked_conflicts

MOST_COMMANDS = 500  # of one answer; /v1/operations pages through all
MOST_IDS_IN_HEADER = 100  # 3.7 KB; proxies and clients refuse header lines much longer

# From the worst to the best. What failed comes before what nobody knows, that before what is under way.
WORST_FIRST = (
    State.REFUSED, State.NO_EFFECT, State.LOST_BY_CORE, State.PARTIAL, State.EXPIRED, State.CANCELLED, State.UNKNOWN, State.HELD,
    State.ACCEPTED, State.WRITING, State.WRITTEN, State.PROCESSED, State.CONFIRMED,
)  # fmt: skip

FAILED: dict[State, tuple[int, str]] = {
    State.REFUSED: (422, "The core refused the command"),
    State.NO_EFFECT: (409, "The command had no effect"),
    State.LOST_BY_CORE: (409, "The core lost what the command did"),
    State.PARTIAL: (409, "The command worked on some of its objects only"),
    State.EXPIRED: (409, "The command was given up before it was sent"),
    State.CANCELLED: (409, "The command was withdrawn before it was sent"),
}
FAILURES = tuple(sorted({status for status, _ in FAILED.values()}))

SENTENCES: dict[State, str] = {
    State.CONFIRMED: "Its effect was seen in the core's own files.",
    State.PROCESSED: "The core read and executed it and printed no error.",
    State.WRITTEN: "Its line went into the command file; that the core read it is not proved yet.",
    State.WRITING: "It is being written; whether its line went out is not known yet.",
    State.ACCEPTED: "It is durable and will be written next.",
    State.HELD: "The core is not reading commands; it is kept and will be written when the core is back.",
    State.UNKNOWN: "It was written, and neither proof nor disproof can be had.",
    State.CANCELLED: "It was withdrawn before anything was sent.",
    State.EXPIRED: "It was given up before anything was sent.",
    State.REFUSED: "The core refused it.",
    State.NO_EFFECT: "The core read it, but its effect is not there.",
    State.LOST_BY_CORE: "Its effect was seen, then the core crashed before it had saved it.",
    State.PARTIAL: "Its effect was seen on some of its objects only.",
}


class CommandOutcome(msgspec.Struct, frozen=True):
    """One command of the call. `id` is the public id of what it makes or deletes; `joined`: a twin was joined instead."""

    id: int | None
    command_id: str
    command: str
    poller: str
    host: str
    service: str | None
    state: str
    detail: str
    advice: str
    joined: bool
    notes: list[str]
    href: str


class ConflictShown(msgspec.Struct, frozen=True):
    """A target that cannot be commanded (`refuses`), or of which something is worth knowing.

    `reason`: in_downtime, acknowledged, or the code of the problem it would be if it were asked for alone.
    """

    poller: str | None
    host: str
    service: str | None
    reason: str
    detail: str
    refuses: bool


class Outcome(msgspec.Struct, frozen=True):
    """What became of a call: `id` of the (first) object it made or deleted, all ids, the worst state, and every command.

    `operation`: /v1/operations shows the call under that id, with its progress. `total` counts its commands; of more than 500 only
    the 500 that stand worst are listed here. `conflicts`: targets that were left out (`refuses`), or of which something is worth
    knowing.
    """

    id: int | None
    ids: list[int]
    state: str
    detail: str
    advice: str
    joined: bool
    operation: str
    total: int
    commands: list[CommandOutcome]
    conflicts: list[ConflictShown]


async def outcome(
    call: Call,
    query: WaitQuery,
    receipts: Sequence[Receipt],
    *,
    creates: str | None = None,
    deletes: bool = False,
    conflicts: Sequence[ConflictShown] = (),
    repeated: bool = False,
) -> Answer:
    """Wait as long as the caller wants, then answer. `creates`: the collection the created objects stand in.

    Who waits for nothing is told what was just stored, unless the receipts are those of an earlier call (`repeated`).
    """
    asked = query.wait if query.wait is not None else call.prefer_wait_s
    until, timeout_s = ("processed", call.settings.wait_processed_s) if asked is None else ("final", min(asked, WAIT_CAP_S))
    is_keyed = call.caller.request is not None and bool(call.caller.request.key)
    # Another with its key may have been first; not of a call stored in slices, which is refused then.
    is_own = not repeated and (not is_keyed or len(receipts) > MOST_COMMANDS > SLICE)
    if timeout_s <= 0 and is_own and not any(receipt.joined or receipt.withdrawn for receipt in receipts):
        return _applied(_just_accepted(call, receipts, conflicts), query, call, timeout_s)
    shown = receipts
    if len(receipts) > MOST_COMMANDS:
        shown = await _worst(call, receipts, until, timeout_s if asked is not None else 0.0, deletes)
        timeout_s = 0.0
    ids = list(dict.fromkeys(receipt.command_id for receipt in shown))
    lives = {life.id: life for life in await call.desk.settle(call.caller, ids, until=until, timeout_s=timeout_s)}
    pairs = [(receipt, lives[receipt.command_id]) for receipt in shown]
    answer = answer_of(pairs, creates=creates, deletes=deletes, conflicts=conflicts, total=len(receipts))
    return _applied(answer, query, call, min(asked, WAIT_CAP_S) if asked is not None else 0.0)


def _applied(answer: Answer, query: WaitQuery, call: Call, wait_s: float) -> Answer:
    """The same; it says so where a preference was heeded."""
    if query.wait is not None or call.prefer_wait_s is None:
        return answer
    return Answer(answer.content, answer.status, {**answer.headers, "Preference-Applied": f"wait={wait_s:g}"}, answer.problem)


def _just_accepted(call: Call, receipts: Sequence[Receipt], conflicts: Sequence[ConflictShown]) -> Answer:
    """What is true of commands that were stored a moment ago, from what storing them gave."""
    shown = receipts[:MOST_COMMANDS]
    pollers = call.desk.pollers
    state, detail = str(State.ACCEPTED), SENTENCES[State.ACCEPTED]
    commands = [
        CommandOutcome(
            receipt.entry_id,
            receipt.command_id,
            receipt.command,
            pollers[receipt.poller].name,
            receipt.host,
            receipt.service,
            state,
            detail,
            advice_when_accepted(pollers[receipt.poller], receipt.repeatable),
            False,
            list(receipt.notes),
            f"/v1/commands/{receipt.command_id}",
        )
        for receipt in shown
    ]
    ids = _ids(shown)
    first = commands[0]
    content = Outcome(
        ids[0] if ids else None, ids, state, detail, first.advice, False, receipts[0].operation, len(receipts), commands,
        list(conflicts),
    )  # fmt: skip
    where = first.href if content.total <= MOST_COMMANDS else f"/v1/operations/{content.operation}"
    return Answer(content, 202, _headers([receipt.command_id for receipt in shown]) | {"Location": where})


def _ids(receipts: Sequence[Receipt]) -> list[int]:
    """Of all that these make or delete, each once."""
    found = [number for receipt in receipts for number in (receipt.entry_id, *receipt.more_ids)]
    return list(dict.fromkeys([number for number in found if number is not None]))


def _headers(command_ids: Sequence[str]) -> dict[str, str]:
    return {"Signalbox-Command": ", ".join(dict.fromkeys(command_ids[:MOST_IDS_IN_HEADER]))}


async def again(call: Call, query: WaitQuery, known: Recorded) -> Answer:
    """The answer to a repeat of what was carried out before: the same commands, as they stand now."""
    receipts = msgspec.json.decode(known.answer, type=tuple[Receipt, ...])
    row = known_row(receipts[0].command)
    made = row.entry_kind if row.effect in (Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED) else None
    deletes = any(receipt.withdrawn or known_row(receipt.command).effect is Effect.ENTRY_GONE for receipt in receipts)
    names = {poller.number: poller.name for poller in call.desk.config.pollers}
    shown = [conflict_shown(conflict, names) for conflict in unpacked_conflicts(known.conflicts, call.caller.scope)]
    creates = f"{made}s" if made and not deletes else None
    return await outcome(call, query, receipts, creates=creates, deletes=deletes, conflicts=shown, repeated=True)


async def _worst(call: Call, receipts: Sequence[Receipt], until: str, timeout_s: float, deletes: bool) -> list[Receipt]:
    """Of more commands than can be listed those that stand worst, once each is settled or the time is up."""
    standings = await call.desk.standings([receipt.command_id for receipt in receipts], until=until, timeout_s=timeout_s)

    def place(receipt: Receipt) -> int:
        standing = standings.get(receipt.command_id)
        if standing is None or (deletes and standing.state is State.CANCELLED):
            return len(WORST_FIRST)
        return WORST_FIRST.index(standing.state)

    return sorted(receipts, key=place)[:MOST_COMMANDS]


def answer_of(
    pairs: Sequence[tuple[Receipt, Life]],
    *,
    creates: str | None = None,
    deletes: bool = False,
    conflicts: Sequence[ConflictShown] = (),
    total: int | None = None,
) -> Answer:
    """The status table."""
    worst = min(pairs, key=lambda pair: WORST_FIRST.index(_state(pair[1], deletes)))
    state, life = _state(worst[1], deletes), worst[1]
    content = _content(pairs, state, worst, conflicts, len(pairs) if total is None else total)
    headers = _headers([receipt.command_id for receipt, _ in pairs])
    if state in FAILED:
        status, title = FAILED[state]
        rest = msgspec.to_builtins(content)
        members = problem_members(str(state), title, status, str(rest.pop("detail")), rest)
        return Answer(members, status, headers, problem=True)
    if state is State.CONFIRMED or (state is State.PROCESSED and not life.effect_pending):
        made = [receipt for receipt, _ in pairs if creates and not receipt.joined and receipt.entry_id is not None]
        if state is State.CONFIRMED and made:
            return Answer(content, 201, headers | {"Location": f"/v1/{creates}/{made[0].entry_id}"})
        return Answer(content, 200, headers)
    where = f"/v1/commands/{life.id}" if content.total <= MOST_COMMANDS else f"/v1/operations/{content.operation}"
    return Answer(content, 202, headers | {"Location": where})


def conflict_shown(conflict: Conflict, names: Mapping[int, str]) -> ConflictShown:
    """A conflict as people see it."""
    poller = names.get(conflict.poller) if conflict.poller is not None else None
    return ConflictShown(poller, conflict.host, conflict.service, conflict.reason, conflict.detail, conflict.refuses)


def words_of(life: Life) -> str:
    """What the core wrote of it last, or our reason, or what its state means."""
    evidence = life.steps[-1].evidence if life.steps else ""
    return evidence or life.reason or SENTENCES[State(life.state)]


def _state(life: Life, deletes: bool) -> State:
    """A deletion that withdrew the unwritten creation has reached all it was asked for."""
    state = State(life.state)
    if is_never_sent(life):
        return State.CONFIRMED
    if state is State.CANCELLED and deletes and known_row(life.command).effect in (Effect.ENTRY_CREATED, Effect.ACKNOWLEDGED):
        return State.CONFIRMED
    return state


def _content(
    pairs: Sequence[tuple[Receipt, Life]],
    state: State,
    worst: tuple[Receipt, Life],
    conflicts: Sequence[ConflictShown],
    total: int,
) -> Outcome:
    commands = [_command(receipt, life) for receipt, life in pairs]
    ids = _ids([receipt for receipt, _ in pairs])
    return Outcome(
        id=ids[0] if ids else None,
        ids=ids,
        state=str(state),
        detail=_detail(worst[1], state),
        advice=worst[1].advice if state is not State.CONFIRMED else "",
        joined=all(receipt.joined for receipt, _ in pairs),
        operation=worst[0].operation,
        total=total,
        commands=commands,
        conflicts=list(conflicts),
    )


def _detail(life: Life, state: State) -> str:
    if state is State.CONFIRMED and life.state == State.CANCELLED:
        return "What was to be deleted had not been sent yet and was withdrawn; the core never saw it."
    if state in FAILED or state is State.UNKNOWN:
        subject = life.host if life.service is None else f"{life.host}, {life.service}"
        return f"{subject} on {life.poller_name}: {words_of(life)}"
    if state is State.PROCESSED and life.reason:
        return f"The core read and executed it; {life.reason}."
    return SENTENCES[state]


def command_outcome(life: Life, *, entry_id: int | None = None, joined: bool = False, notes: Sequence[str] = ()) -> CommandOutcome:
    """One command as an answer shows it."""
    return CommandOutcome(
        id=entry_id if entry_id is not None else life.entry_id,
        command_id=life.id,
        command=life.command,
        poller=life.poller_name,
        host=life.host,
        service=life.service,
        state=life.state,
        detail=words_of(life),
        advice=life.advice,
        joined=joined,
        notes=list(notes),
        href=f"/v1/commands/{life.id}",
    )


def _command(receipt: Receipt, life: Life) -> CommandOutcome:
    return command_outcome(life, entry_id=receipt.entry_id, joined=receipt.joined, notes=receipt.notes)
