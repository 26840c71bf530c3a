"""What the journal forgets, and what it never may: what is under way, what stands in a core, and what the audit tells of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.commands.lifecycle import State, is_final
from engine.config import Settings
from engine.desk.audit import AuditFilter, page_of_audit
from engine.desk.values import Caller
from engine.journal.audit import AuditRow, add_audit
from engine.journal.batches import BatchRow, close_batch, insert_batch
from engine.journal.commands import CommandRow, insert_command
from engine.journal.history import EntryRow, insert_entry
from engine.journal.requests import KeyRow, insert_key, key_row
from engine.journal.retention import DAY_S, HOLD_S, Retention, size_of
from engine.journal.store import Journal

NOW = 1_800_000_000.0
LIVES, AUDIT, KEYS = 90 * DAY_S, 400 * DAY_S, 7 * DAY_S


@dataclass
class Clock:
    at: float = NOW
    tick_s: float = 0.0
    _monotonic: float = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        self._monotonic += self.tick_s
        return self._monotonic


@dataclass
class Past:
    """A journal with a past."""

    journal: Journal
    clock: Clock = field(default_factory=Clock)

    def prune(self) -> dict[str, int]:
        return Retention(self.journal, Settings(), self.clock).prune()

    def command(self, name: str, age_s: float, state: State = State.CONFIRMED, **more: Any) -> None:
        values: dict[str, Any] = {
            "seq": 0, "id": name, "operation": f"op-{name}", "name": "ADD_HOST_COMMENT", "poller": 1, "host": "web01",
            "service": "",
            "arguments": {}, "state": state, "reason": "", "accepted_at": NOW - age_s, "updated_at": NOW - age_s,
            "deadline_at": NOW,
            "entry_id": None, "twin_key": None, "twin_start": None, "twin_end": None, "seen_state_change": None, "author": "a",
            "user": "a", "address": "", "token": "", "epoch": None, "line": f"[1] LINE;{name}\n".encode(), "batch": None,
            "attempts": 1, "executed_at": None, "watch_from": None, "core_ids": (),
        }  # fmt: skip
        known = {key: value for key, value in (values | more).items() if key in CommandRow._fields}
        defaults = {name: "" if name == "cause" else 0 for name in CommandRow._fields if name not in known}
        with self.journal.transaction() as connection:
            insert_command(connection, CommandRow(**known, **defaults))
            connection.execute("UPDATE step SET evidence = 'the core said so' WHERE command_id = ?", (name,))
            add_audit(connection, AuditRow(NOW - age_s, "request", "a", operation=f"op-{name}"))

    def entry(self, number: int, age_s: float, present: int, command: str | None = None) -> None:
        row = EntryRow(
            id=number, kind="comment", poller=1, host="web01", service="", author="a", comment="c", proof="confirmed",
            present=present, entry_time=NOW - age_s, command_id=command,
        )  # fmt: skip
        with self.journal.transaction() as connection:
            insert_entry(connection, row)

    def values(self, query: str) -> set[Any]:
        return {row[0] for row in self.journal.connection.execute(query)}

    @property
    def commands(self) -> set[Any]:
        return self.values("SELECT id FROM command")


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    with closing(Journal.open(tmp_path)) as journal:
        yield Past(journal)


def test_what_is_over_for_long_goes_with_its_steps_and_the_rest_stays(past: Past) -> None:
    past.command("old", LIVES + 1)
    past.command("young", LIVES - 60)
    past.command("ended late", LIVES + 99, updated_at=NOW - 60)
    gone = past.prune()
    assert past.commands == {"young", "ended late"} and gone["commands"] == 1
    assert past.values("SELECT command_id FROM step") == {"young", "ended late"}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("watch_from", [None, 1.0])
def test_what_is_not_through_is_never_forgotten(past: Past, state: State, watch_from: float | None) -> None:
    past.command("it", 10 * LIVES, state, watch_from=watch_from)
    past.prune()
    assert (past.commands == set()) == is_final(state, watch_from is not None)
    assert past.values("SELECT operation FROM audit") == (set() if is_final(state, watch_from is not None) else {"op-it"})


def test_what_stands_in_a_core_is_never_forgotten_nor_what_made_it(past: Past) -> None:
    past.command("stands", 10 * LIVES)
    past.entry(1, 10 * LIVES, 1, "stands")
    past.command("ended", 10 * LIVES)
    past.entry(2, 10 * LIVES, 0, "ended")
    past.entry(3, LIVES - 60, 0)
    past.prune()
    assert past.commands == {"stands"}
    assert past.values("SELECT id FROM entry") == {1, 3}
    assert past.values("SELECT operation FROM audit") == {"op-stands"}


def test_the_audit_still_tells_the_bytes_and_the_outcome_of_a_forgotten_command(past: Past) -> None:
    past.command("old", LIVES + 1)
    past.prune()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("ATTACH ? AS journal", (str(past.journal.path),))
        (row,) = page_of_audit(connection, Caller("a", "a", "admin"), AuditFilter(host="web01", status="confirmed"), {})
        assert page_of_audit(connection, Caller("a", "a", "admin"), AuditFilter(command="old"), {}) == (row,)
    (command,) = row.commands
    assert (command.line, command.state, command.evidence) == (b"[1] LINE;old\n", "confirmed", "the core said so")


def test_the_audit_goes_in_its_time_and_all_that_belongs_to_it(past: Past) -> None:
    past.command("old", AUDIT + 60)
    past.command("young", AUDIT - 60)
    with past.journal.transaction() as connection:
        add_audit(connection, AuditRow(NOW - AUDIT - 30, "request", "b"), ["old"])
        add_audit(connection, AuditRow(NOW - AUDIT - 20, "login", "b"))
    past.prune()
    assert past.values("SELECT operation FROM audit") == {"op-young"}
    assert past.values("SELECT id FROM audit_command") == {"young"}
    assert past.values("SELECT command_id FROM audit_link") == set()


def test_only_retention_deletes_from_the_audit(past: Past) -> None:
    past.command("old", LIVES + 1)
    past.prune()
    with past.journal.transaction() as connection:
        add_audit(connection, AuditRow(NOW, "request", "b"), ["old"])
    for table in ("audit", "audit_command", "audit_link"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET rowid = 7" if table == "audit" else None):
            if statement is not None:
                with pytest.raises(sqlite3.IntegrityError, match="audit"), past.journal.transaction() as connection:
                    connection.execute(statement)
    for statement in ("UPDATE audit_command SET line = ''", "UPDATE audit_link SET audit = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="audit"), past.journal.transaction() as connection:
            connection.execute(statement)


def test_keys_and_batches(past: Past) -> None:
    with past.journal.transaction() as connection:
        for key, age in (("old", KEYS + 1), ("young", KEYS - 60)):
            insert_key(connection, KeyRow("a", key, b"f", "op", b"null", NOW - age))
        for token in ("old", "open", "young"):
            row = BatchRow(token, 1, b"x", (), "1:1", "", 0.0)
            insert_batch(connection, row, NOW - (60 if token == "young" else LIVES + 1))
            if token != "open":
                close_batch(connection, token)
    past.prune()
    assert key_row(past.journal.connection, "a", "old") is None and key_row(past.journal.connection, "a", "young") is not None
    assert past.values("SELECT token FROM batch") == {"open", "young"}


def test_steps_are_small_when_the_lock_is_held_for_long(past: Past) -> None:
    """Each step seems to take twice what it may: it must come down to one row at a time, and still finish."""
    for number in range(40):
        past.command(f"c{number:02}", LIVES + 100 - number)
    statements: list[str] = []
    past.journal.connection.set_trace_callback(lambda statement: statements.append(statement))
    past.clock.tick_s = 2 * HOLD_S
    retention = Retention(past.journal, Settings(), past.clock)
    retention._stopping.wait = lambda _=None: False  # type: ignore[method-assign, assignment]
    assert retention.prune()["commands"] == 40
    past.journal.connection.set_trace_callback(None)
    sizes = [int(statement.rsplit("LIMIT ", 1)[1]) for statement in statements if "FROM command c WHERE c.seq >" in statement]
    assert sizes[0] > 1 and sizes[5:] and set(sizes[5:]) == {1}


@given(st.lists(st.tuples(st.floats(0, 2 * LIVES), st.sampled_from(sorted(State)), st.booleans(), st.booleans()), max_size=25))
@settings(max_examples=15, deadline=None)
def test_whatever_the_past_was(tmp_path_factory: pytest.TempPathFactory, story: list[tuple[float, State, bool, bool]]) -> None:
    with closing(Journal.open(tmp_path_factory.mktemp("past"))) as journal:
        past = Past(journal)
        kept = set()
        for number, (age, state, watched, stands) in enumerate(sorted(story, key=lambda part: -part[0])):
            past.command(f"c{number}", age, State(state), watch_from=1.0 if watched else None)
            past.entry(number + 1, age, int(stands), f"c{number}")
            if age <= LIVES or not is_final(State(state), watched) or stands:
                kept.add(f"c{number}")
        past.prune()
        assert past.commands == kept
        assert past.values("SELECT operation FROM audit") == {f"op-c{number}" for number in range(len(story))}
        assert past.prune() == dict.fromkeys(past.prune(), 0)


def test_room_is_given_back_to_the_file_system(past: Past) -> None:
    with past.journal.transaction() as connection:
        for number in range(300):
            insert_key(connection, KeyRow("a", str(number), b"f", "op", b"x" * 4000, NOW - KEYS - 1))
    before = size_of(past.journal.connection, NOW)
    assert past.prune()["free pages"] > 0
    after = size_of(past.journal.connection, NOW)
    assert after.can_shrink and after.bytes < before.bytes / 3 and after.free_bytes < after.bytes / 4


def test_growth_is_measured_from_day_to_day(past: Past) -> None:
    past.clock.at = NOW // DAY_S * DAY_S + DAY_S - 60
    past.prune()
    assert size_of(past.journal.connection, past.clock.at).rows_per_day is None
    for number in range(100):
        past.command(f"c{number}", 0.0)
    size = size_of(past.journal.connection, past.clock.at + 2 * DAY_S)
    assert size.rows_per_day == pytest.approx(150, rel=0.1), "100 commands with a step and an audit row each, in two days"
    assert size.bytes_per_day and size.bytes_per_day > 10_000
    assert size.oldest["commands"] == NOW


def test_there_is_something_final_and_something_not() -> None:
    assert any(is_final(state, True) for state in State) and not all(is_final(state, True) for state in State)
