"""What happened to an object, of every kind in one list; the severities there are; the categories there are not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from engine.formats.logentry import EntryType, LogEntry
from engine.journal.history import EntryRow, insert_entry
from engine.journal.store import Journal
from engine.state.logindex import HISTORY_FILE, LogIndex
from tests.api.centreon.canned import POLLERS, Front
from tests.api.support_desk import NOW

AT = int(NOW) - 1000
SERVICE = "/monitoring/hosts/12/services/51/timeline"
LOG = [
    LogEntry(AT, EntryType.ALERT, "db01", "Disk /var", 2, 0, 1, text="DISK CRITICAL"),
    LogEntry(AT + 10, EntryType.NOTIFICATION, "db01", "Disk /var", 2, word="PROBLEM", contact="olga", command="mail", text="=1+1"),
    LogEntry(AT + 20, EntryType.NOTIFICATION, "db01", "Disk /var", 2, word="SUPPRESSED", contact="olga", command="mail", text="no"),
    LogEntry(AT + 30, EntryType.CURRENT_STATE, "db01", "Disk /var", 2, 1, 3, text="still"),
    LogEntry(AT + 40, EntryType.ALERT, "db01", "", 1, 1, 1, text="the host's own"),
    LogEntry(AT + 50, EntryType.ALERT, "web01", "Disk /var", 0, 1, 1, text="of another"),
]
ENTRIES = [
    EntryRow(1, "downtime", 1, "db01", "Disk /var", "anna", "begun", "confirmed", 0, AT, AT, AT + 90, 1, actual_start=AT + 60.0,
             actual_end=AT + 90.0, core_id=1),
    EntryRow(2, "downtime", 1, "db01", "Disk /var", "anna", "to come", "confirmed", 1, AT, AT + 9999, AT + 99999, 1, core_id=2),
    EntryRow(3, "acknowledgement", 1, "db01", "Disk /var", "Olga Ops", "seen", "confirmed", 1, AT + 70.0, core_id=3),
    EntryRow(4, "comment", 1, "db01", "Disk /var", "nobody", "a word", "seen", 1, AT + 80.0, core_id=4),
    EntryRow(5, "comment", 1, "db01", "Disk /var", "anna", "refused", "refused", 0, AT + 85.0),
    EntryRow(6, "comment", 2, "db01", "Disk /var", "anna", "of another core", "seen", 1, AT + 80.0, core_id=4),
]  # fmt: skip


@pytest.fixture
def told(anna: Front) -> Iterator[Front]:
    """The front where the log and the journal have something to tell."""
    journal = Journal.open(anna.desk.data)
    with journal.transaction() as connection:
        for row in ENTRIES:
            insert_entry(connection, row)
    journal.close()
    _write_log(anna.desk.data)
    yield anna


def _write_log(data: Path) -> None:
    index = LogIndex.open(data / HISTORY_FILE)
    index.configure((poller.number, str(poller.log_file)) for poller in POLLERS)
    index.add(index.new_file(1, b"[1"), list(enumerate(LOG)), 100)
    index.close()


def test_everything_of_one_object_newest_first(told: Front) -> None:
    """Not what is of its host, of another object or core, to come, refused, a snapshot, or a notification that was not sent."""
    body = told.get(SERVICE).json()
    critical = {"code": 2, "name": "CRITICAL", "severity_code": 1}
    assert [(row["type"], row["content"], row["contact"], row["status"], row["tries"]) for row in body["result"]] == [
        ("comment", "a word", {"id": None, "name": "nobody"}, None, None),
        ("acknowledgement", "seen", {"id": 2, "name": "Olga Ops"}, None, None),
        ("downtime", "begun", {"id": 1, "name": "anna"}, None, None),
        ("notification", "=1+1", {"id": 2, "name": "olga"}, critical, None),
        ("event", "DISK CRITICAL", None, critical, 1),
    ]
    assert body["meta"] == {"page": 1, "limit": 10, "search": {}, "sort_by": {}, "total": 5}
    downtime = body["result"][2]
    assert downtime["date"] == downtime["start_date"] < downtime["end_date"], "what really was"
    host = told.get("/monitoring/hosts/12/timeline").json()["result"]
    assert [(row["content"], row["status"]["name"]) for row in host] == [("the host's own", "DOWN")]


def test_a_timeline_is_searched_sorted_and_paged(told: Front) -> None:
    def kinds(**query: object) -> list[str]:
        asked = {name: orjson.dumps(value).decode() for name, value in query.items()}
        return [row["type"] for row in told.get(SERVICE, **asked).json()["result"]]

    assert kinds(search={"type": "event"}) == ["event"]
    assert kinds(search={"content": {"$lk": "%critical"}}) == ["event"]
    assert kinds(search={"date": {"$ge": AT + 70}}) == ["comment", "acknowledgement"]
    assert kinds(search={"type": {"$in": ["downtime", "comment"]}}, sort_by={"date": "ASC"}) == ["downtime", "comment"]
    assert kinds(limit=2, page=2) == ["downtime", "notification"]
    assert told.get(SERVICE, search='{"nothing":1}').status_code == 400


def test_a_timeline_is_a_file_whose_cells_calculate_nothing(told: Front) -> None:
    answer = told.get(f"{SERVICE}/download", search='{"type":{"$in":["event","notification"]}}')
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="timeline.csv"'
    rows = list(csv.reader(io.StringIO(answer.text), delimiter=";"))
    assert rows[0] == ["type", "date", "content", "contact", "status", "tries"]
    assert [[row[0], *row[2:]] for row in rows[1:]] == [
        ["notification", "'=1+1", "olga", "CRITICAL", ""], ["event", "DISK CRITICAL", "", "CRITICAL", "1"],
    ]  # fmt: skip


def test_without_an_index_of_the_log_there_is_what_the_journal_keeps(anna: Front) -> None:
    assert anna.get(SERVICE).json()["result"] == []


def test_a_timeline_out_of_scope_is_unknown(told: Front) -> None:
    dora = told.login("dora")
    assert dora.get(SERVICE).status_code == 200
    assert dora.get("/monitoring/hosts/13/timeline").json()["message"] == "Host not found"
    assert dora.get("/monitoring/hosts/13/timeline/download").status_code == 404


def test_severities_are_those_that_objects_have(anna: Front) -> None:
    (host,) = anna.get("/monitoring/severities/host").json()["result"]
    assert host == {"id": None, "name": None, "level": 4, "type": "host", "icon": None}
    (service,) = anna.get("/monitoring/severities/service", search='{"level":{"$lt":3}}').json()["result"]
    assert (service["level"], service["type"]) == (2, "service")
    assert anna.get("/monitoring/severities/service", search='{"level":3}').json()["meta"]["total"] == 0


@pytest.mark.parametrize("kind", ["hosts", "services"])
def test_there_are_no_categories(anna: Front, kind: str) -> None:
    """An empty list in the shape of a list: a page that shows a filter for them must not break."""
    body = anna.get(f"/monitoring/{kind}/categories", search='{"name":{"$lk":"%a%"}}').json()
    assert (body["result"], body["meta"]["total"]) == ([], 0)
