"""The log runs ahead of the status file: rows change at once, and no older file takes that back."""

from __future__ import annotations

import pytest

from engine.formats.corelog import LogKind, StateEvent
from engine.model import HostStatus, ObjectKey, ServiceStatus
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING
from engine.state.tables import PROBLEM
from engine.state.views import Reader
from tests.engine.state.rows import StatusFile, host_row, scan, service_row

AT = 1005
UP = host_row("web01")
OK = service_row("web01", "HTTP", plugin_output="fine")
FILE = StatusFile(1000.0, hosts=(UP,), services=(OK, service_row("web01", "SSH")))
CRITICAL = StateEvent(AT, LogKind.SERVICE_ALERT, "web01", "HTTP", 2, 0, 1, "refused", "")
DOWN = StateEvent(AT, LogKind.HOST_ALERT, "web01", None, 1, 1, 3, "gone", "")
HTTP = ObjectKey(1, "web01", "HTTP")


def file_of(created: float, service: ServiceStatus = OK, host: HostStatus = UP) -> StatusFile:
    return StatusFile(created, FILE.program_start, hosts=(host,), services=(service, *FILE.services[1:]))


def http(reader: Reader) -> ServiceStatus:
    row = reader.object_row(1, "web01", "HTTP")
    assert isinstance(row, ServiceStatus)
    return row


def test_a_line_changes_its_row_at_once(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL, DOWN])
    assert (http(reader).state, http(reader).plugin_output, http(reader).last_state_change) == (2, "refused", float(AT))
    assert [view.status.description for view in reader.services(EVERYTHING, search=(PROBLEM, []))[0]] == ["HTTP"]
    assert [view.status.state for view in reader.hosts(EVERYTHING, search=(PROBLEM, []))[0]] == [1]
    assert set(mirror.dirty(1)) == {HTTP, ObjectKey(1, "web01")}
    assert mirror.dirty(2) == ()
    assert reader.object_row(1, "web01", "SSH") == FILE.services[1]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("created", [AT - 1.0, float(AT), AT + 0.9])
def test_a_file_of_the_lines_second_or_before_does_not_touch_the_row(
    mirror: Mirror, reader: Reader, created: float, first: bool
) -> None:
    """A log shows whole seconds: within the second nobody knows which came first."""
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    news = file_of(created, OK._replace(plugin_output="still fine", block_hash=7))
    mirror.apply(scan(news, None if first else FILE, forget=mirror.dirty(1)))
    assert (http(reader).state, http(reader).plugin_output) == (2, "refused")
    assert mirror.dirty(1) == (HTTP,)


@pytest.mark.parametrize("first", [False, True])
def test_what_the_log_never_tells_is_taken_from_the_file_meanwhile(mirror: Mirror, reader: Reader, first: bool) -> None:
    """A core that crashed logs of an object in the second of its first file: a switch it lost must be seen to be lost."""
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    news = file_of(float(AT), OK._replace(plugin_output="still fine", notifications_enabled=0, block_hash=7))
    mirror.apply(scan(news, None if first else FILE, forget=mirror.dirty(1)))
    row = http(reader)
    assert (row.state, row.plugin_output, row.last_state_change, row.notifications_enabled) == (2, "refused", float(AT), 0)
    assert mirror.dirty(1) == (HTTP,)
    mirror.apply(scan(file_of(AT + 1.0), news, forget=mirror.dirty(1)))
    assert http(reader) == OK and mirror.dirty(1) == ()


@pytest.mark.parametrize("first", [False, True])
def test_the_first_later_file_settles_the_row_even_if_its_block_is_as_before(mirror: Mirror, reader: Reader, first: bool) -> None:
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    later = file_of(AT + 1.0)
    assert mirror.apply(scan(later, None if first else FILE, forget=mirror.dirty(1))).changed
    assert http(reader) == OK
    assert mirror.dirty(1) == ()


