"""What a caller asks, turned into what will be journalled: one `Order` per external command. Pure: no clock, file or thread.

Everything that is known to fail is refused here, before a core could see it. Refusals that rest on the object's state are
made only while the poller's view is fresh, and only noted in the order: a twin that is joined, or a command of ours that is
still under way for the object, overrules them (see accept.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.commands.catalogue import CATALOGUE, FieldType, Members, Recheck, Row
from engine.commands.profiles import PROFILES, Profile
from engine.commands.wire import LINE_LIMIT, check_author, check_comment, check_name, encode, stored_comment
from engine.desk.checks import Asked, Window, check_allowed, core_now, fresh_age, second
from engine.desk.resolve import Found
from engine.desk.values import CheckResult
from engine.errors import CallerError, InvalidField, NotPossible, UnsupportedCommand
from engine.journal.history import EntryRow
from engine.model import CoreKind, ObjectKey

_PAST_CHECK_S = 60  # a check asked for a time a little ago means now; longer ago is a mistake
_CLOCK_SLACK_S = 1.0  # of a check time: callers round to whole seconds
ANY_CORE_ID = 2**31 - 1  # the longest a core's id gets, to measure the line before the id is known


class Twin(NamedTuple):
    """By what a repeated request is known. Windows are equal within 60 s; the other arguments must agree."""

    key: str
    start: float | None = None
    end: float | None = None


class Order(NamedTuple):
    """One command to be journalled.

    `entries` are drafts whose ids are minted with the insert. `refusal` is raised unless a twin is joined or one of `excused_by`
    (rows by name) is still under way for the object. `deletes` is the public id of an entry it is to remove.
    """

    row: Row
    found: Found
    arguments: Mapping[str, object]
    author: str
    accepted_at: float
    deadline_at: float
    seen_state_change: float | None = None
    entries: tuple[EntryRow, ...] = ()
    deletes: int | None = None
    twin: Twin | None = None
    refusal: CallerError | None = None
    excused_by: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


# --- orders ----------------------------------------------------------------------------------------------------------------------


def downtimes(who: Asked, found: Found, when: Window, comment: str, with_services: bool) -> list[Order]:
    """A host's or service's downtime; with `with_services` one or two commands, so that each object gets exactly one."""
    if found.key.service is not None:
        return [downtime_order(who, found, _row("SCHEDULE_SVC_DOWNTIME", found), when, comment)]
    host: list[str | None] = [None]
    if not with_services or not found.services:
        return [downtime_order(who, found, _row("SCHEDULE_HOST_DOWNTIME", found), when, comment)]
    if _profile(found).host_services_downtime_includes_host:
        return [_downtime(who, found, "SCHEDULE_HOST_SVC_DOWNTIME", when, comment, host + list(found.services))]
    return [
        _downtime(who, found, "SCHEDULE_HOST_DOWNTIME", when, comment, host),
        _downtime(who, found, "SCHEDULE_HOST_SVC_DOWNTIME", when, comment, list(found.services)),
    ]


def _downtime(who: Asked, found: Found, name: str, when: Window, comment: str, members: list[str] | list[str | None]) -> Order:
    keys = tuple(ObjectKey(found.key.poller, found.key.host, service) for service in members)
    return downtime_order(who, found._replace(members=keys), _row(name, found), when, comment)


def downtime_order(who: Asked, found: Found, row: Row, when: Window, comment: str, trigger: int = 0) -> Order:
    """Downtimes on every member of what is named. `trigger`: public id of the downtime that starts them."""
    same = _same_downtimes(who, found, row, when, comment, trigger)
    members = found.members
    if row.name == "SCHEDULE_HOST_SVC_DOWNTIME" and _profile(found).host_services_downtime_includes_host:
        members = tuple(dict.fromkeys((found.key, *members)))
    twin = Twin(f"{same.twin[0]}{_twin_target(found)}{same.twin[1]}", float(when.start), float(when.end))
    return _order(
        who,
        found,
        row,
        same.arguments,
        entries=tuple([_on(same.draft, key) for key in members or (found.key,)]),
        twin=twin,
        notes=same.notes,
        line=same.line,
    )


@dataclass(slots=True)
class _Line:
    """A line of which only the names vary: how many bytes they may have together. None before one was written."""

    room: int | None = None


class _SameDowntimes(NamedTuple):
    """What the downtimes of one call have in common on one poller: it is worked out once for thousands."""

    arguments: dict[str, object]
    draft: EntryRow
    twin: tuple[str, str]  # what stands before and behind the target in the twin's key
    notes: tuple[str, ...]
    line: _Line


def _same_downtimes(who: Asked, found: Found, row: Row, when: Window, comment: str, trigger: int) -> _SameDowntimes:
    """Raises InvalidField for what no target could have."""
    key = ("downtimes", row.name, found.key.poller, when, comment, trigger)
    same: _SameDowntimes | None = who.checked.get(key)
    if same is not None:
        return same
    if when.end <= core_now(who, found):
        raise InvalidField(
            f"The window ends in the past by the clock of {found.poller.name}: no core schedules that.", field="end", end=when.end
        )
    text, notes = _comment(who, comment, row, found)
    timing = {"start": when.start, "end": when.end, "fixed": when.fixed, "trigger": trigger, "duration": when.duration}
    draft = _draft(
        who,
        found,
        row,
        text,
        start_time=float(when.start),
        end_time=float(when.end),
        fixed=int(when.fixed),
        duration=float(when.duration),
    )
    arguments: dict[str, object] = timing | {"author": who.author, "comment": text}
    line = _line(who, found, row, arguments)
    same = _SameDowntimes(arguments, draft, _twin_words(row, found, who, text), when.notes + notes, line)
    who.checked[key] = same
    return same


def plain_order(who: Asked, found: Found, row: Row, arguments: Mapping[str, object]) -> Order:
    """A command that makes no entry and can be refused by its words alone."""
    rest = {name: value for name, value in arguments.items() if name not in ("host", "service") or not found.key.host}
    return _order(who, found, row, {"service": arguments["service"], **rest} if "service" in arguments else rest)


def acknowledgement(
    who: Asked, found: Found, comment: str, sticky: bool, notify: bool, persistent: bool, expire: int | None = None
) -> Order:
    """Refuses (unless overruled) an object that is OK, UP or pending, and on Icinga 2 one that is acknowledged already.

    Where the core cannot end it at `expire`, its lane does (pollers/expiry.py).
    """
    name = _by_object("ACKNOWLEDGE_HOST_PROBLEM", "ACKNOWLEDGE_SVC_PROBLEM", found)
    by_core = expire is not None and found.poller.kind in CATALOGUE[f"{name}_EXPIRE"].kinds
    row = _row(f"{name}_EXPIRE" if by_core else name, found)
    if expire is not None and expire <= core_now(who, found):
        raise InvalidField("expire lies in the past: the acknowledgement would end at once.", field="expire")
    text, notes = _comment(who, comment, row, found)
    flags: dict[str, object] = {"sticky": sticky, "notify": notify, "persistent": persistent}
    if expire is not None:
        flags["expire"] = expire
    refusal, excused_by = _acknowledging_refused(who, found)
    state = found.row.state if found.row is not None else None
    draft = _draft(
        who,
        found,
        row,
        text,
        sticky=int(sticky),
        notify=int(notify),
        persistent=int(persistent),
        object_state=state,
        end_time=None if expire is None else float(expire),
    )
    return _order(
        who,
        found,
        row,
        flags | {"author": who.author, "comment": text},
        entries=(_on(draft, found.key),),
        twin=_acknowledgement_twin(_twin_key(row, found, who, text), expire),
        refusal=refusal,
        excused_by=excused_by,
        notes=notes,
    )


def _acknowledgement_twin(key: str, expire: int | None) -> Twin:
    """One that ends is another than one that stays."""
    return Twin(key) if expire is None else Twin(f"{key}\x1fexpire", float(expire), float(expire))


def _acknowledging_refused(who: Asked, found: Found) -> tuple[NotPossible | None, frozenset[str]]:
    age_s = fresh_age(who, found)
    if age_s is None or found.row is None:
        return None, frozenset()
    if found.row.state == 0 or not found.row.has_been_checked:
        word = "pending" if not found.row.has_been_checked else "OK" if found.key.service is not None else "UP"
        reason = f"{found.label} is {word} by a view {age_s:.0f} s old: there is no problem to acknowledge."
        results = frozenset({_by_object("PROCESS_HOST_CHECK_RESULT", "PROCESS_SERVICE_CHECK_RESULT", found)})
        return _not_possible(reason, found, age_s), results
    if found.row.acknowledged and found.poller.kind is CoreKind.ICINGA2:
        reason = (
            f"{found.label} is acknowledged already by a view {age_s:.0f} s old, and Icinga 2 takes one acknowledgement only:"
            " remove that one first."
        )
        removals = frozenset({_by_object("REMOVE_HOST_ACKNOWLEDGEMENT", "REMOVE_SVC_ACKNOWLEDGEMENT", found)})
        return _not_possible(reason, found, age_s), removals
    return None, frozenset()


def removal(who: Asked, found: Found, entry_id: int | None = None) -> Order:
    """Takes an acknowledgement back. `entry_id` None: whichever stands; the accept finds it."""
    row = _row(_by_object("REMOVE_HOST_ACKNOWLEDGEMENT", "REMOVE_SVC_ACKNOWLEDGEMENT", found), found)
    age_s = fresh_age(who, found)
    refusal = None
    if entry_id is None and age_s is not None and found.row is not None and not found.row.acknowledged:
        reason = f"{found.label} is not acknowledged by a view {age_s:.0f} s old: there is nothing to remove."
        refusal = _not_possible(reason, found, age_s)
    acks = frozenset({_by_object("ACKNOWLEDGE_HOST_PROBLEM", "ACKNOWLEDGE_SVC_PROBLEM", found)})
    return _order(who, found, row, {}, deletes=entry_id, refusal=refusal, excused_by=acks)


def comment_order(who: Asked, found: Found, comment: str, persistent: bool) -> Order:
    """A user's comment."""
    row = _row(_by_object("ADD_HOST_COMMENT", "ADD_SVC_COMMENT", found), found)
    text, notes = _comment(who, comment, row, found)
    return _order(
        who,
        found,
        row,
        {"persistent": persistent, "author": who.author, "comment": text},
        entries=(_on(_draft(who, found, row, text, persistent=int(persistent)), found.key),),
        twin=Twin(_twin_key(row, found, who, text)),
        notes=notes,
    )


