"""Public ids: stable, never given to another object, unique over everything."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.journal.identities import Identities, next_ids
from engine.journal.store import Journal
from engine.model import ObjectKey


def test_ids_count_per_poller_and_kind(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with journal.transaction() as connection:
        assert next_ids(connection, 1, "entry", 3) == [2**32 + 1, 2**32 + 2, 2**32 + 3]
        assert next_ids(connection, 2, "entry", 1) == [2 * 2**32 + 1]
        assert next_ids(connection, 1, "object", 1) == [2**32 + 1]
        assert next_ids(connection, 1, "entry", 1) == [2**32 + 4]
    journal.close()


def test_ids_of_a_transaction_that_failed_are_not_spent_nor_doubled(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    try:
        with journal.transaction() as connection:
            next_ids(connection, 1, "entry", 5)
            raise KeyError
    except KeyError:
        pass
    with journal.transaction() as connection:
        assert next_ids(connection, 1, "entry", 1) == [2**32 + 1]
    journal.close()


def test_more_objects_than_a_slice_and_the_same_after_a_restart(tmp_path: Path) -> None:
    keys: dict[ObjectKey, int | None] = {ObjectKey(1, f"h{n % 40}", f"s{n}" if n % 3 else None): None for n in range(4100)}
    journal = Journal.open(tmp_path)
    first = Identities(journal).mint(1, keys)
    journal.close()
    assert set(first) == set(keys)
    assert len(set(first.values())) == len(keys)
    journal = Journal.open(tmp_path)
    assert Identities(journal).mint(1, dict(reversed(keys.items()))) == first
    journal.close()


def test_a_host_is_not_its_service_and_names_are_exact(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    keys = [ObjectKey(1, "h"), ObjectKey(1, "h", "s"), ObjectKey(1, "H"), ObjectKey(1, "h", "S"), ObjectKey(1, "h ", "s")]
    minted = Identities(journal).mint(1, dict.fromkeys(keys))
    assert len(set(minted.values())) == len(keys)
    other = Identities(journal).mint(2, {ObjectKey(2, "h"): None})
    assert other[ObjectKey(2, "h")] not in minted.values()
    journal.close()


def test_an_id_that_a_configuration_takes_before_we_come_to_it_is_skipped(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    taken = 2**32 + 2
    minted = Identities(journal).mint(1, {ObjectKey(1, "a"): taken, ObjectKey(1, "b"): None, ObjectKey(1, "c"): None})
    assert minted[ObjectKey(1, "a")] == taken
    assert sorted(minted.values()) == [2**32 + 1, taken, 2**32 + 3]
    journal.close()


KEYS = [ObjectKey(1, host, service) for host in "ab" for service in (None, "s", "t")]
ASKED = st.none() | st.integers(1, 4) | st.integers(2**32 + 1, 2**32 + 5)


class Minting(RuleBasedStateMachine):
    """Scans in any order, asking for any ids."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal.open(Path(self.folder.name))
        self.now: dict[ObjectKey, int] = {}

    @rule(
        asked=st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers(1, 4) | st.integers(2**32 + 1, 2**32 + 5), min_size=1)
    )
    def scan(self, asked: dict[ObjectKey, int | None]) -> None:
        minted = Identities(self.journal).mint(1, asked)
        assert set(minted) == set(asked)
        for key, wanted in asked.items():
            before = self.now.get(key)
            if wanted is None and before is not None:
                assert minted[key] == before, "an id changed that nobody asked to change"
            if wanted is not None and minted[key] != wanted:
                assert before is None or minted[key] == before
        self.now |= minted

    @invariant()
    def nobody_shares(self) -> None:
        assert len(set(self.now.values())) == len(self.now)

    def teardown(self) -> None:
        self.journal.close()
        self.folder.cleanup()


Minting.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestMinting = Minting.TestCase


def test_only_settling_waits_for_the_disk_and_the_journal_is_as_careful_as_before(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    said: list[str] = []
    journal.connection.set_trace_callback(said.append)
    identities = Identities(journal)
    minted = identities.mint(1, {ObjectKey(1, "a"): None})
    assert [line for line in said if "synchronous" in line] == ["PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"]
    assert journal.synchronous() == 2
    del said[:]
    before = journal.connection.total_changes
    identities.settle(1)
    assert journal.connection.total_changes > before  # a commit of nothing is not written
    assert not [line for line in said if "NORMAL" in line]
    assert identities.mint(1, {ObjectKey(1, "a"): None}) == minted
    journal.close()


def test_settling_writes_to_the_disk(tmp_path: Path) -> None:
    """A commit that changes nothing is neither written nor synced: a power cut would take what was minted before it."""
    with closing(Journal.open(tmp_path)) as journal:
        identities = Identities(journal)
        identities.mint(1, {ObjectKey(1, "web"): None})
        log = journal.path.with_name(journal.path.name + "-wal")
        before = log.stat().st_size
        identities.settle(1)
        assert log.stat().st_size > before
