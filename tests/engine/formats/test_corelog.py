"""Log lines: the recorded logs, lines of cores that are not installed here, forgeries, and any bytes at all."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.formats.corelog import LogKind, LogLine, StateEvent, is_announced, parse_icinga2_line, parse_line, state_event

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
NAGIOS, ICINGA2 = GOLDEN / "nagios-4.4.6", GOLDEN / "icinga2-2.13.6"
WRITTEN = ("nagios-3.5.1", "naemon-1.5.2", "icinga-1.14.2", "centreon-engine-23.04")  # by hand, from what is known of these cores


def classic(folder: Path) -> list[LogLine]:
    found = [parse_line(raw) for raw in (folder / "core.log").read_bytes().split(b"\n")]
    assert found[-1] is None  # behind the last newline
    assert None not in found[:-1]
    return [line for line in found if line is not None]


def main_log() -> list[LogLine]:
    found = (parse_icinga2_line(raw) for raw in (ICINGA2 / "main.log").read_bytes().split(b"\n"))
    return [line for line in found if line is not None]


def sent(folder: Path) -> list[bytes]:
    """The lines the recorder wrote, as the core was given them."""
    texts: list[str] = json.loads((folder / "recorded.json").read_text(encoding="utf-8"))["sent"]
    return [_raw(text) for text in texts]


def _raw(text: str) -> bytes:
    # The recorder wrote bytes that are no UTF-8 as \xe4; no command of its holds that word itself.
    return b"".join(
        bytes([int(part[:2], 16)]) + part[2:].encode() if number else part.encode() for number, part in enumerate(text.split("\\x"))
    )


# --- commands -------------------------------------------------------------------------------------------------------------------


def test_nagios_echoes_every_known_command_in_order() -> None:
    echoes = [line.text for line in classic(NAGIOS) if line.kind is LogKind.EXTERNAL_COMMAND]
    expected = [line + b";" if line.startswith(b"_") else line for line in sent(NAGIOS) if not line.startswith(b"NO_SUCH")]
    assert echoes == expected
    assert len(echoes) > 30


def test_icinga2_says_each_line_raw_before_it_executes_it() -> None:
    echoes = [line.text for line in main_log() if line.kind is LogKind.EXTERNAL_COMMAND]
    texts = [text.split(b"] ", 1)[1] for text in echoes if text != b""]
    assert [text for text in texts if text != b" garbage"] == sent(ICINGA2)
    assert all(text.startswith(b"[1") for text in echoes)


def test_nagios_errors_are_about_what_was_refused() -> None:
    errors = [line.text for line in classic(NAGIOS) if line.kind is LogKind.COMMAND_ERROR]
    beginnings = Counter(text.split(b" -> ")[0].split(b" [")[0].split(b" was received")[0] for text in errors)
    assert beginnings == {
        b"Warning: Unrecognized external command": 2,  # the unknown name, the garbage
        b"Error: External command failed": 7,
        b"External command": 9,
        b"Warning:  Passive check result": 2,
    }


def test_icinga2_errors_follow_their_command() -> None:
    lines = main_log()
    refused = [
        (lines[number - 1].text.split(b"] ", 1)[1].split(b";")[0], line.text)
        for number, line in enumerate(lines)
        if line.kind is LogKind.COMMAND_ERROR
    ]
    assert [name for name, _ in refused] == [
        b"NO_SUCH_COMMAND",
        *[b"ADD_HOST_COMMENT"] * 3,
        b"SCHEDULE_HOST_DOWNTIME",
        b"PROCESS_HOST_CHECK_RESULT",
        b"PROCESS_SERVICE_CHECK_RESULT",
        b"PROCESS_HOST_CHECK_RESULT",
        b"_SIGNALBOX_Bgolden00",
        b"_SIGNALBOX_Egolden00",
        b" garbage",
        b"_SIGNALBOX_Lgolden01",
    ]
    assert refused[0][1] == b"External command failed: Error: The external command 'NO_SUCH_COMMAND' does not exist."
    assert all(text.startswith(b"External command failed: Error: ") for _, text in refused)


@pytest.mark.parametrize(
    "text",
    [
        b"Warning: Unrecognized external command -> X;1",
        b"Error: External command failed -> ADD_HOST_COMMENT;nohost;1;a;b",
        b"External command error: Command failed",  # Nagios 4.0 - 4.4.3
        b"External command [7] X;1 returned error Command failed",  # Nagios >= 4.4.4
        b"External command [7] X returned error Unknown or unsupported command",
        b"External command garbage returned error Malformed command",
        b"External command \xff returned error x returned error Malformed command",
        b"Warning:  Passive check result was received for service 'S' on host 'H', but the service could not be found!",
        b"Warning:  Passive check result was received for service 'S' on host 'H', but the host could not be found!",
        b"Warning:  Passive check result was received for host 'H', but the host could not be found!",
        b"Warning: External command parse error [7] X;1 (Unknown command 'X')",  # Naemon
        b"External command error: Unknown command 'X'",
        b"Error: Failed to add downtime for host 'h': Triggering downtime not found",
        b"Info: External command blocked by broker module -> X;1",
        b"Error: Could not find host 'h' provided in external command!",  # Icinga 1
        b"unknown host: h",  # Centreon Engine
    ],
)
def test_every_wording_of_a_refusal(text: bytes) -> None:
    line = parse_line(b"[1700000000] " + text)
    assert line == LogLine(1700000000, LogKind.COMMAND_ERROR, text)


# --- starts ---------------------------------------------------------------------------------------------------------------------


def test_starts_of_the_recorded_cores() -> None:
    nagios = [line for line in classic(NAGIOS) if line.kind is LogKind.START]
    assert [line.text.split(b" (PID=")[0] for line in nagios] == [
        b"Nagios 4.4.6 starting...",
        b"Caught SIGHUP, restarting...",
        b"Nagios 4.4.6 starting...",
    ]
    texts = [line.text for line in main_log() if line.kind is LogKind.START]
    assert texts.count(b"'main-log' started.") == 2
    assert texts.count(b"'command' started.") == 2
    assert len(texts) == 6  # and twice the words on the listener's future, seen even where only warnings are logged


def test_a_start_stands_between_the_last_command_before_a_reload_and_the_first_after_it() -> None:
    for lines in (classic(NAGIOS), main_log()):
        kinds = [line.kind for line in lines]
        last = max(
            number for number, line in enumerate(lines) if b"Lgolden01" in line.text and kinds[number] is LogKind.EXTERNAL_COMMAND
        )
        before = max(number for number in range(last) if kinds[number] is LogKind.EXTERNAL_COMMAND)
        assert LogKind.START in kinds[before:last]


@pytest.mark.parametrize(
    "text",
    [
        b"Nagios 3.5.0 starting... (PID=7)",
        b"Naemon 1.5.2 starting... (PID=7)",
        b"Icinga 1.14.2 starting... (PID=7)",
        b"Centreon Engine 23.04.0 starting ... (PID=7)".replace(b" ...", b"..."),
        b"Caught SIGHUP, restarting...",
        b"PROGRAM_RESTART event encountered, restarting...",
    ],
)
def test_starts_of_other_cores(text: bytes) -> None:
    line = parse_line(b"[7] " + text)
    assert line is not None
    assert line.kind is LogKind.START


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"Successfully shutdown... (PID=7)", LogKind.STOP),
        (b"Caught SIGHUP, restarting...", LogKind.START),
        (b"PROGRAM_RESTART event encountered, restarting...", LogKind.START),
    ],
)
def test_ends_that_saved_what_the_core_keeps(text: bytes, kind: LogKind) -> None:
    line = parse_line(b"[7] " + text)
    assert line == LogLine(7, kind, text)
    assert is_announced(line)


def test_a_start_out_of_nothing_and_a_signal_alone_announce_nothing() -> None:
    for text in (b"Nagios 4.4.6 starting... (PID=7)", b"Caught SIGTERM, shutting down...", b"Caught SIGSEGV, shutting down..."):
        line = parse_line(b"[7] " + text)
        assert line is not None
        assert not is_announced(line)


@pytest.mark.parametrize(
    "text",
    [
        b"LOG ROTATION: DAILY",
        b"LOG VERSION: 2.0",
        b"Caught SIGTERM, shutting down...",
        b"CURRENT HOST STATE: h;DOWN;HARD;1;x",
        b"Warning: Host performance data command is slow",
        b"Error: Unable to create lockfile",
        b"Warning: Passive check result",
        b"External command file worker started",
        b"",
    ],
)
def test_lines_that_mean_nothing_to_us(text: bytes) -> None:
    assert parse_line(b"[7] " + text) == LogLine(7, LogKind.OTHER, text)


# --- states ---------------------------------------------------------------------------------------------------------------------


def test_state_events_of_nagios() -> None:
    found = [event for event in map(state_event, classic(NAGIOS)) if event is not None]
    alerts = [(e.host, e.service, e.state, e.state_type, e.attempt, e.output) for e in found if e.state is not None]
    assert alerts == [
        ("a+b", None, 1, 1, 1, "PING CRITICAL - Packet loss = 100%"),
        ("web01", "Disk /var", 2, 1, 1, "DISK CRITICAL = full"),
        ("web01", "Größe", 1, 1, 1, "wörtlich: so"),
        ("web01", "C:\\ 90%", 3, 1, 1, "C:\\temp and \\server"),
        ("web01", "#1?", 2, 1, 1, "}"),
        ("web01", "x = y", 1, 1, 1, "latin-1 \ufffd\ufffd\ufffd and \ufffd broken"),
        ("#1?", "C:, D:", 2, 1, 1, "both full"),
    ]
    # Whether the triggered downtime of Größe begins with its parent depends on what Nagios 4.4.6 comes to first.
    passages = [(e.kind, e.host, e.service, e.word) for e in found if e.word and e.host != "Größe"]
    assert passages == [
        (LogKind.HOST_DOWNTIME, "web01", None, "STARTED"),
        (LogKind.SERVICE_DOWNTIME, "web01", "a+b", "STARTED"),
        (LogKind.SERVICE_DOWNTIME, "web01", "a+b", "CANCELLED"),
        (LogKind.HOST_DOWNTIME, "web01", None, "STARTED"),  # told again after the reload
    ]


@pytest.mark.parametrize("folder", WRITTEN)
def test_logs_of_cores_that_are_not_installed_here(folder: str) -> None:
    lines = classic(GOLDEN / folder)
    assert lines[0].kind is LogKind.START
    assert [line.text for line in lines if line.kind is LogKind.EXTERNAL_COMMAND] == [b"ADD_HOST_COMMENT;web01;1;ann;hoststatus {"]
    found = [event for event in map(state_event, lines) if event is not None]
    assert [(e.host, e.service, e.state, e.state_type, e.attempt, e.output) for e in found if e.state is not None] == [
        ("web01", None, 1, 0, 1, "CRITICAL - lost; all"),
        ("web01", None, 1, 1, 3, "CRITICAL"),
        ("web01", "Disk /var", 2, 1, 3, "DISK CRITICAL; 2% free"),
    ]
    assert [(e.kind, e.service, e.word) for e in found if e.word and not e.contact] == [
        (LogKind.HOST_DOWNTIME, None, "STARTED"),
        (LogKind.SERVICE_DOWNTIME, "Disk /var", "CANCELLED"),
        (LogKind.SERVICE_FLAPPING, "Disk /var", "STARTED"),
    ]
    errors = {"naemon-1.5.2": 2, "icinga-1.14.2": 2}
    assert sum(line.kind is LogKind.COMMAND_ERROR for line in lines) == errors.get(folder, 0)


def test_state_events_of_icinga2s_compat_log_keep_semicolons() -> None:
    found = [event for event in map(state_event, classic(ICINGA2)) if event is not None]
    assert ("web01", "Größe", 1, "wörtlich; so") in [(e.host, e.service, e.state, e.output) for e in found]
    assert {e.word for e in found if e.kind is LogKind.SERVICE_DOWNTIME} == {"STARTED"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"HOST ALERT: h;UNREACHABLE;SOFT;12;a;b|c=1;2", (LogKind.HOST_ALERT, "h", None, 2, 0, 12, "a;b|c=1;2", "")),
        (b"HOST ALERT: h;UP;HARD;1;", (LogKind.HOST_ALERT, "h", None, 0, 1, 1, "", "")),
        (b"SERVICE ALERT: h;HOST ALERT: x;OK;HARD;1;fine", (LogKind.SERVICE_ALERT, "h", "HOST ALERT: x", 0, 1, 1, "fine", "")),
        (
            b"HOST FLAPPING ALERT: h;STOPPED; Host appears to have stopped flapping (3.8% change < 5.0% threshold)",
            (
                LogKind.HOST_FLAPPING,
                "h",
                None,
                None,
                None,
                None,
                "Host appears to have stopped flapping (3.8% change < 5.0% threshold)",
                "STOPPED",
            ),
        ),
        (b"SERVICE FLAPPING ALERT: h;s;DISABLED; off", (LogKind.SERVICE_FLAPPING, "h", "s", None, None, None, "off", "DISABLED")),
        (
            b"HOST NOTIFICATION: ann;h;ACKNOWLEDGEMENT (DOWN);cmd;out;a;b",
            (LogKind.HOST_NOTIFICATION, "h", None, None, None, None, "out;a;b", "ACKNOWLEDGEMENT (DOWN)", "ann"),
        ),
        (
            b"SERVICE NOTIFICATION: ann;h;s;CRITICAL;cmd;",
            (LogKind.SERVICE_NOTIFICATION, "h", "s", None, None, None, "", "CRITICAL", "ann"),
        ),
        (b"PASSIVE SERVICE CHECK: h;s;2;old; output", (LogKind.SERVICE_PASSIVE, "h", "s", None, None, None, "", "")),
        (b"PASSIVE HOST CHECK: h;0;(null)", (LogKind.HOST_PASSIVE, "h", None, None, None, None, "", "")),
        (b"SERVICE DOWNTIME ALERT: h;s;STOPPED; out", (LogKind.SERVICE_DOWNTIME, "h", "s", None, None, None, "out", "STOPPED")),
    ],
)
def test_what_lines_say_of_an_object(text: bytes, expected: tuple[object, ...]) -> None:
    line = parse_line(b"[7] " + text)
    assert line is not None
    assert state_event(line) == StateEvent(7, *expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        b"HOST ALERT: h;DOWN;HARD;x;out",
        b"HOST ALERT: h;DOWN;HARD",
        b"HOST ALERT: h;CRITICAL;HARD;1;a service's word",
        b"SERVICE ALERT: h;s;DOWN;HARD;1;a host's word",
        b"HOST ALERT: h;DOWN;FIRM;1;x",
        b"HOST ALERT: ",
        b"SERVICE ALERT: h",
        b"HOST DOWNTIME ALERT: h;BEGUN; x",
        b"HOST ALERT: h;DOWN;HARD;99999999999999999999;x",
        b"CURRENT HOST STATE: h;DOWN;HARD;1;x",
        b"HOST NOTIFICATION: ann;h;DOWN",
        b"SERVICE NOTIFICATION: ann;h;CRITICAL;cmd",
        b"PASSIVE SERVICE CHECK: h;s",
    ],
)
def test_lines_that_say_nothing_intelligible(text: bytes) -> None:
    line = parse_line(b"[7] " + text)
    assert line is not None
    assert state_event(line) is None


@pytest.mark.parametrize(
    "inside",
    [
        b"HOST ALERT: h;DOWN;HARD;1;x",
        b"Error: External command failed -> x",
        b"Nagios 4.4.6 starting... (PID=1)",
        b"External command [7] X returned error Command failed",
        b"[8] HOST ALERT: h;DOWN;HARD;1;x",
    ],
)
def test_what_somebody_wrote_into_a_comment_is_never_more_than_that(inside: bytes) -> None:
    for text in (b"EXTERNAL COMMAND: ADD_HOST_COMMENT;h;1;a;" + inside, b"EXTERNAL COMMAND: " + inside):
        line = parse_line(b"[7] " + text)
        assert line == LogLine(7, LogKind.EXTERNAL_COMMAND, text.removeprefix(b"EXTERNAL COMMAND: "))
        assert state_event(line) is None
    icinga2 = b"[2026-11-23 23:26:13 +0000] information/ExternalCommandListener: Executing external command: [7] X;" + inside
    line = parse_icinga2_line(icinga2)
    assert line is not None
    assert (line.kind, line.text) == (LogKind.EXTERNAL_COMMAND, b"[7] X;" + inside)


# --- grammar --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"[] x", b"[7]x", b"7 x", b" [7] x", b"[-7] x", b"[7.5] x", b"[1234567890123] x", b"x [7] y"])
def test_what_is_no_line_of_a_classic_log(raw: bytes) -> None:
    assert parse_line(raw) is None


def test_centreon_engine_writes_its_process_beside_the_time() -> None:
    line = parse_line(b"[7] [4711] HOST ALERT: h;DOWN;HARD;1;x")
    assert line is not None
    assert (line.kind, line.text) == (LogKind.HOST_ALERT, b"HOST ALERT: h;DOWN;HARD;1;x")


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (b"[2026-11-23 23:26:13 +0000] information/X: y", 1795476373),
        (b"[2026-11-24 00:26:13 +0100] information/X: y", 1795476373),
        (b"[2026-11-23 13:56:13 -0930] critical/X: y", 1795476373),
    ],
)
def test_times_of_icinga2(raw: bytes, at: int) -> None:
    assert parse_icinga2_line(raw) == LogLine(at, LogKind.OTHER, b"y")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Context:",
        b"\t(0) Activating object 'command' of type 'ExternalCommandListener'",
        b"[2026-13-23 23:26:13 +0000] information/X: y",
        b"[2026-11-23 23:26:13] information/X: y",
        b"[1795476373] HOST ALERT: h;DOWN;HARD;1;x",
    ],
)
def test_what_is_no_line_of_icinga2s_main_log(raw: bytes) -> None:
    assert parse_icinga2_line(raw) is None


def test_a_warning_of_icinga2_that_is_no_refusal() -> None:
    line = parse_icinga2_line(b"[2026-11-23 23:26:13 +0000] warning/ExternalCommandListener: Cannot open it")
    assert line is not None
    assert line.kind is LogKind.OTHER
    line = parse_icinga2_line(b"[2026-11-23 23:26:13 +0000] warning/Other: External command failed: Error: x")
    assert line is not None
    assert line.kind is LogKind.OTHER


beginnings = st.sampled_from(
    [b"", b"[7] ", b"[7] HOST ALERT: ", b"[7] SERVICE ALERT: h;", b"[7] HOST DOWNTIME ALERT: h;", b"[7] EXTERNAL COMMAND: "]
)
parts = st.one_of(st.binary(max_size=10), st.sampled_from([b"DOWN", b"HARD", b"OK", b"1", b"STARTED", b"\xb2", b"\xd9\xa3"]))


@given(beginnings, st.lists(parts, max_size=6).map(b";".join))
def test_any_bytes_give_a_line_or_none(beginning: bytes, rest: bytes) -> None:
    raw = beginning + rest
    line = parse_line(raw)
    assert (line is None) or raw.endswith(line.text)
    if line is not None:
        event = state_event(line)
        if event is not None:
            (event.host + (event.service or "") + event.output).encode("utf-8")
            assert (event.state is None) == (event.word != "")


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=30).map(lambda tail: b"[2026-11-23 23:26:13 +0000] warning/" + tail)))
def test_any_bytes_give_a_line_of_icinga2_or_none(raw: bytes) -> None:
    line = parse_icinga2_line(raw)
    assert (line is None) or raw.endswith(line.text)