def deletion(who: Asked, found: Found, entry: EntryRow) -> Order:
    """Removes a downtime, comment or acknowledgement by its public id."""
    if entry.kind == "acknowledgement":
        return removal(who, found, entry.id)
    host_name, service_name = {"downtime": ("DEL_HOST_DOWNTIME", "DEL_SVC_DOWNTIME")}.get(
        entry.kind, ("DEL_HOST_COMMENT", "DEL_SVC_COMMENT")
    )
    row = _row(_by_object(host_name, service_name, found), found)
    arguments: dict[str, object] = {"entry": entry.id, "service": found.key.service}
    return _order(who, found, row, arguments, deletes=entry.id)


def checks(who: Asked, found: Found, at: float | None, forced: bool = True, with_services: bool = False) -> list[Order]:
    """A check, and with `with_services` one of each of a host's services; now, or at a time that lies ahead."""
    kind = "SCHEDULE_FORCED" if forced else "SCHEDULE"
    orders = [check(who, found, _row(f"{kind}_{_by_object('HOST', 'SVC', found)}_CHECK", found), at)]
    if with_services and found.poller.kind is CoreKind.ICINGA2:
        # Its own command for all of a host's services lost some of the checks under 2.13.6. Why is a guess: it sets the time before
        # it says that the check is forced, and its checker, if it looks in between, drops the check.
        row = _row(f"{kind}_SVC_CHECK", found)
        keys = [ObjectKey(found.key.poller, found.key.host, service) for service in found.services]
        orders += [check(who, found._replace(key=key, row=None), row, at) for key in keys]
    elif with_services and found.services:
        orders.append(check(who, found, _row(f"{kind}_HOST_SVC_CHECKS", found), at))
    return orders


