"""Entries against generations of the status file: whose block is whose, what ended and why."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.journal.history import (
    Acknowledged,
    EntryRow,
    Moment,
    Written,
    entries,
    entries_of,
    entry_by_id,
    insert_entry,
    reconcile_acknowledgements,
    reconcile_comments,
    reconcile_downtimes,
    update_entry,
)
from engine.journal.identities import next_ids
from engine.journal.schema import upgrade
from engine.model import CommentStatus, DowntimeStatus


@dataclass
class Book:
    """A journal in memory and a core that writes generations."""

    connection: sqlite3.Connection
    created: float = 1000.0
    start: float = 500.0
    written: dict[int, Written] = field(default_factory=dict)
    deleted_by: Callable[[EntryRow], str | None] = lambda entry: None

    def own(self, kind: str = "downtime", proof: str = "accepted", **columns: object) -> int:
        (entry_id,) = next_ids(self.connection, 1, "entry", 1)
        base: dict[str, object] = {
            "id": entry_id,
            "kind": kind,
            "poller": 1,
            "host": "h",
            "service": "",
            "author": "ann",
            "comment": "why",
            "proof": proof,
            "present": 1,
            "entry_time": 900.0,
            "command_id": "c1",
        }
        if kind == "downtime":
            base |= {"start_time": 900.0, "end_time": 2000.0, "fixed": 1, "duration": 1100.0}
        insert_entry(self.connection, EntryRow(**(base | columns)))  # type: ignore[arg-type]
        return entry_id

    def moment(self) -> Moment:
        self.created += 10
        return Moment(1, self.created, self.start, self.written, self.deleted_by)

    def downtimes(self, *blocks: DowntimeStatus) -> None:
        reconcile_downtimes(self.connection, self.moment(), blocks)

    def comments(self, *blocks: CommentStatus) -> None:
        reconcile_comments(self.connection, self.moment(), blocks)

    def acknowledgements(self, *standing: Acknowledged) -> None:
        reconcile_acknowledgements(self.connection, self.moment(), standing)

    def entry(self, entry_id: int) -> EntryRow:
        found = entry_by_id(self.connection, entry_id)
        assert found is not None
        return found

    def all(self) -> list[EntryRow]:
        return entries(self.connection, "1 ORDER BY id", ())

    def strangers(self) -> list[EntryRow]:
        return [entry for entry in self.all() if entry.command_id is None]


@pytest.fixture
def book() -> Iterator[Book]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(connection, Path("unused"))
    yield Book(connection)
    connection.close()


def downtime(core_id: int = 1, **columns: object) -> DowntimeStatus:
    base = DowntimeStatus("h", None, core_id, 900.0, 900.0, 2000.0, 0.0, 0, 1, 1100.0, 1, 1, "ann", "why", 0)
    return base._replace(**columns)


def comment(core_id: int = 1, **columns: object) -> CommentStatus:
    return CommentStatus("h", None, core_id, 1, 1, 1, 900.0, 0, 0.0, "ann", "why", 0)._replace(**columns)


EXACT = Written(900.0, True, "why")
EARLIEST = Written(900.0, False, "why")


# --- binding -----------------------------------------------------------------------------------------------------------------


def test_an_own_entry_is_bound_once_written_and_keeps_its_id(book: Book) -> None:
    mine = book.own()
    book.downtimes(downtime(7))  # its line was not written yet: somebody else's, equal in everything
    assert book.entry(mine).core_id is None
    assert [entry.core_id for entry in book.strangers()] == [7]
    book.written = {mine: EXACT}
    book.downtimes(downtime(7), downtime(8))
    found = book.entry(mine)
    assert (found.core_id, found.core_start, found.proof, found.present) == (8, 500.0, "confirmed", 1)
    assert len(book.all()) == 2
    assert entries_of(book.connection, "c1") == [found]


def test_the_comment_becomes_what_the_core_stored(book: Book) -> None:
    mine = book.own(comment="a;b ")
    book.written = {mine: Written(900.0, True, "a,b")}
    book.downtimes(downtime(comment="a,b"))
    assert book.entry(mine).comment == "a,b"
    book.written = {}
    book.downtimes(downtime(comment="a,b"))
    assert book.entry(mine).core_id == 1
    assert book.strangers() == []


def test_an_entry_never_seen_is_left_to_the_lane(book: Book) -> None:
    mine = book.own()
    book.written = {mine: EXACT}
    book.downtimes()
    found = book.entry(mine)
    assert (found.present, found.proof, found.core_id) == (1, "accepted", None)


def test_icinga2_stamps_with_its_own_clock(book: Book) -> None:
    mine = book.own()
    book.written = {mine: EARLIEST}
    book.downtimes(downtime(3, entry_time=898.0), downtime(4, entry_time=901.5, duration=0.0))
    assert book.entry(mine).core_id == 4
    assert book.entry(mine).entry_time == 901.5
    assert book.entry(mine).duration == 1100.0
    assert [entry.core_id for entry in book.strangers()] == [3]


def test_renumbered_ids_follow_their_entries(book: Book) -> None:
    """Icinga 2 gives new numbers at every reload."""
    book.downtimes(downtime(1, comment="a"), downtime(2, comment="b"), downtime(3, entry_time=950.0, comment="a"))
    before = {(entry.comment, entry.entry_time): entry.id for entry in book.all()}
    book.start = 1015.0
    book.downtimes(downtime(3, comment="a"), downtime(1, comment="b"), downtime(2, entry_time=950.0, comment="a"))
    after = {(entry.comment, entry.entry_time): (entry.id, entry.core_id, entry.core_start) for entry in book.all()}
    assert after == {
        ("a", 900.0): (before["a", 900.0], 3, 1015.0),
        ("b", 900.0): (before["b", 900.0], 1, 1015.0),
        ("a", 950.0): (before["a", 950.0], 2, 1015.0),
    }


def test_a_core_id_used_again_after_a_crash_is_another_entry(book: Book) -> None:
    book.downtimes(downtime(5, comment="old"))
    (old,) = book.all()
    book.start = 1015.0
    book.downtimes(downtime(5, comment="new"))
    first, second = book.all()
    assert (first.id, first.present, first.cancelled) == (old.id, 0, 1)
    assert (second.comment, second.present, second.core_id) == ("new", 1, 5)


def test_pollers_and_objects_are_kept_apart(book: Book) -> None:
    other_poller = book.own(poller=2, core_id=1, proof="confirmed")
    service = book.own(service="s", proof="accepted")
    book.written = {service: EXACT}
    book.downtimes(downtime(1))
    assert book.entry(other_poller).present == 1
    assert book.entry(service).core_id is None
    assert [entry.service for entry in book.strangers()] == [""]


# --- what ended, and why -----------------------------------------------------------------------------------------------------


def test_a_downtime_at_its_end_has_expired(book: Book) -> None:
    book.downtimes(downtime(end_time=1025.0))
    book.created = 1030.0
    book.downtimes()
    (ended,) = book.all()
    assert (ended.present, ended.cancelled, ended.deleted_at, ended.actual_end) == (0, 0, None, 1025.0)
    assert ended.is_in_effect == 0


@pytest.mark.parametrize(("ends", "cancelled"), [(1030.0, 0), (1031.0, 0), (1031.5, 1), (1032.0, 1)])
def test_a_downtime_that_its_core_ended_a_moment_early_was_not_cancelled(book: Book, ends: float, cancelled: int) -> None:
    """Nagios fires events up to 0.1 s before their time: the status file of that moment is dated in the second before."""
    book.downtimes(downtime(end_time=ends))
    book.created = 1020.0  # the next one is of 1030
    book.downtimes()
    (ended,) = book.all()
    assert (ended.present, ended.cancelled, ended.deleted_at is None, ended.actual_end) == (0, cancelled, not cancelled, 1030.0)


def test_a_flexible_downtime_ends_when_its_duration_is_over(book: Book) -> None:
    book.downtimes(downtime(fixed=0, duration=30.0, actual_start=1000.0, end_time=5000.0))
    book.created = 1040.0
    book.downtimes()
    (ended,) = book.all()
    assert (ended.present, ended.cancelled, ended.actual_end) == (0, 0, 1030.0)


def test_a_flexible_downtime_gone_before_its_time_was_cancelled(book: Book) -> None:
    book.downtimes(downtime(fixed=0, duration=300.0, actual_start=1000.0, end_time=5000.0))
    book.downtimes()
    (ended,) = book.all()
    assert (ended.present, ended.cancelled, ended.deleted_at, ended.actual_end) == (0, 1, 1020.0, 1020.0)


def test_a_flexible_downtime_that_never_began_expires_with_its_window(book: Book) -> None:
    book.downtimes(downtime(fixed=0, duration=300.0, is_in_effect=0, end_time=1015.0))
    book.downtimes()
    (ended,) = book.all()
    assert (ended.present, ended.cancelled, ended.actual_end) == (0, 0, None)


def test_deleted_by_us_says_by_whom(book: Book) -> None:
    book.downtimes(downtime())
    book.deleted_by = lambda entry: "bob"
    book.downtimes()
    (ended,) = book.all()
    assert (ended.present, ended.cancelled, ended.deleted_by, ended.deleted_at) == (0, 1, "bob", 1020.0)


def test_deleted_by_somebody_else_says_only_that(book: Book) -> None:
    book.downtimes(downtime())
    book.downtimes()
    (ended,) = book.all()
    assert (ended.cancelled, ended.deleted_by) == (1, None)


def test_what_ended_stays_ended(book: Book) -> None:
    book.downtimes(downtime())
    book.downtimes()
    (before,) = book.all()
    book.downtimes()
    assert book.all() == [before]


# --- comments ----------------------------------------------------------------------------------------------------------------


def test_only_users_comments_are_entries(book: Book) -> None:
    book.comments(comment(1), comment(2, entry_type=2), comment(3, entry_type=3), comment(4, entry_type=4))
    assert [entry.core_id for entry in book.all()] == [1]
    assert book.all()[0].proof == "seen"


def test_equal_comments_are_two_entries(book: Book) -> None:
    first, second = book.own("comment"), book.own("comment")
    book.written = {first: EXACT, second: Written(901.0, True, "why")}
    book.comments(comment(12), comment(11, entry_time=901.0))
    assert (book.entry(first).core_id, book.entry(second).core_id) == (12, 11)


# --- acknowledgements --------------------------------------------------------------------------------------------------------


def standing(ack: CommentStatus | None, service: str = "") -> Acknowledged:
    return Acknowledged("h", service, True, 1, ack)


ACK = comment(4, entry_type=4)


def test_an_acknowledgement_set_elsewhere_gets_an_entry_and_ends_with_it(book: Book) -> None:
    book.acknowledgements(standing(ACK))
    book.acknowledgements(standing(ACK))
    (entry,) = book.all()
    assert (entry.proof, entry.author, entry.sticky, entry.object_state, entry.core_id) == ("seen", "ann", 1, 1, 4)
    book.acknowledgements()
    (entry,) = book.all()
    assert entry.present == 0


def test_an_own_acknowledgement_in_flight_is_neither_doubled_nor_ended(book: Book) -> None:
    mine = book.own("acknowledgement", "processed")
    book.acknowledgements()
    assert book.entry(mine).present == 1
    book.acknowledgements(standing(ACK))
    book.acknowledgements(standing(ACK._replace(author="bob")))
    assert [entry.id for entry in book.all()] == [mine]
    assert book.entry(mine).present == 1


def test_an_own_confirmed_one_follows_its_comment(book: Book) -> None:
    mine = book.own("acknowledgement", "confirmed", core_id=4)
    book.start = 1015.0
    book.acknowledgements(standing(ACK._replace(core_id=9)))
    assert (book.entry(mine).core_id, book.entry(mine).core_start) == (9, 1015.0)


def test_a_newer_acknowledgement_takes_the_place_of_the_older(book: Book) -> None:
    book.acknowledgements(standing(ACK))
    book.acknowledgements(standing(ACK._replace(core_id=5, author="bob", entry_time=1015.0)))
    old, new = book.all()
    assert (old.present, new.present, new.author) == (0, 1, "bob")


def test_an_acknowledgement_whose_comment_is_gone_still_stands(book: Book) -> None:
    book.acknowledgements(standing(ACK))
    mine = book.own("acknowledgement", "processed")
    book.acknowledgements(standing(None))
    old = book.strangers()[0]
    assert old.present == 1
    assert book.entry(mine).proof == "processed"


def test_a_host_and_its_service_are_two(book: Book) -> None:
    book.acknowledgements(standing(ACK), standing(ACK._replace(service_description="s", core_id=5), "s"))
    book.acknowledgements(standing(ACK._replace(service_description="s", core_id=5), "s"))
    assert [(entry.service, entry.present) for entry in book.all()] == [("", 0), ("s", 1)]


def test_columns_are_set_by_name(book: Book) -> None:
    mine = book.own()
    update_entry(book.connection, mine, proof="processed", present=0)
    assert (book.entry(mine).proof, book.entry(mine).present) == ("processed", 0)


# --- sequences of generations ------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_over_any_generations_each_block_has_one_entry_and_keeps_it(seed: int) -> None:
    """A core that adds, deletes, renumbers and writes its blocks in any order; identity is what no generation shows: `key`."""
    rng = random.Random(seed)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(connection, Path("unused"))
    book = Book(connection)
    standing_now: dict[int, DowntimeStatus] = {}  # by key
    entry_of: dict[int, int] = {}
    key = 0
    for _ in range(rng.randint(2, 8)):
        for _ in range(rng.randint(0, 3)):
            key += 1
            text, second = rng.choice("ab"), 900.0 + key
            if rng.random() < 0.5:
                entry_of[key] = book.own(comment=text)
                book.written[entry_of[key]] = Written(second, True, text)
            standing_now[key] = downtime(100 + key, comment=text, entry_time=second)
        for gone in rng.sample(sorted(standing_now), rng.randint(0, len(standing_now) // 2)):
            if gone not in entry_of or book.entry(entry_of[gone]).core_id is not None:
                del standing_now[gone]
        if rng.random() < 0.4:
            book.start += 1
            numbers = rng.sample(range(1, 50), len(standing_now))
            standing_now = {k: b._replace(core_id=n) for (k, b), n in zip(standing_now.items(), numbers, strict=True)}
        blocks = list(standing_now.values())
        rng.shuffle(blocks)
        book.downtimes(*blocks)
        _check(book, standing_now, entry_of, blocks)
    connection.close()


def _check(book: Book, standing_now: dict[int, DowntimeStatus], entry_of: dict[int, int], blocks: Sequence[DowntimeStatus]) -> None:
    present = {entry.core_id: entry for entry in book.all() if entry.present and entry.core_id is not None}
    assert sorted(block.core_id for block in blocks) == sorted(number for number in present if number is not None)
    for key, block in standing_now.items():
        entry = present[block.core_id]
        assert (entry.comment, entry.entry_time) == (block.comment, block.entry_time)
        assert entry_of.setdefault(key, entry.id) == entry.id, "an entry took another's block"
