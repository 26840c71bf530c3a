"""What a log line makes of a row, field by field. Nothing else of the row may change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formats.corelog import LogKind, StateEvent
from engine.model import HostStatus, ServiceStatus
from engine.state.changes import after
from tests.engine.state.rows import host_row, service_row

SOFT, HARD = 0, 1
NORMAL, STICKY = 1, 2


def service_alert(state: int | None, state_type: int | None = HARD, attempt: int | None = 3, at: int = 2000) -> StateEvent:
    return StateEvent(at, LogKind.SERVICE_ALERT, "h", "s", state, state_type, attempt, "said", "")


def service_word(kind: LogKind, word: str) -> StateEvent:
    return StateEvent(2000, kind, "h", "s", None, None, None, "", word)


ALWAYS = {"has_been_checked": 1, "plugin_output": "said", "last_check": 2000.0, "block_hash": -1}
CHANGED = {"last_state_change": 2000.0}
HARDENED = {"last_hard_state_change": 2000.0}

CASES: list[tuple[str, dict[str, object], StateEvent, dict[str, object]]] = [
    (
        "OK to soft CRITICAL", {}, service_alert(2, SOFT, 1),
        {"state": 2, "state_type": SOFT, "current_attempt": 1, "last_time_critical": 2000.0, **CHANGED},
    ),
    (
        "soft to hard, same state", {"state": 2, "state_type": SOFT, "current_attempt": 2, "last_state_change": 1990.0},
        service_alert(2, HARD, 3),
        {"state_type": HARD, "current_attempt": 3, "last_hard_state": 2, **HARDENED, "last_time_critical": 2000.0},
    ),
    (
        "recovery ends a sticky acknowledgement",
        {"state": 1, "last_hard_state": 1, "acknowledged": 1, "acknowledgement_type": STICKY},
        service_alert(0, HARD, 1),
        {"state": 0, "current_attempt": 1, "last_hard_state": 0, **HARDENED, "last_time_ok": 2000.0,
         "acknowledged": 0, **CHANGED},
    ),
    (
        "another problem ends a normal acknowledgement",
        {"state": 1, "last_hard_state": 1, "acknowledged": 1, "acknowledgement_type": NORMAL},
        service_alert(3, HARD, 3),
        {"state": 3, "current_attempt": 3, "last_hard_state": 3, **HARDENED, "last_time_unknown": 2000.0,
         "acknowledged": 0, **CHANGED},
    ),
    (
        "another problem leaves a sticky acknowledgement",
        {"state": 1, "last_hard_state": 1, "acknowledged": 1, "acknowledgement_type": STICKY},
        service_alert(2, HARD, 3),
        {"state": 2, "current_attempt": 3, "last_hard_state": 2, **HARDENED, "last_time_critical": 2000.0, **CHANGED},
    ),
    (
        "soft to hard leaves a normal acknowledgement",
        {"state": 1, "state_type": SOFT, "acknowledged": 1, "acknowledgement_type": NORMAL},
        service_alert(1, HARD, 3),
        {"state_type": HARD, "current_attempt": 3, "last_hard_state": 1, **HARDENED, "last_time_warning": 2000.0},
    ),
    (
        "first result of a pending service", {"has_been_checked": 0}, service_alert(1, SOFT, 1),
        {"state": 1, "state_type": SOFT, "current_attempt": 1, "last_time_warning": 2000.0, **CHANGED},
    ),
    (
        "a pending service's last hard state means nothing",
        {"has_been_checked": 0, "last_hard_state": 3},
        service_alert(3, HARD, 1),
        {"state": 3, "current_attempt": 1, "last_hard_state": 3, **HARDENED, "last_time_unknown": 2000.0, **CHANGED},
    ),
    (
        "a check newer than the line", {"last_check": 2500.0, "state": 1, "last_hard_state": 1}, service_alert(1, HARD, 3),
        {"last_check": 2500.0, "current_attempt": 3, "last_time_warning": 2000.0},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "event", "changes"), CASES, ids=[case[0] for case in CASES])
def test_an_alert(name: str, old: dict[str, object], event: StateEvent, changes: dict[str, object]) -> None:
    row = service_row("h", "s", **old)
    assert after(row, event) == row._replace(**{**ALWAYS, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "time"), [(0, "last_time_up"), (1, "last_time_down"), (2, "last_time_unreachable")])
def test_a_hosts_alert(state: int, time: str) -> None:
    row = host_row("h", state=(state + 1) % 3, last_hard_state=state)
    event = StateEvent(2000, LogKind.HOST_ALERT, "h", None, state, HARD, 1, "said", "")
    changes = {"state": state, "current_attempt": 1, time: 2000.0, **ALWAYS, **CHANGED}
    assert after(row, event) == row._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "word", "old", "new"),
    [
        (LogKind.SERVICE_DOWNTIME, "STARTED", {}, {"scheduled_downtime_depth": 1}),
        (LogKind.SERVICE_DOWNTIME, "STARTED", {"scheduled_downtime_depth": 2}, {"scheduled_downtime_depth": 2}),
        (LogKind.SERVICE_DOWNTIME, "STOPPED", {"scheduled_downtime_depth": 2}, {"scheduled_downtime_depth": 0}),
        (LogKind.SERVICE_DOWNTIME, "CANCELLED", {"scheduled_downtime_depth": 1}, {"scheduled_downtime_depth": 0}),
        (LogKind.SERVICE_FLAPPING, "STARTED", {}, {"is_flapping": 1}),
        (LogKind.SERVICE_FLAPPING, "STOPPED", {"is_flapping": 1}, {"is_flapping": 0}),
        (LogKind.SERVICE_FLAPPING, "DISABLED", {"is_flapping": 1}, {"is_flapping": 0}),
    ],
)
def test_downtimes_and_flapping(kind: LogKind, word: str, old: dict[str, object], new: dict[str, object]) -> None:
    row = service_row("h", "s", **old)
    assert after(row, service_word(kind, word)) == row._replace(block_hash=-1, **new)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "new"), [("CRITICAL", 2000.0), ("ACKNOWLEDGEMENT (CRITICAL)", 100.0), ("CUSTOM (CRITICAL)", 100.0)]
)
def test_only_what_tells_of_the_state_is_the_objects_last_notification(word: str, new: float) -> None:
    row = after(service_row("h", "s", last_notification=100.0), service_word(LogKind.SERVICE_NOTIFICATION, word))
    assert (100.0 if row is None else row.last_notification) == new


@pytest.mark.parametrize(
    "event",
    [
        service_alert(4),
        service_alert(-1),
        service_alert(None),
        service_alert(1, None),
        service_alert(1, HARD, None),
        service_word(LogKind.OTHER, "STARTED"),
        service_word(LogKind.EXTERNAL_COMMAND, "STARTED"),
    ],
)
def test_what_says_nothing_changes_nothing(event: StateEvent) -> None:
    assert after(service_row("h", "s"), event) is None


def test_a_host_has_no_fourth_state() -> None:
    event = StateEvent(2000, LogKind.HOST_ALERT, "h", None, 3, HARD, 1, "", "")
    assert after(host_row("h"), event) is None


@given(
    st.sampled_from(list(LogKind)), st.booleans(), st.none() | st.integers(-1, 5), st.none() | st.integers(0, 1),
    st.none() | st.integers(0, 9), st.text(), st.sampled_from(["", "STARTED", "STOPPED", "CANCELLED", "DISABLED", "?"]),
)  # fmt: skip
def test_any_event_gives_a_row_or_nothing_and_twice_is_once(
    kind: LogKind, is_host: bool, state: int | None, state_type: int | None, attempt: int | None, output: str, word: str
) -> None:
    row: HostStatus | ServiceStatus = host_row("h") if is_host else service_row("h", "s")
    event = StateEvent(2000, kind, "h", None if is_host else "s", state, state_type, attempt, output, word)
    new = after(row, event)
    if new is not None:
        assert type(new) is type(row)
        assert new[0] == row[0]
        assert new.block_hash == -1
        assert after(new, event) == new
