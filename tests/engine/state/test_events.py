"""What becomes an event, told by the log or found in the status file, and never twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formats.corelog import LogKind, StateEvent
from engine.model import CommentStatus, CoreKind, DowntimeStatus, GroupConfig, ObjectCache
from engine.state.changes import Standing, apply, diff, diff_blocks
from engine.state.events import Event, bounds, events_after
from engine.state.mirror import Mirror
from engine.state.views import Reader
from tests.engine.state.rows import CountingMint, StatusFile, comment, downtime, host_config, host_row, poller, scan, service_row

AT = 1005
UP = host_row("web01")
OK = service_row("web01", "HTTP", plugin_output="fine")
CRITICAL_ROW = service_row("web01", "HTTP", state=2, state_type=0, current_attempt=1, plugin_output="refused")
FILE = StatusFile(1000.0, hosts=(UP,), services=(OK, service_row("web01", "SSH")))
CRITICAL = StateEvent(AT, LogKind.SERVICE_ALERT, "web01", "HTTP", 2, 0, 1, "refused", "")
CACHE = ObjectCache(hosts=(host_config("web01"),), groups=(GroupConfig("hostgroup", "web", "Web", (("web01", None),)),))


def file_of(created: float, service: object = OK, **more: object) -> StatusFile:
    return StatusFile(created, FILE.program_start, FILE.hosts, (service, FILE.services[1]), **more)  # type: ignore[arg-type]


def told(reader: Reader, kind: str = "") -> list[Event]:
    """Everything told about objects; about the poller only when asked for."""
    found = events_after(reader.connection, 0, 2**62, 1000)
    return [event for event in found if (event.kind == kind if kind else event.kind != "poller")]


def words(reader: Reader) -> list[tuple[str, str, object]]:
    return [(event.kind, event.action, event.said["source"]) for event in told(reader)]


@pytest.fixture
def begun(mirror: Mirror) -> Mirror:
    mirror.apply(scan(FILE, cache=CACHE))
    return mirror


# --- pure -------------------------------------------------------------------------------------------------------------------------

FLAG = st.integers(0, 1)
STANDINGS = st.builds(Standing, st.integers(0, 3), FLAG, FLAG, st.integers(0, 5), st.integers(0, 2), FLAG, FLAG)


@given(STANDINGS, STANDINGS)
def test_what_changed_applied_to_the_old_is_the_new(old: Standing, new: Standing) -> None:
    changes = diff(old, new)
    assert apply(changes, old) == new
    assert bool(changes) is (old != new)
    assert len({change.kind for change in changes}) == len(changes)


BLOCKS = st.lists(
    st.builds(downtime, st.sampled_from(["a", "b"]), st.none() | st.just("s"), st.integers(1, 9), st.sampled_from(["x", "y"]))
    | st.builds(comment, st.sampled_from(["a", "b"]), st.none() | st.just("s"), st.integers(1, 9), st.sampled_from(["x", "y"])),
    max_size=6,
)


@given(BLOCKS, BLOCKS)
def test_blocks_that_came_and_went_lead_from_the_old_to_the_new(
    old: list[DowntimeStatus | CommentStatus], new: list[DowntimeStatus | CommentStatus]
) -> None:
    """Whatever ids they have: equal content in equal numbers is no change."""
    changes = diff_blocks(old, new, 150.0, {})

    def named(block: DowntimeStatus | CommentStatus) -> tuple[object, ...]:
        return (type(block).__name__, block.host_name, block.service_description, block.comment)

    left = sorted(map(named, old), key=repr)
    for change in changes:
        if change.action in ("cancelled", "ended", "removed"):
            left.remove(named(change.block))
    came = [named(change.block) for change in changes if change.action in ("scheduled", "added")]
    assert sorted([*left, *came], key=repr) == sorted(map(named, new), key=repr)


# --- states -----------------------------------------------------------------------------------------------------------------------


def test_a_pollers_first_generation_is_a_beginning_and_no_change(begun: Mirror, reader: Reader) -> None:
    assert told(reader) == []
    assert [event.action for event in told(reader, "poller")] == ["health", "first_seen"]


def test_a_line_and_the_file_that_shows_the_same_are_one_event(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [CRITICAL])
    for created in (AT, AT + 2.0):
        begun.apply(scan(file_of(created, CRITICAL_ROW), FILE, forget=begun.dirty(1)))
    (event,) = told(reader)
    assert (event.kind, event.action, event.host, event.service, event.state, event.at) == (
        "state", "changed", "web01", "HTTP", 2, float(AT),
    )  # fmt: skip
    assert event.hostgroups == ("web",)
    assert event.said == {
        "source": "log", "state_type": 0, "checked": True, "attempt": 1, "max_attempts": 0, "output": "refused",
        "previous_state": 0, "previous_state_type": 1, "previously_checked": True,
    }  # fmt: skip


def test_a_lost_line_is_made_up_for_by_the_file(begun: Mirror, reader: Reader) -> None:
    begun.apply(scan(file_of(AT, CRITICAL_ROW), FILE))
    assert words(reader) == [("state", "changed", "status_file")]


def test_a_line_that_comes_after_the_file_says_it_no_second_time(begun: Mirror, reader: Reader) -> None:
    begun.apply(scan(file_of(AT + 3.0, CRITICAL_ROW), FILE))
    begun.log_events(1, [CRITICAL])
    assert len(told(reader)) == 1


def test_a_late_file_takes_nothing_back_and_tells_nothing(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [CRITICAL])
    begun.apply(scan(file_of(AT - 1.0, OK._replace(plugin_output="still fine", block_hash=7)), FILE, forget=begun.dirty(1)))
    assert len(told(reader)) == 1


def test_a_file_that_contradicts_the_log_is_an_event(begun: Mirror, reader: Reader) -> None:
    """A recovery whose line was lost: the row must not stay wrong, and whoever listens must hear of it."""
    begun.log_events(1, [CRITICAL])
    begun.apply(scan(file_of(AT + 2.0), FILE, forget=begun.dirty(1)))
    assert [(event.state, event.said["source"]) for event in told(reader)] == [(2, "log"), (0, "status_file")]


def test_soft_attempts_are_events_and_repeats_of_a_hard_state_are_none(begun: Mirror, reader: Reader) -> None:
    for attempt, kind in ((1, 0), (2, 0), (3, 1), (3, 1)):
        begun.log_events(1, [_critical(attempt, kind)])
    assert [(event.said["attempt"], event.said["state_type"]) for event in told(reader)] == [(1, 0), (2, 0), (3, 1)]


def _critical(attempt: int, state_type: int) -> StateEvent:
    return StateEvent(AT, LogKind.SERVICE_ALERT, "web01", "HTTP", 2, state_type, attempt, "refused", "")


def test_the_same_line_twice_is_one_event(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [CRITICAL, CRITICAL])
    assert len(told(reader)) == 1


# --- acknowledgements, downtimes, comments, flapping ------------------------------------------------------------------------------


def passage(kind: LogKind, word: str, at: int = AT) -> StateEvent:
    return StateEvent(at, kind, "web01", "HTTP", None, None, None, "", word)


def test_a_downtime_started_and_cancelled_between_two_files(begun: Mirror, reader: Reader) -> None:
    """No status file ever shows it; the log alone tells, and the row is right afterwards."""
    begun.log_events(1, [passage(LogKind.SERVICE_DOWNTIME, "STARTED"), passage(LogKind.SERVICE_DOWNTIME, "CANCELLED")])
    begun.apply(scan(file_of(AT + 2.0), FILE, forget=begun.dirty(1)))
    assert words(reader) == [("downtime", "started", "log"), ("downtime", "cancelled", "log")]
    row = reader.object_row(1, "web01", "HTTP")
    assert row is not None
    assert row.scheduled_downtime_depth == 0


IN_DOWNTIME = service_row("web01", "HTTP", scheduled_downtime_depth=1)
WORK = downtime("web01", "HTTP", 7)._replace(end_time=9000.0, is_in_effect=1)


def test_a_downtime_with_the_log(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [passage(LogKind.SERVICE_DOWNTIME, "STARTED")])
    on = file_of(AT + 2.0, IN_DOWNTIME, downtimes=(WORK,))
    begun.apply(scan(on, FILE, forget=begun.dirty(1)))
    begun.log_events(1, [passage(LogKind.SERVICE_DOWNTIME, "CANCELLED", AT + 3)])
    begun.apply(scan(file_of(AT + 5.0), on, forget=begun.dirty(1)))
    assert words(reader) == [
        ("downtime", "started", "log"), ("downtime", "scheduled", "status_file"), ("downtime", "cancelled", "log"),
    ]  # fmt: skip
    assert told(reader)[1].said["author"] == "ann"


@pytest.mark.parametrize(("end", "word"), [(9000.0, "cancelled"), (AT + 4.0, "ended")])
def test_a_downtime_whose_lines_were_lost(begun: Mirror, reader: Reader, end: float, word: str) -> None:
    on = file_of(AT, IN_DOWNTIME, downtimes=(WORK._replace(end_time=end),))
    begun.apply(scan(on, FILE))
    begun.apply(scan(file_of(AT + 5.0), on))
    assert [event.action for event in told(reader)] == ["started", "scheduled", word]


def test_a_pending_downtime_that_is_deleted(begun: Mirror, reader: Reader) -> None:
    """Cores log nothing of it."""
    pending = file_of(AT, OK, downtimes=(WORK._replace(is_in_effect=0, start_time=8000.0),))
    begun.apply(scan(pending, FILE))
    begun.apply(scan(file_of(AT + 5.0), pending))
    assert [event.action for event in told(reader)] == ["scheduled", "cancelled"]


def test_nothing_is_up_or_ok_before_its_first_check(mirror: Mirror, reader: Reader) -> None:
    """Cores write state 0 for what was never checked."""
    pending = service_row("web01", "HTTP", has_been_checked=0)
    first = file_of(1000.0, pending)
    mirror.apply(scan(first, cache=CACHE))
    mirror.apply(scan(file_of(1010.0, pending, downtimes=(downtime("web01", "HTTP", 7),)), first))
    (event,) = told(reader)
    assert (event.kind, event.action, event.state) == ("downtime", "scheduled", None)


def test_one_of_two_downtimes_ends(begun: Mirror, reader: Reader) -> None:
    """The object stays in downtime, so its own row tells nothing."""
    other = WORK._replace(core_id=8, comment="other", block_hash=8)
    two = file_of(AT, service_row("web01", "HTTP", scheduled_downtime_depth=2), downtimes=(WORK, other))
    begun.apply(scan(two, FILE))
    begun.apply(scan(file_of(AT + 5.0, IN_DOWNTIME, downtimes=(other,)), two))
    assert [event.action for event in told(reader)] == ["started", "scheduled", "scheduled", "cancelled"]


PENDING = WORK._replace(core_id=8, comment="later", start_time=8000.0, is_in_effect=0, block_hash=8)
OTHER = PENDING._replace(comment="other", start_time=100.0, is_in_effect=1)


@pytest.mark.parametrize(
    ("word", "other", "end", "depth"),
    [
        ("CANCELLED", None, 9000.0, 0), ("CANCELLED", PENDING, 9000.0, 1), ("CANCELLED", OTHER, 9000.0, 1),
        ("STOPPED", None, AT - 1.0, 0), ("STOPPED", PENDING, AT - 1.0, 0), ("STOPPED", OTHER, AT - 1.0, 1),
    ],
)  # fmt: skip
def test_icinga_2_logs_the_end_of_each_downtime_and_an_object_may_still_be_in_another(
    mirror: Mirror, reader: Reader, word: str, other: DowntimeStatus | None, end: float, depth: int
) -> None:
    """Also of one that had not begun: such a line took objects out of their downtimes, until the next status file."""
    mirror.configure([poller(1, kind=CoreKind.ICINGA2)])
    both = (WORK._replace(end_time=end), *([other] if other is not None else []))
    shown = IN_DOWNTIME._replace(scheduled_downtime_depth=sum(one.is_in_effect for one in both))
    mirror.apply(scan(file_of(1000.0, shown, downtimes=both)))
    mirror.log_events(1, [passage(LogKind.SERVICE_DOWNTIME, word)])
    row = reader.object_row(1, "web01", "HTTP")
    assert row is not None
    assert row.scheduled_downtime_depth == depth
    assert [event.action for event in told(reader)] == (["cancelled" if word == "CANCELLED" else "ended"] if not depth else [])


@pytest.mark.parametrize("before", [0, 1, 3])
def test_icinga_2_s_downtimes_that_begin_and_end_between_two_files_are_counted(mirror: Mirror, reader: Reader, before: int) -> None:
    """Cancelled one of two that no file had shown: the object was shown out of downtime; all of two it had shown: still in one."""
    mirror.configure([poller(1, kind=CoreKind.ICINGA2)])
    shown = [WORK._replace(core_id=number, comment=f"{number}", block_hash=number) for number in range(1, before + 1)]
    mirror.apply(scan(file_of(1000.0, IN_DOWNTIME._replace(scheduled_downtime_depth=before), downtimes=tuple(shown))))
    chance, depth = random.Random(before), before
    for _ in range(40):
        begins = not depth or chance.random() < 0.5
        depth += 1 if begins else -1
        mirror.log_events(1, [passage(LogKind.SERVICE_DOWNTIME, "STARTED" if begins else "CANCELLED")])
        row = reader.object_row(1, "web01", "HTTP")
        assert row is not None and row.scheduled_downtime_depth == depth


def test_a_start_in_the_file_s_own_second_is_the_one_it_shows(mirror: Mirror, reader: Reader) -> None:
    mirror.configure([poller(1, kind=CoreKind.ICINGA2)])
    mirror.apply(scan(file_of(AT + 0.5, IN_DOWNTIME, downtimes=(WORK,))))
    mirror.log_events(1, [passage(LogKind.SERVICE_DOWNTIME, "STARTED"), passage(LogKind.SERVICE_DOWNTIME, "CANCELLED", AT + 1)])
    row = reader.object_row(1, "web01", "HTTP")
    assert row is not None and row.scheduled_downtime_depth == 0


@pytest.mark.parametrize("first", [False, True])
def test_downtimes_and_comments_under_new_ids_are_the_same_ones(begun: Mirror, reader: Reader, first: bool) -> None:
    """Icinga 2 numbers them anew at each start, Nagios may."""
    old = file_of(AT, IN_DOWNTIME, downtimes=(WORK,), comments=(comment("web01", None, 3),))
    begun.apply(scan(old, FILE))
    before = len(told(reader))
    new = file_of(AT + 5.0, IN_DOWNTIME, downtimes=(WORK._replace(core_id=1),), comments=(comment("web01", None, 1),))
    begun.apply(scan(new, None if first else old))
    assert len(told(reader)) == before


def test_users_comments_and_not_the_cores_own(begun: Mirror, reader: Reader) -> None:
    ours, cores = comment("web01", None, 3), comment("web01", None, 4, "This host has been scheduled …")._replace(entry_type=2)
    with_both = file_of(AT, comments=(ours, cores))
    begun.apply(scan(with_both, FILE))
    begun.apply(scan(file_of(AT + 5.0), with_both))
    assert [(event.kind, event.action, event.said["comment"]) for event in told(reader)] == [
        ("comment", "added", "seen"), ("comment", "removed", "seen"),
    ]  # fmt: skip


def test_an_acknowledgement_and_its_end_by_recovery(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [CRITICAL])
    acknowledged = CRITICAL_ROW._replace(acknowledged=1, acknowledgement_type=2, block_hash=5)
    words_of_ann = comment("web01", "HTTP", 3, "we know")._replace(entry_type=4)
    begun.apply(scan(file_of(AT + 2.0, acknowledged, comments=(words_of_ann,)), FILE, forget=begun.dirty(1)))
    begun.log_events(1, [StateEvent(AT + 4, LogKind.SERVICE_ALERT, "web01", "HTTP", 0, 1, 1, "fine", "")])
    found = told(reader)
    assert [(event.kind, event.action) for event in found] == [
        ("state", "changed"), ("acknowledgement", "set"), ("state", "changed"), ("acknowledgement", "removed"),
    ]  # fmt: skip
    assert found[1].said == {"source": "status_file", "sticky": True, "author": "ann", "comment": "we know"}


def test_an_acknowledgement_is_told_with_the_words_of_the_newest(begun: Mirror, reader: Reader) -> None:
    """A persistent comment outlives the acknowledgement it was made for."""
    old = comment("web01", "HTTP", 3, "long ago")._replace(entry_type=4, entry_time=50.0)
    new = comment("web01", "HTTP", 9, "we know")._replace(entry_type=4, entry_time=90.0)
    other = comment("web01", "HTTP", 12, "older")._replace(entry_type=4, entry_time=70.0)
    acknowledged = CRITICAL_ROW._replace(acknowledged=1, acknowledgement_type=1, block_hash=5)
    begun.apply(scan(file_of(AT, acknowledged, comments=(old, new, other)), FILE))
    assert [event.said["comment"] for event in told(reader, "acknowledgement")] == ["we know"]


def test_flapping(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [passage(LogKind.SERVICE_FLAPPING, "STARTED"), passage(LogKind.SERVICE_FLAPPING, "DISABLED")])
    assert words(reader) == [("flapping", "started", "log"), ("flapping", "disabled", "log")]


# --- notifications and passive results --------------------------------------------------------------------------------------------


def test_a_notification_is_told_and_its_time_kept(begun: Mirror, reader: Reader) -> None:
    line = StateEvent(AT, LogKind.SERVICE_NOTIFICATION, "web01", "HTTP", None, None, None, "refused", "CRITICAL", "ann")
    begun.log_events(1, [line])
    (event,) = told(reader)
    assert (event.kind, event.action, event.said["contact"], event.said["reason"]) == ("notification", "sent", "ann", "CRITICAL")
    row = reader.object_row(1, "web01", "HTTP")
    assert row is not None
    assert row.last_notification == float(AT)


def test_a_notification_read_late_is_told_all_the_same(begun: Mirror, reader: Reader) -> None:
    """No status file makes up for it."""
    begun.apply(scan(file_of(AT + 60.0), FILE))
    line = StateEvent(AT, LogKind.SERVICE_NOTIFICATION, "web01", "HTTP", None, None, None, "refused", "CRITICAL", "ann")
    begun.log_events(1, [line])
    assert [event.kind for event in told(reader)] == ["notification"]


def test_a_passive_line_marks_freshness_and_never_a_state(begun: Mirror, reader: Reader) -> None:
    begun.log_events(1, [StateEvent(AT, LogKind.SERVICE_PASSIVE, "web01", "HTTP", None, None, None, "", "")])
    row = reader.object_row(1, "web01", "HTTP")
    assert row == OK._replace(last_check=float(AT), block_hash=-1)
    assert told(reader) == []
    begun.apply(scan(file_of(AT - 1.0, CRITICAL_ROW), FILE, forget=begun.dirty(1)))
    assert reader.object_row(1, "web01", "HTTP") == row
    begun.apply(scan(file_of(float(AT), CRITICAL_ROW), FILE, forget=begun.dirty(1)))
    assert reader.object_row(1, "web01", "HTTP") == CRITICAL_ROW
    assert begun.dirty(1) == ()


# --- objects, pollers -------------------------------------------------------------------------------------------------------------


def test_objects_that_come_and_go_are_told_to_those_who_saw_them(begun: Mirror, reader: Reader) -> None:
    more = StatusFile(AT, FILE.program_start, FILE.hosts, (*FILE.services, service_row("web01", "New")))
    begun.apply(scan(more, FILE))
    begun.apply(scan(StatusFile(AT + 9.0, AT + 8.0, (), ()), more, cache=ObjectCache()))
    found = told(reader)
    assert {(event.action, event.host, event.service, event.hostgroups) for event in found} == {
        ("added", "web01", "New", ("web",)), ("removed", "web01", None, ("web",)), ("removed", "web01", "HTTP", ("web",)),
        ("removed", "web01", "SSH", ("web",)), ("removed", "web01", "New", ("web",)),
    }  # fmt: skip
    assert [event.action for event in told(reader, "poller")] == ["health", "first_seen", "restarted"]


def test_a_pollers_health_is_told_once(begun: Mirror, reader: Reader) -> None:
    for word in ("reading", "reading", "no_reader"):
        begun.command_file_health(1, word, "x")
    found = [event for event in told(reader, "poller") if event.said.get("file") == "command_file"]
    assert [(event.said["health"], event.hostgroups) for event in found] == [("reading", ("web",)), ("no_reader", ("web",))]


# --- the journal of events --------------------------------------------------------------------------------------------------------


def test_rows_events_and_the_place_in_the_log_are_one(begun: Mirror, reader: Reader) -> None:
    assert begun.log_position(1) is None
    begun.log_events(1, [CRITICAL], "here")
    assert begun.log_position(1) == "here"
    news: list[int] = []
    begun.told = lambda: news.append(1)
    with pytest.raises(AttributeError):
        begun.log_events(1, [_critical(2, 0), None], "there")  # type: ignore[list-item]
    assert (begun.log_position(1), len(told(reader)), news) == ("here", 1, [])


def test_old_events_are_dropped_in_steps_and_numbers_never_come_back(begun: Mirror, reader: Reader) -> None:
    for number in range(60):
        begun.command_file_health(1, f"word{number}", "")
    incarnation, oldest, newest = bounds(reader.connection)
    assert oldest == 0
    assert not begun.prune_events(10)
    assert bounds(reader.connection) == (incarnation, newest - 10, newest)
    begun.prune_events(0)
    assert bounds(reader.connection) == (incarnation, newest, newest)
    begun.command_file_health(1, "again", "")
    assert bounds(reader.connection) == (incarnation, newest, newest + 1)


def test_who_saw_what_is_gone_is_forgotten_with_the_events_that_told_of_it(mirror: Mirror, reader: Reader) -> None:
    """A poller whose objects come and go for years would fill the file."""
    told_to = ObjectCache(hosts=(host_config("web01", contacts=("ann",)), host_config("web02")))
    mirror.apply(scan(FILE, cache=told_to))
    mirror.apply(scan(StatusFile(AT, AT - 1.0), FILE, cache=ObjectCache()))
    count = "SELECT count(*) FROM state.former_contact"
    assert reader.connection.execute(count).fetchone() == (1,)
    while mirror.prune_events(0):
        pass
    assert reader.connection.execute(count).fetchone() == (0,)


def test_a_file_made_anew_is_another_incarnation(tmp_path: Path) -> None:
    found = set()
    for _ in range(2):
        mirror = Mirror.open(tmp_path / "state.db", CountingMint())
        mirror.configure([poller(1)])
        reader = Reader.open(tmp_path)
        found.add(bounds(reader.connection)[0])
        reader.close()
        mirror.close()
        (tmp_path / "state.db").unlink()
    assert len(found) == 2