def check(who: Asked, found: Found, row: Row, at: float | None) -> Order:
    """Refuses (unless overruled) one that is not forced where active checks are off: the core would drop it."""
    now = core_now(who, found)
    when = int(now) if at is None else second(at, "at")
    notes: tuple[str, ...] = ()
    if when < int(now):
        if when < now - _PAST_CHECK_S:
            raise InvalidField("The time of the check lies in the past: leave it out to check now.", field="at", at=when)
        when = int(now)
        notes = ("The time of the check had passed: it is asked for now.",)
    if row.on is Members.ITSELF and found.row is not None and found.row.has_been_checked and now + 1 > found.row.last_check >= when:
        when = int(found.row.last_check) + 1  # else the check that has just run would be taken for the one asked for
    refusal = None if row.forced or row.on is not Members.ITSELF else _checks_are_off(who, found)
    enabling = frozenset({_by_object("ENABLE_HOST_CHECK", "ENABLE_SVC_CHECK", found)})
    return _order(who, found, row, {"at": when}, refusal=refusal, excused_by=enabling, notes=notes)


def _checks_are_off(who: Asked, found: Found) -> NotPossible | None:
    age_s = fresh_age(who, found)
    if age_s is None or found.row is None or found.row.checks_enabled:
        return None
    reason = f"Active checks of {found.label} are off by a view {age_s:.0f} s old: only a forced check would be made."
    return _not_possible(reason, found, age_s)


