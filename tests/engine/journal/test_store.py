"""The journal: its one write path under kill -9 and several writers, and a command's life against the lifecycle table."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from engine.commands.lifecycle import LATE, MOVES, State
from engine.errors import JournalError
from engine.journal.batches import BatchRow, close_batch, insert_batch, open_batches
from engine.journal.commands import CommandRow, command_by_id, commands_in, insert_command, move
from engine.journal.schema import upgrade
from engine.journal.store import Journal


def row(command_id: str = "c1", **columns: object) -> CommandRow:
    base = CommandRow(
        seq=0,
        id=command_id,
        operation="o1",
        name="ADD_HOST_COMMENT",
        poller=1,
        host="Größe",
        service="",
        arguments={"comment": "déjà ; vu", "persistent": True, "start": 12.5, "none": None},
        state=State.ACCEPTED,
        reason="",
        accepted_at=100.0,
        updated_at=100.0,
        deadline_at=200.0,
        entry_id=None,
        twin_key=None,
        twin_start=None,
        twin_end=None,
        seen_state_change=None,
        author="ann",
        user="ann",
        address="127.0.0.1",
        token="",
        epoch=None,
        line=None,
        batch=None,
        attempts=0,
        executed_at=None,
        watch_from=None,
        core_ids=(),
    )
    return base._replace(**columns)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path)
    yield journal
    journal.close()


def test_what_is_stored_comes_back(journal: Journal) -> None:
    stored = row(core_ids=(3, 4), line=b"[1] X\n", entry_id=2**33, state=State.ACCEPTED)
    with journal.transaction() as connection:
        insert_command(connection, stored)
    found = command_by_id(journal.connection, "c1")
    assert found is not None
    assert found._replace(seq=0) == stored
    assert command_by_id(journal.connection, "c2") is None


def test_a_failed_transaction_leaves_nothing(journal: Journal) -> None:
    with pytest.raises(ValueError, match="stop"), journal.transaction() as connection:
        insert_command(connection, row())
        raise ValueError("stop")
    assert command_by_id(journal.connection, "c1") is None
    with journal.transaction() as connection:
        insert_command(connection, row())
    assert command_by_id(journal.connection, "c1") is not None


def test_an_id_twice_is_an_integrity_error_and_changes_nothing(journal: Journal) -> None:
    with journal.transaction() as connection:
        insert_command(connection, row())
    with pytest.raises(sqlite3.IntegrityError), journal.transaction() as connection:
        insert_command(connection, row("c2"))
        insert_command(connection, row())
    assert command_by_id(journal.connection, "c2") is None


def test_transactions_do_not_nest_and_the_outer_one_stands(journal: Journal) -> None:
    with journal.transaction() as connection:
        insert_command(connection, row())
        with pytest.raises(RuntimeError), journal.transaction():
            pass
    assert command_by_id(journal.connection, "c1") is not None


def test_whoever_is_next_in_line_writes_before_those_who_came_later(journal: Journal, tmp_path: Path) -> None:
    order: list[str] = []

    def write(into: Journal, name: str) -> None:
        with into.transaction():
            order.append(name)

    with closing(Journal(tmp_path)) as other, journal.next_in_line():
        later = threading.Thread(target=write, args=(other, "later"))
        later.start()
        later.join(0.1)  # enough for one that need not wait
        write(journal, "next")
        later.join()
        assert order == ["next", "later"], "and only one transaction comes before it"
    with journal.next_in_line(), pytest.raises(ZeroDivisionError), journal.transaction():
        raise ZeroDivisionError
    with journal.next_in_line():
        pass
    write(journal, "as ever")
    assert order == ["next", "later", "as ever"]


def test_another_thread_of_whoever_is_next_in_line_does_not_take_that_turn(journal: Journal) -> None:
    order: list[str] = []

    def write(name: str) -> None:
        with journal.transaction():
            order.append(name)

    with journal.next_in_line():
        other = threading.Thread(target=write, args=("other",))
        other.start()
        other.join(0.1)  # enough for one that need not wait
        write("next")
    other.join()
    assert order == ["next", "other"]


def test_each_turn_is_taken_once_and_let_go_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is kept stops everybody; one that is not taken puts us before those who wait."""
    real, said = fcntl.flock, list[str]()
    names = {journal._turn: "turn", journal._lock: "lock"}
    broken = ""

    def flock(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and names[descriptor] == broken:
            raise OSError(errno.ENOLCK, "no locks available")
        said.append(("+" if operation == fcntl.LOCK_EX else "-") + names[descriptor])
        real(descriptor, operation)

    def write(next_in_line: bool) -> list[str]:
        said.clear()
        with journal.next_in_line() if next_in_line else nullcontext(), journal.transaction():
            pass
        return said.copy()

    monkeypatch.setattr("engine.journal.store.fcntl.flock", flock)
    whole = ["+turn", "+lock", "-turn", "-lock"]
    assert [write(which) for which in (False, True, True, False)] == [whole] * 4
    for failing, left in (("lock", ["+turn", "-turn"]), ("turn", [])):
        broken = failing
        for which in (False, True):
            with pytest.raises(JournalError):
                write(which)
            assert said == left
    broken = ""
    assert [write(which) for which in (False, True, False)] == [whole] * 3


def test_it_is_durable_by_its_own_settings(journal: Journal) -> None:
    assert journal.synchronous() == 2
    assert journal.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_a_commit_stored_is_not_told_as_refused_when_something_fails_behind_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told so asks again, and it is done twice. What comes next waits for the disk again, or is refused."""
    set_full = Journal._set_full

    def failing(self: Journal, is_full: bool) -> None:
        if is_full:
            raise sqlite3.OperationalError("disk I/O error")
        set_full(self, is_full)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_set_full", failing)
        with journal.transaction(durable=False) as connection:
            insert_command(connection, row())
        assert command_by_id(journal.connection, "c1") is not None
        with pytest.raises(JournalError), journal.transaction() as connection:
            insert_command(connection, row("c2"))
    with journal.transaction() as connection:
        insert_command(connection, row("c3"))
        assert journal.synchronous() == 2
    assert command_by_id(journal.connection, "c2") is None


def test_a_schema_of_another_program_is_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with journal.transaction() as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    journal.close()
    with pytest.raises(JournalError, match="999"):
        Journal.open(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(tmp_path / "none")


def test_a_full_disk_accepts_nothing_and_recovers(journal: Journal) -> None:
    pages = journal.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    stored = []
    with pytest.raises(JournalError, match="Nothing was accepted"):
        for number in range(50):
            with journal.transaction() as connection:
                insert_command(connection, row(f"c{number}", arguments={"comment": "x" * 4000}))
            stored.append(f"c{number}")
    journal.connection.execute("PRAGMA max_page_count = 1000000")
    assert [command.id for command in commands_in(journal.connection, 1, frozenset(State))] == stored
    with journal.transaction() as connection:
        insert_command(connection, row("after"))
    assert command_by_id(journal.connection, "after") is not None


def test_commands_in_is_by_poller_and_state_oldest_first(journal: Journal) -> None:
    with journal.transaction() as connection:
        for number, poller in enumerate((1, 2, 1, 1)):
            insert_command(connection, row(f"c{number}", poller=poller))
        move(connection, row("c2"), State.HELD, 101.0)
    found = commands_in(journal.connection, 1, frozenset({State.ACCEPTED}))
    assert [command.id for command in found] == ["c0", "c3"]
    both = commands_in(journal.connection, 1, frozenset({State.ACCEPTED, State.HELD}), limit=2)
    assert [command.id for command in both] == ["c0", "c2"]


def test_batches_stay_open_until_settled(journal: Journal) -> None:
    batches = [BatchRow(f"t{n}", 1, b"\x00[1]\n", ("c1", "c2"), "1:2", '[1,2,"x",3]', 50.0) for n in range(3)]
    with journal.transaction() as connection:
        for batch in batches:
            insert_batch(connection, batch, 100.0)
        insert_batch(connection, replace(batches[0], token="other", poller=2), 100.0)
        close_batch(connection, "t1")
    assert open_batches(journal.connection, 1) == [replace(batches[0], at=100.0), replace(batches[2], at=100.0)]


# --- the life of a command ---------------------------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Any order of steps: the journal takes exactly those the table allows, and its rows always tell one story."""

    @initialize()
    def begin(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)

        upgrade(self.connection, Path("unused"))
        insert_command(self.connection, row())
        self.story = [State.ACCEPTED]
        self.late = [0]

    @rule(state=st.sampled_from(State), reason=st.text("ab", max_size=2))
    def step(self, state: State, reason: str) -> None:
        command = command_by_id(self.connection, "c1")
        assert command is not None
        allowed = state in MOVES[self.story[-1]]
        try:
            move(self.connection, command, state, 100.0 + len(self.story), evidence=reason, reason=reason, attempts=len(self.story))
        except ValueError:
            assert not allowed
            return
        assert allowed
        self.late.append(int(self.story[-1] in LATE))
        self.story.append(state)

    @invariant()
    def one_story(self) -> None:
        if not hasattr(self, "story"):
            return
        command = command_by_id(self.connection, "c1")
        assert command is not None
        assert command.state is self.story[-1]
        steps = self.connection.execute("SELECT state, at, late FROM step WHERE command_id = 'c1' ORDER BY seq").fetchall()
        assert [(State(state), late) for state, _, late in steps] == list(zip(self.story, self.late, strict=True))
        assert steps[-1][1] == command.updated_at
        assert command.attempts == (len(self.story) - 1)

    def teardown(self) -> None:
        self.connection.close()


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLife = Life.TestCase


# --- several processes, kill -9 ----------------------------------------------------------------------------------------------

WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from engine.journal.store import Journal
journal = Journal.open(Path({data!r}))
journal.connection.execute("CREATE TABLE IF NOT EXISTS pair (writer TEXT, n INTEGER, half INTEGER)")
name, n, stop = sys.argv[1], 0, time.monotonic() + float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
while time.monotonic() < stop:
    with journal.transaction() as connection:
        connection.execute("INSERT INTO pair VALUES (?, ?, 1)", (name, n))
        connection.execute("INSERT INTO pair VALUES (?, ?, 2)", (name, n))
    print(n, flush=True)
    n += 1
"""


def start_writer(data: Path, name: str, seconds: float) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[3])
    program = WRITER.format(root=root, data=str(data))
    return subprocess.Popen(
        [sys.executable, "-c", program, name, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def go(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("\n")
    writer.stdin.flush()


def test_killed_between_any_two_instructions_what_was_reported_is_there_and_nothing_by_half(tmp_path: Path) -> None:
    Journal.open(tmp_path).close()
    for round_ in range(6):
        writer = start_writer(tmp_path, f"w{round_}", 60)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        go(writer)
        for _ in range(3 + round_ * 7):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        last = max([last, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        writer.wait()
        assert writer.stdin is not None
        writer.stdin.close()
        writer.stdout.close()
        journal = Journal.open(tmp_path)  # nobody holds the lock for a dead process
        with journal.transaction() as connection:
            rows = connection.execute(
                "SELECT n, count(*) FROM pair WHERE writer = ? GROUP BY n ORDER BY n", (f"w{round_}",)
            ).fetchall()
        journal.close()
        assert [n for n, _ in rows] == list(range(len(rows)))
        assert {count for _, count in rows} == {2}
        assert len(rows) in (last + 1, last + 2)


def test_three_writers_share(tmp_path: Path) -> None:
    """With SQLite's own busy handler one of three gets nearly nothing."""
    Journal.open(tmp_path).close()
    writers = [start_writer(tmp_path, f"w{n}", 3.0) for n in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        go(writer)
    counts = []
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
        counts.append(len(output.split()))
    assert min(counts) > 0.2 * max(counts), counts
