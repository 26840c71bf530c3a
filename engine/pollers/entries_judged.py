"""Did a command make the downtimes or comments it was to make, or take away the one it was to delete?

Judged by the journal's entries after a generation was reconciled with them (journal/history.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from engine.commands.proof import Effected, Judgement, Seen, is_decisive
from engine.journal.commands import CommandRow
from engine.journal.history import EntryRow, entry_by_id


def judge_created(made: Sequence[EntryRow], created: float, executed_at: float, deadline_s: float) -> Judgement:
    """All that the command makes stands in the status file."""
    shown = [entry for entry in made if entry.core_id is not None]
    ids = tuple(entry.core_id for entry in shown if entry.core_id is not None)
    if made and len(shown) == len(made):
        kind = made[0].kind
        words = ", ".join(f"{kind}_id={number}" for number in ids[:20])
        return Judgement(Effected.YES, f"{words} in the status file of {created:.0f}", core_ids=ids)
    if not is_decisive(Seen(created, 0.0, None), executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    missing = ", ".join(f"{entry.host}{'/' + entry.service if entry.service else ''}" for entry in made if entry.core_id is None)
    if not shown and all(entry.end_time is not None and entry.end_time <= created for entry in made):
        return Judgement(Effected.CLEARED, reason="its window ended before a status file could show it")
    evidence = f"{len(shown)} of {len(made)} in the status file of {created:.0f}" if shown else ""
    return Judgement(Effected.NO, evidence, f"not in the status file of {created:.0f}: {missing}", ids)


def triggered_by(
    connection: sqlite3.Connection, command: CommandRow, made: Sequence[EntryRow]
) -> tuple[int | None, Sequence[EntryRow]]:
    """The core's id of the downtime that starts others (None: none does), and which those are."""
    if command.name == "SCHEDULE_AND_PROPAGATE_TRIGGERED_HOST_DOWNTIME":
        host = next((entry for entry in made if entry.host == command.host), None)
        return (host.core_id if host is not None else None), [entry for entry in made if entry.host != command.host]
    trigger = command.arguments.get("trigger")
    starter = entry_by_id(connection, trigger) if isinstance(trigger, int) and trigger else None
    return (starter.core_id if starter is not None and starter.present else None), made


def judge_triggered(judgement: Judgement, starter: int, loose: Sequence[EntryRow], created: float) -> Judgement:
    """And each is started by the one that is to start it."""
    if not loose:
        return Judgement(Effected.YES, f"{judgement.evidence}, triggered_by={starter}", core_ids=judgement.core_ids)
    names = ", ".join(sorted(entry.host for entry in loose)[:20])
    reason = f"not triggered_by={starter} in the status file of {created:.0f}: {names}"
    return Judgement(Effected.NO, judgement.evidence, reason, judgement.core_ids)


def judge_gone(entry: EntryRow | None, created: float, executed_at: float, deadline_s: float) -> Judgement:
    """The entry no longer stands in a status file written after the execution."""
    if entry is None or not entry.present:
        if created <= executed_at:
            return Judgement(Effected.NOT_YET)
        core_id = entry.core_id if entry else None
        return Judgement(Effected.YES, f"id {core_id} is not in the status file of {created:.0f}")
    if not is_decisive(Seen(created, 0.0, None), executed_at, deadline_s):
        return Judgement(Effected.NOT_YET)
    return Judgement(Effected.NO, reason=f"id {entry.core_id} still stands in the status file of {created:.0f}")