def notification(who: Asked, found: Found, comment: str, options: int) -> Order:
    """A custom notification. `options`: the sum of 1 to all contacts, 2 forced, 4 counts as one of the problem's."""
    row = _row(_by_object("SEND_CUSTOM_HOST_NOTIFICATION", "SEND_CUSTOM_SVC_NOTIFICATION", found), found)
    text, notes = _comment(who, comment, row, found)
    arguments: dict[str, object] = {"options": options, "author": check_author(who.author), "comment": text}
    return _order(who, found, row, arguments, notes=notes)


def passive_result(who: Asked, found: Found, result: CheckResult) -> Order:
    """A passive result. The highest return code depends on object and kind of core."""
    return _order(who, found, _result_row(found), _result(who, found, result))


def result_line(who: Asked, found: Found, result: CheckResult) -> bytes:
    """The line of one of many results: nothing in it is known only when it is written. Its time is the check's."""
    arguments = _result(who, found, result)
    named = {"host": found.key.host, "service": found.key.service}
    return _encoded(who, found, _result_row(found), named | arguments, _second(arguments["checked_at"]))


def _result_row(found: Found) -> Row:
    return _row(_by_object("PROCESS_HOST_CHECK_RESULT", "PROCESS_SERVICE_CHECK_RESULT", found), found)


def _second(value: object) -> int:
    assert isinstance(value, int)
    return value