def test_a_row_marked_after_the_scan_was_asked_for_stays_marked(mirror: Mirror, reader: Reader) -> None:
    """Its block was not sent, so nothing settled it; the next scan must ask for it."""
    mirror.apply(scan(FILE))
    forget = mirror.dirty(1)
    mirror.log_events(1, [CRITICAL])
    mirror.apply(scan(file_of(AT + 5.0), FILE, forget=forget))
    assert http(reader).state == 2
    assert mirror.dirty(1) == (HTTP,)
    mirror.apply(scan(file_of(AT + 9.0), file_of(AT + 5.0), forget=mirror.dirty(1)))
    assert http(reader) == OK


def test_a_later_line_holds_the_row_longer(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    mirror.log_events(1, [StateEvent(AT + 3, LogKind.SERVICE_ALERT, "web01", "HTTP", 1, 1, 3, "slow", "")])
    mirror.apply(scan(file_of(AT + 2.0), FILE, forget=mirror.dirty(1)))
    assert http(reader).state == 1
    mirror.apply(scan(file_of(AT + 4.0), file_of(AT + 2.0), forget=mirror.dirty(1)))
    assert http(reader) == OK


def test_a_weaker_line_of_the_same_second_lets_no_file_of_it_take_the_state_back(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    told = StateEvent(AT, LogKind.SERVICE_NOTIFICATION, "web01", "HTTP", None, None, None, "refused", "CRITICAL", "ann")
    ran = StateEvent(AT, LogKind.SERVICE_PASSIVE, "web01", "HTTP", None, None, None, "", "")
    mirror.log_events(1, [CRITICAL, told, ran])
    mirror.apply(scan(file_of(float(AT)), FILE, forget=mirror.dirty(1)))
    assert http(reader).state == 2


def test_an_acknowledgement_that_a_file_of_the_lines_second_lacks_is_gone(mirror: Mirror, reader: Reader) -> None:
    """The log never tells of that, so nothing of it is held back."""
    acknowledged = OK._replace(state=1, acknowledged=1, acknowledgement_type=2, block_hash=8)
    mirror.apply(scan(file_of(FILE.created, acknowledged)))
    mirror.log_events(1, [CRITICAL])
    assert http(reader).acknowledged == 1
    mirror.apply(scan(file_of(float(AT), acknowledged._replace(acknowledged=0, block_hash=9)), FILE, forget=mirror.dirty(1)))
    assert (http(reader).state, http(reader).acknowledged) == (2, 0)


def test_a_line_older_than_the_file_says_nothing_new(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(file_of(AT + 1.0)))
    mirror.log_events(1, [CRITICAL])
    assert http(reader) == OK
    assert mirror.dirty(1) == ()


def test_a_line_of_the_files_own_second_counts(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(file_of(AT + 0.5)))
    mirror.log_events(1, [CRITICAL])
    assert http(reader).state == 2


def test_a_core_clock_set_back_does_not_hold_rows_for_ever(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    back = file_of(FILE.created - 3600, OK._replace(state=1, block_hash=9))
    mirror.apply(scan(back, FILE, forget=mirror.dirty(1)))
    assert http(reader).state == 1
    assert mirror.dirty(1) == ()


def test_lines_about_unknown_objects_and_pollers_change_nothing(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    stranger = StateEvent(AT, LogKind.HOST_ALERT, "nobody", None, 1, 1, 1, "", "")
    mirror.log_events(1, [stranger])
    mirror.log_events(2, [CRITICAL])
    mirror.log_events(99, [CRITICAL])
    assert mirror.dirty(1) == mirror.dirty(2) == mirror.dirty(99) == ()
    assert http(reader) == OK
    assert reader.hosts(EVERYTHING)[1] == 1


def test_a_marked_object_that_left_the_file_is_gone_with_its_mark(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    without = StatusFile(float(AT), FILE.program_start, hosts=FILE.hosts, services=FILE.services[1:])
    assert mirror.apply(scan(without, FILE, forget=mirror.dirty(1))).health == "fresh"
    assert reader.object_row(1, "web01", "HTTP") is None
    assert mirror.dirty(1) == ()


def test_marks_outlive_the_process(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    mirror.log_events(1, [CRITICAL])
    mirror.close()
    again = Mirror.open(reader._file[0], mirror._mint)  # type: ignore[index]
    assert again.dirty(1) == (HTTP,)
    again.close()
