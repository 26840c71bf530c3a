"""Lists that are kept for the next who asks the same: never for another caller, another second or after a change."""

from __future__ import annotations

from typing import Any

import pytest

from engine.formats.corelog import LogKind, StateEvent
from engine.journal import accounts
from engine.journal.store import Journal
from engine.state.mirror import Mirror
from tests.api.centreon.canned import Front
from tests.api.support_desk import NOW

LISTS = ("/monitoring/services", "/monitoring/resources", "/monitoring/hosts/12/services")


@pytest.fixture
def looks(front: Front, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One item for each time that rows were read."""
    looked: list[str] = []
    read = front.desk.read

    async def counting(work: Any, *, short: bool = False) -> Any:
        looked.append(work.__qualname__)
        return await read(work, short=short)

    monkeypatch.setattr(front.desk, "read", counting)
    return looked


def _lists_read(looks: list[str]) -> int:
    return sum("_body" in name for name in looks)


@pytest.mark.parametrize("path", LISTS)
def test_a_second_later_ages_are_another(anna: Front, looks: list[str], path: str) -> None:
    """Within one second the list is read once, and says what it said."""
    first = anna.get(path)
    anna.clock.at += 0.5
    assert anna.get(path).content == first.content
    assert _lists_read(looks) == 1
    anna.clock.at += 0.5
    anna.get(path)
    assert _lists_read(looks) == 2


@pytest.mark.parametrize("path", LISTS)
def test_ages_move_on_while_nothing_changes(anna: Front, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What is kept is of its second, however long it would be kept otherwise."""
    monkeypatch.setattr(anna.clock, "monotonic", lambda: 0.0)
    durations = []
    for _ in range(2):
        durations.append([row["duration"] for row in anna.get(path).json()["result"]])
        anna.clock.at += 61
    assert durations[0] != durations[1]


@pytest.mark.parametrize("path", LISTS[:2])
def test_every_change_is_shown_within_the_second(anna: Front, path: str) -> None:
    """A log line counts from its commit on."""
    for turn in range(3):
        mirror = Mirror.open(anna.desk.data / "state.db", lambda poller, wanted: {})
        line = StateEvent(int(NOW), LogKind.SERVICE_ALERT, "db01", "Ping", turn % 3, 1, 1, f"turn {turn}", "")
        mirror.log_events(1, [line])
        mirror.close()
        assert f"turn {turn}" in anna.get(path).text
        assert f"turn {turn}" in anna.get(path).text


@pytest.mark.parametrize("path", LISTS[:2])
def test_no_caller_gets_what_another_sees(front: Front, path: str) -> None:
    """Dora sees one hostgroup, whoever asked before her and behind her."""
    anna, dora = front.login("anna"), front.login("dora")
    seen = [caller.get(path).json()["meta"]["total"] for caller in (anna, dora, anna, dora)]
    assert seen[0] > seen[1] > 0 and seen[2:] == seen[:2]


@pytest.mark.parametrize("path", LISTS[:2])
def test_times_are_in_the_zone_of_whoever_asks(front: Front, path: str) -> None:
    """Two callers may see the same rows at different hours."""
    journal = Journal.open(front.desk.data)
    with journal.transaction() as connection:
        accounts.set_person(connection, "rita", zone="Asia/Tokyo")
    journal.close()
    anna, rita = front.login("anna"), front.login("rita")
    texts = [caller.get(path).text for caller in (anna, rita, anna, rita)]
    assert ["+09:00" in text for text in texts] == [False, True, False, True]


def test_questions_are_told_apart(anna: Front) -> None:
    """By the version in the path, the page, the search and the prefix that links begin with."""
    asked = [
        "/monitoring/services",
        "/monitoring/services?limit=1",
        "/monitoring/services?limit=1&page=2",
        '/latest/monitoring/services?search={"service.description":"Ping"}',
        "/v2/monitoring/services",
        "/monitoring/resources",
        "/v23.04/monitoring/resources",
    ]
    first = [anna.get(path).content for path in asked]
    assert len(set(first)) == len(asked) and [anna.get(path).content for path in asked] == first