def _result(who: Asked, found: Found, result: CheckResult) -> dict[str, object]:
    highest = 3 if found.key.service is not None else 1 if found.poller.kind is CoreKind.ICINGA2 else 2
    if isinstance(result.return_code, bool) or not 0 <= result.return_code <= highest:
        kind = "service" if found.key.service is not None else f"host of {found.poller.kind}"
        raise InvalidField(f"return_code must be 0 to {highest} for a {kind}.", field="return_code")
    now = core_now(who, found)
    checked_at = now if result.checked_at is None else float(second(result.checked_at, "checked_at"))
    if checked_at > now + _CLOCK_SLACK_S:
        raise InvalidField("checked_at lies in the future: a check that is yet to come has no result.", field="checked_at")
    return {"return_code": result.return_code, "output": _output(result), "checked_at": int(min(checked_at, now))}


def _output(result: CheckResult) -> str:
    """Plugin output with the performance data behind the first line, as a plugin prints it."""
    first, newline, rest = result.plugin_output.partition("\n")
    if not result.perf_data:
        return result.plugin_output
    if "\n" in result.perf_data:
        raise InvalidField("perf_data is one line: put what follows into plugin_output.", field="perf_data")
    if "|" in first:
        raise InvalidField(
            "plugin_output holds `|`, behind which cores look for performance data: give that as perf_data only.",
            field="plugin_output",
        )
    return f"{first}|{result.perf_data}{newline}{rest}"


# --- pieces ----------------------------------------------------------------------------------------------------------------------


def _order(
    who: Asked,
    found: Found,
    row: Row,
    arguments: dict[str, object],
    *,
    entries: tuple[EntryRow, ...] = (),
    deletes: int | None = None,
    twin: Twin | None = None,
    refusal: CallerError | None = None,
    excused_by: frozenset[str] = frozenset(),
    notes: tuple[str, ...] = (),
    line: _Line | None = None,
) -> Order:
    named: dict[str, object] = {"host": found.key.host} if found.key.host else {}
    if found.name:
        named[row.subject.value] = found.name
    if found.key.service is not None:
        named["service"] = found.key.service
    meaning = named | arguments
    check_allowed(row, who.caller, who.settings)
    _check_line(who, found, row, named, arguments, line or _line(who, found, row, arguments))
    seen = found.row.last_state_change if found.row is not None and row.recheck is Recheck.SAME_PROBLEM else None
    return Order(
        row=row,
        found=found,
        arguments=meaning,
        author=str(meaning.get("author", who.author)),
        accepted_at=who.now,
        deadline_at=_deadline(who, found, row, meaning),
        seen_state_change=seen,
        entries=entries,
        deletes=deletes,
        twin=twin,
        refusal=refusal,
        excused_by=excused_by,
        notes=notes,
    )


def _line(who: Asked, found: Found, row: Row, arguments: Mapping[str, object]) -> _Line:
    key = (row.name, found.poller.kind, tuple(arguments.items()))
    line: _Line = who.checked.setdefault(key, _Line())
    return line


def _check_line(
    who: Asked, found: Found, row: Row, named: Mapping[str, object], arguments: Mapping[str, object], line: _Line
) -> None:
    """Raises InvalidField when the line could not be written. Of what an earlier line equals but in names, these are checked."""
    names = sum([_bytes_in(name) for name in named.values() if isinstance(name, str)])
    if line.room is None or names > line.room:
        line.room = LINE_LIMIT - len(_encoded(who, found, row, {**named, **arguments}, int(who.now))) + names
        return
    for field, name in named.items():
        if isinstance(name, str) and (field, name) not in who.checked:
            check_name(name, field)
            who.checked[field, name] = True


def _bytes_in(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))


def _encoded(who: Asked, found: Found, row: Row, arguments: Mapping[str, object], epoch: int) -> bytes:
    """Raises InvalidField when the line could not be written; its length does not depend on the moment of writing."""
    try:
        return encode(row, arguments, epoch, ANY_CORE_ID, _profile(found))
    except InvalidField as error:
        if error.facts.get("field") != "output":
            raise
        raise InvalidField(str(error).replace("output", "plugin_output"), **error.facts | {"field": "plugin_output"}) from error


