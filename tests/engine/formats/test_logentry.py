"""Lines of logs as entries of the history: every recorded log against a plain reader, each form by hand, and any bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formats.logentry import EntryType, LogEntry, parse_entry
from engine.model import HostState, ServiceState
from tests.support import oracle

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
PLAIN = ("alert", "downtime", "flapping", "current_state", "initial_state")


def shown(entry: LogEntry) -> tuple[int, str, str, str, str]:
    """An entry as the plain reader says it."""
    state = None if entry.state is None else (ServiceState if entry.service else HostState)(entry.state).name
    return entry.at, entry.type.name.lower(), entry.host, entry.service, entry.word or state or ""


@pytest.mark.parametrize("log", sorted(GOLDEN.glob("*/core.log")), ids=lambda path: path.parent.name)
def test_recorded_logs(log: Path) -> None:
    """Nothing a core wrote of its objects is left out, nothing is made up."""
    lines = log.read_bytes().split(b"\n")
    entries = [entry for line in lines if (entry := parse_entry(line)) is not None]
    assert [shown(entry) for entry in entries if entry.type.name.lower() in PLAIN] == oracle.events(lines) != []


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("HOST ALERT: h;DOWN;HARD;3;out; with; more", LogEntry(7, EntryType.ALERT, "h", "", 1, 1, 3, text="out; with; more")),
        ("SERVICE ALERT: h;s, t;UNKNOWN;SOFT;1;", LogEntry(7, EntryType.ALERT, "h", "s, t", 3, 0, 1)),
        (
            "HOST NOTIFICATION: ann;h;DOWN;mail;gone",
            LogEntry(7, EntryType.NOTIFICATION, "h", "", 1, word="PROBLEM", contact="ann", command="mail", text="gone"),
        ),
        (
            "SERVICE NOTIFICATION: ann;h;s;OK;mail;fine; now",
            LogEntry(7, EntryType.NOTIFICATION, "h", "s", 0, word="RECOVERY", contact="ann", command="mail", text="fine; now"),
        ),
        (
            "SERVICE NOTIFICATION: ann;h;s;ACKNOWLEDGEMENT (CRITICAL);mail;x;bob;I look",
            LogEntry(
                7,
                EntryType.NOTIFICATION,
                "h",
                "s",
                2,
                word="ACKNOWLEDGEMENT",
                contact="ann",
                command="mail",
                text="x;bob;I look",
            ),
        ),
        ("HOST NOTIFICATION SUPPRESSED: h;asleep", LogEntry(7, EntryType.NOTIFICATION, "h", word="SUPPRESSED", text="asleep")),
        (
            "HOST DOWNTIME ALERT: h;CANCELLED; Scheduled downtime was cancelled",
            LogEntry(7, EntryType.DOWNTIME, "h", word="CANCELLED", text="Scheduled downtime was cancelled"),
        ),
        ("SERVICE FLAPPING ALERT: h;s;STARTED; so", LogEntry(7, EntryType.FLAPPING, "h", "s", word="STARTED", text="so")),
        (
            "GLOBAL SERVICE EVENT HANDLER: h;s;CRITICAL;HARD;3;restart",
            LogEntry(7, EntryType.EVENT_HANDLER, "h", "s", 2, 1, 3, command="restart"),
        ),
        ("INITIAL HOST STATE: h;UP;HARD;1;fine", LogEntry(7, EntryType.INITIAL_STATE, "h", "", 0, 1, 1, text="fine")),
        (
            "Nagios 4.4.6 starting... (PID=12)",
            LogEntry(7, EntryType.PROGRAM, word="START", text="Nagios 4.4.6 starting... (PID=12)"),
        ),
        ("Caught SIGHUP, restarting...", LogEntry(7, EntryType.PROGRAM, word="RESTART", text="Caught SIGHUP, restarting...")),
        (
            "Successfully shutdown... (PID=12)",
            LogEntry(7, EntryType.PROGRAM, word="STOP", text="Successfully shutdown... (PID=12)"),
        ),
        (
            "EXTERNAL COMMAND: ADD_HOST_COMMENT;h;1;ann;a;b",
            LogEntry(7, EntryType.EXTERNAL_COMMAND, command="ADD_HOST_COMMENT", text="h;1;ann;a;b"),
        ),
    ],
)
def test_forms(line: str, entry: LogEntry) -> None:
    """Centreon's process id in front changes nothing."""
    assert parse_entry(f"[7] {line}".encode()) == entry == parse_entry(f"[7] [4242] {line}".encode())


@pytest.mark.parametrize(
    "line",
    [
        "EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;h;s;0;fine",
        "EXTERNAL COMMAND: _SIGNALBOX_Babc",
        "EXTERNAL COMMAND: HOST ALERT: h;DOWN;HARD;3;forged",
        "PASSIVE HOST CHECK: h;0;x",
        "HOST ALERT: h;SIDEWAYS;HARD;3;x",
        "SERVICE ALERT: h;s;DOWN;HARD;3;x",
        "HOST ALERT: h",
        "HOST DOWNTIME ALERT: h;PAUSED; x",
        "Warning: HOST ALERT: h;DOWN;HARD;3;quoted",
        "x; Nagios 4.4.6 starting... (PID=12)",
    ],
)
def test_what_makes_no_entry(line: str) -> None:
    """What somebody submitted is never taken for what a core says."""
    assert parse_entry(f"[7] {line}".encode()) is None


@given(
    st.binary()
    | st.binary().map(lambda tail: b"[12] SERVICE NOTIFICATION: " + tail)
    | st.binary().map(lambda t: b"[1] HOST ALERT: " + t)
)
def test_no_bytes_raise(raw: bytes) -> None:
    entry = parse_entry(raw)
    assert entry is None or max(entry.text + entry.host + entry.service + " ") < "\ud800"