def _deadline(who: Asked, found: Found, row: Row, arguments: Mapping[str, object]) -> float:
    """When a held command is given up, by our clock."""
    if row.ttl is not None:
        given_up_at = who.now + float(getattr(who.settings, row.ttl))
        expire = arguments.get("expire") if row.entry_kind == "acknowledgement" else None
        return min(given_up_at, expire - found.clock_offset_s) if isinstance(expire, int) else given_up_at
    end = arguments["end"]
    assert isinstance(end, int)
    return end - found.clock_offset_s


def _draft(who: Asked, found: Found, row: Row, text: str, **columns: Any) -> EntryRow:
    """What a command is to make, whichever object it is for."""
    assert row.entry_kind is not None
    return EntryRow(
        id=0,
        kind=row.entry_kind,
        poller=found.key.poller,
        host="",
        service="",
        author=who.author,
        comment=text,
        proof="accepted",
        present=1,
        entry_time=math.floor(core_now(who, found)),
        reference=who.reference,
        **columns,
    )


def _on(draft: EntryRow, key: ObjectKey) -> EntryRow:
    """The draft of that object."""
    return EntryRow._make((*draft[:3], key.host, key.service or "", *draft[5:]))


def _comment(who: Asked, text: str, row: Row, found: Found) -> tuple[str, tuple[str, ...]]:
    """(the text as the core will store it, what had to be changed)."""
    key = ("comment", text, row.name, found.poller.kind)
    if key not in who.checked:
        check_author(who.author)
        who.checked[key] = _stored(text, row, found)
    checked: tuple[str, tuple[str, ...]] = who.checked[key]
    return checked


def _stored(text: str, row: Row, found: Found) -> tuple[str, tuple[str, ...]]:
    stored = stored_comment(check_comment(text), row, _profile(found))
    if ";" in text and ";" not in stored:
        kind = found.poller.kind
        return stored, (f"`;` in the comment was replaced by `,`: {kind} would end the text there.",)
    return stored, ()


def _row(name: str, found: Found) -> Row:
    row = CATALOGUE[name]
    if found.poller.kind not in row.kinds:
        raise UnsupportedCommand(
            f"{found.poller.name} runs {found.poller.kind}, which does not know {name}.", command=name, poller=found.poller.name
        )
    return row


def _twin_key(row: Row, found: Found, who: Asked, text: str) -> str:
    before, behind = _twin_words(row, found, who, text)
    return f"{before}{_twin_target(found)}{behind}"


def _twin_words(row: Row, found: Found, who: Asked, text: str) -> tuple[str, str]:
    """What stands before and behind the target in a twin's key."""
    reference = f"\x1f{who.reference}" if who.reference else ""
    return f"{row.name}\x1f{found.key.poller}\x1f", f"\x1f{who.author}\x1f{text}{reference}"


def _twin_target(found: Found) -> str:
    return f"{found.key.host};{found.key.service}" if found.key.service is not None else found.key.host or f";{found.name}"


def same_meaning(row: Row, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Do two commands with the same twin key ask for the same, as far as flags and flexible durations go?"""
    flags = [field.name for field in row.fields if field.type in (FieldType.BOOL, FieldType.STICKY)]
    if any(bool(one.get(name)) != bool(other.get(name)) for name in flags):
        return False
    if "fixed" not in flags or one.get("fixed"):
        return True
    mine, theirs = one.get("duration"), other.get("duration")
    return isinstance(mine, int) and isinstance(theirs, int) and abs(mine - theirs) <= 60


def _by_object(host_name: str, service_name: str, found: Found) -> str:
    return host_name if found.key.service is None else service_name


def _profile(found: Found) -> Profile:
    return PROFILES[found.poller.kind]


def _not_possible(reason: str, found: Found, age_s: float) -> NotPossible:
    return NotPossible(reason, host=found.key.host, service=found.key.service, poller=found.poller.name, age_s=round(age_s, 1))
