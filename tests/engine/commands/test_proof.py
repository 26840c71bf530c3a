"""What the log and the status file may be taken to prove, against lines as real cores wrote them (and did not)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.commands.binding import Content, Known, bind, downtime_content
from engine.commands.executed import BatchWatch, Outcome, Verdict, mark_in
from engine.commands.expected import Expected, WatchedBatch
from engine.commands.profiles import PROFILES
from engine.commands.proof import (
    Effected,
    LastCheck,
    Seen,
    is_decisive,
    judge_acknowledged,
    judge_checked,
    judge_last_check,
    judge_not_acknowledged,
    judge_result,
)
from engine.commands.wire import echo_text, encode_mark
from engine.formats.corelog import parse_icinga2_line, parse_line
from engine.model import CommentStatus, CoreKind, DowntimeStatus, HostStatus

NAGIOS = PROFILES[CoreKind.NAGIOS]
ICINGA2 = PROFILES[CoreKind.ICINGA2]
T = 1795476292


class Core:
    """A pretended classic core: says line by line what it would log, and keeps every verdict."""

    def __init__(self, kind: CoreKind = CoreKind.NAGIOS) -> None:
        self.watch = BatchWatch(PROFILES[kind])
        self.at = T
        self.verdicts: dict[str, Verdict] = {}
        self.settled: list[str] = []
        self.kind = kind

    def write(self, token: str, *texts: str, echoes: bool = True) -> None:
        """Ids are the texts' own, with a number behind the second of equal ones."""
        expected = []
        for text in texts:
            taken = sum(one.echo.decode().endswith(text) for one in expected)
            echo = f"[{T}] {text}" if self.kind is CoreKind.ICINGA2 else text
            expected.append(Expected(f"{text}#{taken + 1}" if taken else text, echo.encode(), echoes))
        self.watch.add(WatchedBatch(token, expected))

    def log(self, *lines: str | bytes) -> None:
        """The core writes; a line without `[` gets the time."""
        for line in lines:
            raw = line.encode() if isinstance(line, str) else line
            if self.kind is CoreKind.ICINGA2:
                parsed = parse_icinga2_line(b"[2026-11-23 23:24:52 +0000] " + raw)
            else:
                parsed = parse_line(raw if raw.startswith(b"[") else b"[%d] " % self.at + raw)
            if parsed is not None:
                tokens, verdicts = self.watch.feed(parsed)
                self.settled += tokens
                for verdict in verdicts:
                    assert verdict.command_id not in self.verdicts, "one command, two verdicts"
                    self.verdicts[verdict.command_id] = verdict

    def echo(self, *texts: str) -> None:
        for text in texts:
            if self.kind is CoreKind.ICINGA2:
                self.log(f"information/ExternalCommandListener: Executing external command: [{T}] {text}")
            else:
                self.log(f"EXTERNAL COMMAND: {text}")

    def mark(self, role: str, token: str) -> None:
        self.echo(f"_SIGNALBOX_{role}{token}" + (";" if self.kind is not CoreKind.ICINGA2 else ""))

    def outcome(self, command: str) -> Outcome:
        return self.verdicts[command].outcome


C1 = "ADD_HOST_COMMENT;h1;1;a;c1"
C2 = "ADD_HOST_COMMENT;h1;1;a;c2"
C3 = "ADD_HOST_COMMENT;h1;1;a;c3"


# --- batches and marks -------------------------------------------------------------------------------------------------------


def test_processed_only_with_the_end_mark() -> None:
    core = Core()
    core.write("t1", C1, C2)
    core.mark("B", "t1")
    core.echo(C1, C2)
    assert core.verdicts == {}
    core.at += 3
    core.mark("E", "t1")
    assert core.settled == ["t1"]
    assert core.outcome(C1) is core.outcome(C2) is Outcome.PROCESSED
    assert core.verdicts[C1].at == T + 3
    assert core.verdicts[C1].evidence == f"[{T}] {C1}"


def test_a_missing_echo_is_not_executed_and_takes_no_neighbour_with_it() -> None:
    core = Core()
    core.write("t1", C1, C2, C3)
    core.mark("B", "t1")
    core.echo(C1, C3)
    core.mark("E", "t1")
    assert [core.outcome(c) for c in (C1, C2, C3)] == [Outcome.PROCESSED, Outcome.NOT_EXECUTED, Outcome.PROCESSED]


def test_an_echo_before_the_batch_was_written_does_not_count() -> None:
    core = Core()
    core.echo(C1)
    core.write("t1", C1)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.NOT_EXECUTED


def test_a_begin_mark_eaten_by_dirt_changes_nothing() -> None:
    core = Core()
    core.write("t1", C1)
    core.log("External command garbage")
    core.echo(C1)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.PROCESSED


def test_nagios_runs_past_the_end_of_a_line_after_dirt() -> None:
    """As Nagios 4.4.6 logged it after a fragment without newline, and after two blank lines."""
    core = Core()
    core.write("abe", C2)
    core.log(
        f"[{T}] EXTERNAL COMMAND: _SIGNALBOX_Babe",
        f"[{T}] {C2}",
        f"[{T}] EXTERNAL COMMAND: {C2}",
        f"[{T}] EXTERNAL COMMAND: _SIGNALBOX_Eabe;",
    )
    assert core.verdicts[C2] == Verdict(C2, Outcome.PROCESSED, T, f"[{T}] {C2}")
    core.write("abf")
    core.log(f"[{T}] External command 795476292] _SIGNALBOX_Labf returned error Malformed command")
    assert core.settled == ["abe"]


def test_a_raw_mark_in_a_run_over_line_settles_nothing() -> None:
    core = Core()
    core.write("t1", C1)
    core.log(f"[{T}] _SIGNALBOX_Et1", f"[{T}] Warning: something about _SIGNALBOX_Et1", "292] _SIGNALBOX_Et1")
    assert core.settled == []


def test_an_echo_between_two_end_marks_belongs_to_the_later() -> None:
    core = Core()
    core.write("t1", C1)
    core.watch.add(WatchedBatch("t2", [Expected("later", C1.encode())]))
    core.mark("E", "t1")
    core.echo(C1)
    core.mark("E", "t2")
    assert core.outcome(C1) is Outcome.NOT_EXECUTED
    assert core.outcome("later") is Outcome.PROCESSED


def test_equal_texts_of_two_batches_are_kept_apart_by_the_marks() -> None:
    core = Core()
    core.write("t1", C1)
    core.watch.add(WatchedBatch("t2", [Expected("later", C1.encode())]))
    core.mark("B", "t1")
    core.echo(C1)
    core.mark("E", "t1")
    core.mark("B", "t2")
    core.mark("E", "t2")
    assert core.outcome(C1) is Outcome.PROCESSED
    assert core.outcome("later") is Outcome.NOT_EXECUTED


def test_a_begin_mark_settles_the_batch_whose_end_mark_was_eaten() -> None:
    core = Core()
    core.write("t1", C1, C2)
    core.write("t2", C3)
    core.mark("B", "t1")
    core.echo(C1)
    core.mark("B", "t2")
    assert core.settled == ["t1"]
    assert core.outcome(C1) is Outcome.PROCESSED
    assert core.outcome(C2) is Outcome.NOT_EXECUTED


def test_both_marks_between_two_batches_lost_sends_nothing_twice() -> None:
    """The second batch's echo then stands where only the first one's may: not proof, but no reason to write it again either."""
    core = Core()
    core.write("t1", C1)
    core.write("t2", C2, C3)
    core.mark("B", "t1")
    core.echo(C1, C2)
    core.mark("E", "t2")
    assert core.outcome(C1) is Outcome.PROCESSED
    assert core.outcome(C2) is Outcome.UNCLEAR
    assert core.verdicts[C2].evidence
    assert core.outcome(C3) is Outcome.NOT_EXECUTED


def test_equal_texts_of_batches_whose_marks_are_lost_cannot_be_told_apart() -> None:
    core = Core()
    core.write("t1", C1)
    core.watch.add(WatchedBatch("t2", [Expected("later", C1.encode())]))
    core.mark("B", "t1")
    core.echo(C1)
    core.mark("E", "t2")
    assert core.outcome(C1) is core.outcome("later") is Outcome.UNCLEAR


def test_somebody_elses_equal_line_before_our_place_proves_nothing() -> None:
    core = Core()
    core.write("t1", C1)
    core.write("t2", C2)
    core.mark("B", "t1")
    core.echo(C1, C2)  # C2 by another writer: the end mark of t1 is still to come
    core.mark("E", "t1")
    core.mark("B", "t2")
    core.mark("E", "t2")
    assert core.outcome(C2) is Outcome.NOT_EXECUTED


def test_a_lone_mark_settles_everything_before_it_and_nothing_behind() -> None:
    core = Core()
    core.write("t1", C1)
    core.write("lone")
    core.write("t2", C2)
    core.echo(C1)
    core.mark("L", "lone")
    assert core.settled == ["t1", "lone"]
    assert [batch.token for batch in core.watch.batches] == ["t2"]


def test_marks_of_others_and_repeated_marks_settle_nothing() -> None:
    core = Core()
    core.write("t1", C1)
    core.mark("E", "t0")
    core.mark("L", "zz")
    assert core.settled == []
    core.echo(C1)
    core.mark("E", "t1")
    core.mark("E", "t1")
    assert core.settled == ["t1"]


def test_a_dropped_batch_is_forgotten() -> None:
    core = Core()
    core.write("t1", C1)
    core.write("t2", C2)
    core.watch.drop("t1")
    core.echo(C2)
    core.mark("E", "t2")
    assert list(core.verdicts) == [C2]


def test_duplicates_are_reported_and_equal_commands_are_not_duplicates() -> None:
    core = Core()
    core.write("t1", C1, C2, C2)
    core.mark("B", "t1")
    core.echo(C1, C1, C2, C2)
    core.mark("E", "t1")
    assert core.verdicts[C1].duplicate and core.verdicts[C1].extra == 1
    assert not core.verdicts[C2].duplicate
    assert core.outcome(f"{C2}#2") is Outcome.PROCESSED


def test_equal_commands_with_one_echo_too_few() -> None:
    core = Core()
    core.write("t1", C2, C2)
    core.echo(C2)
    core.mark("E", "t1")
    assert sorted(v.outcome.value for v in core.verdicts.values()) == ["not_executed", "processed"]


@pytest.mark.parametrize(
    "comment", ["_SIGNALBOX_Et1", "_SIGNALBOX_Et1;", "x [1] _SIGNALBOX_Et1", "EXTERNAL COMMAND: _SIGNALBOX_Et1"]
)
def test_a_comment_that_quotes_a_mark_is_no_mark(comment: str) -> None:
    """It would settle its batch before its echo is seen: the command would be written again and again."""
    core = Core()
    text = f"ADD_HOST_COMMENT;h1;1;a;{comment}"
    core.write("t1", text)
    core.mark("B", "t1")
    core.echo(text)
    assert core.settled == []
    core.mark("E", "t1")
    assert core.outcome(text) is Outcome.PROCESSED


def test_a_trailing_semicolon_is_another_text() -> None:
    core = Core()
    core.write("t1", C1)
    core.echo(C1 + ";")
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.NOT_EXECUTED


@given(st.text("0123456789abcdef", min_size=1, max_size=20), st.sampled_from("BEL"), st.booleans())
def test_marks_are_read_back(token: str, role: str, echoed: bool) -> None:
    line = encode_mark(role, token, T, echoed)
    assert mark_in(echo_text(line, NAGIOS) + b";") == (role, token)
    assert mark_in(echo_text(line, ICINGA2)) == (role, token)
    assert mark_in(b"x" + echo_text(line, NAGIOS)) is None
    assert mark_in(echo_text(line, NAGIOS) + b";x") is None


# --- errors ------------------------------------------------------------------------------------------------------------------


def failed_446(text: str, epoch: int = T) -> tuple[str, str]:
    return f"Error: External command failed -> {text}", f"External command [{epoch}] {text} returned error Command failed"


def test_refused_keeps_the_cores_words() -> None:
    core = Core()
    text = "SCHEDULE_HOST_DOWNTIME;nohost;1;2;1;0;0;a;b"
    core.write("t1", C1, text, C2)
    core.echo(C1, text)
    core.log(*failed_446(text))
    core.echo(C2)
    core.mark("E", "t1")
    assert core.verdicts[text] == Verdict(text, Outcome.REFUSED, T, f"[{T}] Error: External command failed -> {text}")
    assert core.outcome(C1) is core.outcome(C2) is Outcome.PROCESSED


def test_an_error_blames_the_very_command_not_one_whose_text_it_begins_with() -> None:
    core = Core()
    short, long = "ADD_HOST_COMMENT;h;1;a;foo", "ADD_HOST_COMMENT;h;1;a;foobar"
    core.write("t1", short, long)
    core.echo(short, long)
    core.log(*failed_446(long))
    core.mark("E", "t1")
    assert core.outcome(short) is Outcome.PROCESSED
    assert core.outcome(long) is Outcome.REFUSED


def test_the_two_lines_of_one_error_do_not_blame_two_equal_commands() -> None:
    core = Core()
    core.write("t1", C1, C1)
    core.echo(C1)
    core.log(*failed_446(C1))
    core.echo(C1)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.REFUSED
    assert core.outcome(f"{C1}#2") is Outcome.PROCESSED


def test_errors_of_other_writers_blame_none_of_ours() -> None:
    core = Core()
    core.write("t1", C1)
    core.echo(C1)
    core.log(
        "Warning: Unrecognized external command -> FOO;x;y",
        f"External command [{T}] FOO;x;y returned error Unknown or unsupported command",
        "External command garbage returned error Malformed command",
        f"Warning: External command parse error [{T}] ADD_HOST_COMMENT;nope;1;a;b (No such host)",
        "External command error: No such host",
        "Warning:  Passive check result was received for host 'x', but the host could not be found!",
        *failed_446(C1 + "x"),
    )
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.PROCESSED


@pytest.mark.parametrize("logged", [True, False])
def test_a_passive_result_for_an_unknown_object(logged: bool) -> None:
    """Nagios 4.4.6 names the object, not the command; with log_passive_checks=0 nothing else names it before."""
    core = Core()
    result = "PROCESS_SERVICE_CHECK_RESULT;h1;nope;0;x"
    other = "PROCESS_SERVICE_CHECK_RESULT;h2;nope;0;x"
    host = "PROCESS_HOST_CHECK_RESULT;nohost;0;x"
    core.write("t1", other, C1, result, host, echoes=logged)
    core.mark("B", "t1")
    core.echo(*([other] if logged else []), C1, *([result] if logged else []))
    core.log("Warning:  Passive check result was received for service 'nope' on host 'h1', but the service could not be found!")
    core.log(*failed_446(result))
    core.echo(*([host] if logged else []))
    core.log("Warning:  Passive check result was received for host 'nohost', but the host could not be found!")
    core.mark("E", "t1")
    assert core.outcome(result) is core.outcome(host) is Outcome.REFUSED
    assert core.outcome(C1) is core.outcome(other) is Outcome.PROCESSED
    assert "could not be found" in core.verdicts[result].evidence


def test_naemon_rejects_before_it_echoes() -> None:
    core = Core(CoreKind.NAEMON)
    bad = "ADD_HOST_COMMENT;nope;1;a;b (x)"
    core.write("t1", C1, bad, C2)
    core.echo(C1)
    core.log(f"Warning: External command parse error [{T}] {bad} (No such host)", "External command error: No such host")
    core.echo(C2)
    core.mark("E", "t1")
    assert core.outcome(bad) is Outcome.REFUSED
    assert "No such host" in core.verdicts[bad].evidence
    assert core.outcome(C1) is core.outcome(C2) is Outcome.PROCESSED


@pytest.mark.parametrize("words", ["Error: Could not find host 'h1' provided in external command!", "unknown host: h1"])
def test_cores_that_name_no_command_mean_the_last_echo(words: str) -> None:
    core = Core(CoreKind.ICINGA1)
    core.write("t1", C1, C2)
    core.echo(C1, C2)
    core.log(words)
    core.echo("SOMEBODY_ELSES;x")
    core.log(words)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.PROCESSED
    assert core.outcome(C2) is Outcome.REFUSED


def test_icinga2_refuses_behind_the_echo() -> None:
    core = Core(CoreKind.ICINGA2)
    core.write("t1", C1, C2)
    core.mark("B", "t1")
    core.log(
        "warning/ExternalCommandListener: External command failed: Error: The external command '_SIGNALBOX_Bt1' does not exist."
    )
    core.echo(C1)
    core.log("warning/ExternalCommandListener: External command failed: Error: Cannot add host comment for non-existent host 'h1'")
    core.echo(C2)
    core.echo("OTHER;x")
    core.log("warning/ExternalCommandListener: External command failed: Error: The external command 'OTHER' does not exist.")
    core.mark("E", "t1")
    core.log(
        "warning/ExternalCommandListener: External command failed: Error: The external command '_SIGNALBOX_Et1' does not exist."
    )
    assert core.outcome(C1) is Outcome.REFUSED
    assert "non-existent host" in core.verdicts[C1].evidence
    assert core.outcome(C2) is Outcome.PROCESSED


def test_marks_of_a_core_that_echoes_nothing_show_in_its_warnings() -> None:
    """log_external_commands=0: the warning about an unknown name is not gated."""
    core = Core()
    core.write("t1", C1, C2, echoes=False)
    core.log("Warning: Unrecognized external command -> SIGNALBOX_Bt1")
    core.log(f"External command [{T}] SIGNALBOX_Bt1 returned error Unknown or unsupported command")
    core.log(*failed_446(C1))
    core.log("Warning: Unrecognized external command -> SIGNALBOX_Et1")
    assert core.outcome(C1) is Outcome.REFUSED
    assert core.outcome(C2) is Outcome.PROCESSED


@pytest.mark.parametrize("lines", [[("E", "t2")], [("B", "t2")]])
def test_without_echoes_silence_is_no_proof_either_way(lines: list[tuple[str, str]]) -> None:
    """Neither executed nor not: written again, a passive result would count twice."""
    core = Core()
    core.write("t1", C1, echoes=False)
    core.write("t2")
    for role, token in lines:
        core.mark(role, token)
    assert core.outcome(C1) is Outcome.UNCLEAR


# --- starts of the core and holes in the log ---------------------------------------------------------------------------------

START = "Nagios 4.4.6 starting... (PID=15790)"


def test_a_start_between_write_and_mark_leaves_the_unechoed_unclear() -> None:
    core = Core()
    core.write("t1", C1)
    core.log(START)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.UNCLEAR
    assert core.verdicts[C1].evidence == ""
    assert not core.verdicts[C1].hole


def test_an_echo_right_before_the_core_was_killed_proves_nothing() -> None:
    """Nagios logs, then executes: between the two it can be killed, and an error line can be missing."""
    core = Core()
    core.write("t1", C1, C2)
    core.echo(C1)
    core.log(START)
    core.echo(C2)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.UNCLEAR
    assert core.verdicts[C1].evidence == f"[{T}] {C1}"
    assert core.outcome(C2) is Outcome.PROCESSED


def test_a_start_before_the_batch_was_written_is_not_its_concern() -> None:
    core = Core()
    core.log(START)
    core.write("t1", C1)
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.NOT_EXECUTED


def test_log_rotation_is_no_start() -> None:
    core = Core()
    core.write("t1", C1)
    core.log("LOG ROTATION: DAILY", "LOG VERSION: 2.0", "CURRENT HOST STATE: h1;UP;HARD;1;ok")
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.NOT_EXECUTED


def test_a_hole_makes_unclear_what_stood_before_it() -> None:
    core = Core()
    core.write("t1", C1, C2)
    core.echo(C1)
    core.watch.hole()
    core.mark("E", "t1")
    assert core.outcome(C1) is core.outcome(C2) is Outcome.UNCLEAR
    assert core.verdicts[C2].hole


def test_an_error_after_a_start_blames_nobody_of_before() -> None:
    core = Core()
    core.write("t1", C1)
    core.echo(C1)
    core.log(START, "unknown host: zz")
    core.mark("E", "t1")
    assert core.outcome(C1) is Outcome.UNCLEAR


# --- a core that loses, repeats and mixes in what others write ---------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_never_called_processed_without_execution_nor_unexecuted_after_it(data: st.DataObject) -> None:
    """A simulated Nagios with dirt (which eats single lines, marks included), refusals, restarts, log holes and foreign commands.

    Texts are drawn from few, so that equal ones meet; foreign ones never equal ours (the log could not tell them apart).
    """
    rng = random.Random(data.draw(st.integers(0, 2**32), label="seed"))
    core = Core()
    executed: dict[str, bool] = {}
    fatal: set[str] = set()
    fifo: list[tuple[str, str]] = []
    number = 0
    for batch in range(rng.randint(1, 4)):
        expected = []
        for _ in range(rng.randint(0, 4)):
            number += 1
            bad = rng.random() < 0.2
            text = f"ADD_HOST_COMMENT;{'nope' if bad else 'h1'};1;a;{'foobar'[: rng.randint(1, 6)]}" + (
                "" if rng.random() < 0.3 else f"{number}"
            )
            expected.append((f"c{number}", text))
            executed[f"c{number}"] = False
            if bad:
                fatal.add(f"c{number}")
        if len({text for _, text in expected}) != len(expected):
            continue  # equal lines in one write: who of the two was eaten cannot be told, and need not
        core.watch.add(WatchedBatch(f"t{batch}", [Expected(one, text.encode()) for one, text in expected]))
        fifo += [("", f"_SIGNALBOX_Bt{batch}"), *expected, ("", f"_SIGNALBOX_Et{batch}")]
    core.write("lone")
    fifo.append(("", "_SIGNALBOX_Llone"))
    for command_id, text in fifo:
        chance = rng.random()
        if chance < 0.08 and text != "_SIGNALBOX_Llone":
            core.log(f"External command x{text} returned error Malformed command")
            continue
        if chance < 0.14:
            core.echo("DISABLE_NOTIFICATIONS;", "ADD_HOST_COMMENT;h9;1;b;foreign")
            core.log("Warning: Unrecognized external command -> NONSENSE")
        if chance > 0.97:
            core.log(START)
        missing = chance > 0.94 and chance < 0.97
        if missing:
            core.watch.hole()
        if text.startswith("_"):
            if not missing or text == "_SIGNALBOX_Llone":
                core.log(f"EXTERNAL COMMAND: {text};")
            continue
        if not missing:
            core.echo(text)
        if command_id in fatal:
            if not missing:
                core.log(*failed_446(text))
        else:
            executed[command_id] = True
    left = {one.command_id for batch in core.watch.batches for one in batch.commands}
    assert not left
    for command_id, was in executed.items():
        if command_id not in core.verdicts:
            continue
        outcome = core.outcome(command_id)
        if outcome is Outcome.PROCESSED:
            assert was, (command_id, fifo)
        if outcome is Outcome.NOT_EXECUTED:
            assert not was, (command_id, fifo)
        if outcome is Outcome.REFUSED:
            assert command_id in fatal, (command_id, fifo)


# --- effects -----------------------------------------------------------------------------------------------------------------


def host(**columns: object) -> HostStatus:
    empty: dict[str, object] = {name: "" if kind == "str" else 0 for name, kind in HostStatus.__annotations__.items()}
    return HostStatus(**(empty | {"name": "h1"} | columns))  # type: ignore[arg-type]


def comment(**columns: object) -> CommentStatus:
    base = CommentStatus("h1", None, 7, 4, 1, 1, 1000.0, 0, 0.0, "ann", "why", 0)
    return base._replace(**columns)


def seen(created: float, row: HostStatus | None, comments: Sequence[CommentStatus] = ()) -> Seen:
    return Seen(created, 500.0, row, comments)


def test_absence_counts_only_in_a_generation_written_after_the_second_of_execution() -> None:
    assert not is_decisive(seen(999, None), 1000, 0)
    assert not is_decisive(seen(1000, None), 1000, 0)
    assert not is_decisive(seen(1001, None), 1000, 0)
    assert is_decisive(seen(1002, None), 1000, 0)
    assert not is_decisive(seen(1009, None), 1000, 10)
    assert is_decisive(seen(1010, None), 1000, 10)


ACKED = {"state": 1, "acknowledged": 1, "acknowledgement_type": 2, "last_state_change": 900.0}


def acknowledged(found: Seen, sticky: bool = True) -> Effected:
    return judge_acknowledged(found, "ann", "why", sticky, 1000.0, 1000.0, 2.0).effected


def test_acknowledged_needs_flag_kind_author_text_and_time() -> None:
    good = seen(1000, host(**ACKED), [comment()])
    judged = judge_acknowledged(good, "ann", "why", True, 1000.0, 1000.0, 2.0)
    assert judged.effected is Effected.YES
    assert judged.core_ids == (7,)
    assert "comment_id=7" in judged.evidence
    late = 1010.0
    for row, comments in (
        (host(**ACKED | {"acknowledged": 0}), [comment()]),
        (host(**ACKED | {"acknowledgement_type": 1}), [comment()]),
        (host(**ACKED), []),
        (host(**ACKED), [comment(author="bob")]),
        (host(**ACKED), [comment(comment="why not")]),
        (host(**ACKED), [comment(entry_type=1)]),
        (host(**ACKED), [comment(entry_time=998.0)]),
    ):
        assert acknowledged(seen(late, row, comments)) is Effected.NO
        assert acknowledged(seen(1000, row, comments)) is Effected.NOT_YET


def test_an_acknowledgement_that_a_change_of_state_cleared_is_explained() -> None:
    row = host(state=0, last_state_change=1001.0)
    assert acknowledged(seen(1010, row)) is Effected.CLEARED
    assert acknowledged(seen(1010, None)) is Effected.CLEARED
    assert acknowledged(seen(1010, host(state=1, last_state_change=998.0))) is Effected.NO


def test_the_newest_of_several_acknowledgement_comments_is_ours() -> None:
    found = seen(1010, host(**ACKED), [comment(core_id=9, entry_time=1001.0), comment(core_id=12, entry_time=1000.0)])
    assert judge_acknowledged(found, "ann", "why", True, 1000.0, 1000.0, 2.0).core_ids == (9,)


def test_not_acknowledged() -> None:
    off, on = host(acknowledged=0), host(acknowledged=1)
    assert judge_not_acknowledged(seen(1000, off), 1000, 5).effected is Effected.NOT_YET
    assert judge_not_acknowledged(seen(1002, off), 1000, 5).effected is Effected.YES
    assert judge_not_acknowledged(seen(1002, on), 1000, 5).effected is Effected.NOT_YET
    assert judge_not_acknowledged(seen(1006, on), 1000, 5).effected is Effected.NO
    assert judge_not_acknowledged(seen(1006, None), 1000, 5).effected is Effected.CLEARED


def test_checked_by_an_active_check_since_or_planned_as_forced() -> None:
    ran = host(has_been_checked=1, last_check=1003.0, check_type=0)
    assert judge_checked(seen(1004, ran), 1002, 1000, 90).effected is Effected.YES
    assert judge_checked(seen(1004, ran), 1004, 1000, 90).effected is Effected.NOT_YET
    passive = host(has_been_checked=1, last_check=1003.0, check_type=1)
    assert judge_checked(seen(1004, passive), 1002, 1000, 90).effected is Effected.NOT_YET
    planned = host(check_options=1, next_check=1002.0)
    assert judge_checked(seen(1001, planned), 1002, 1000, 90).effected is Effected.YES
    assert judge_checked(seen(999, planned), 1002, 1000, 90).effected is Effected.NOT_YET
    unforced = host(check_options=0, next_check=1002.0)
    assert judge_checked(seen(1001, unforced), 1002, 1000, 90).effected is Effected.NOT_YET
    assert judge_checked(seen(1100, unforced), 1002, 1000, 90).effected is Effected.NO


def test_a_check_from_before_the_command_is_not_its_doing() -> None:
    ran = host(has_been_checked=1, last_check=1003.0, check_type=0)
    assert judge_checked(seen(1004, ran), 1002, 1006, 90).effected is Effected.NOT_YET


def test_a_check_planned_for_later_has_until_then() -> None:
    idle = host()
    assert judge_checked(seen(1200, idle), 5000, 1000, 90).effected is Effected.NOT_YET
    assert judge_checked(seen(5100, idle), 5000, 1000, 90).effected is Effected.NO


def test_result_seen_by_its_second() -> None:
    shown = host(has_been_checked=1, last_check=1000.0, check_type=1)
    assert judge_result(seen(1002, shown), 1000, 1001, 15).effected is Effected.YES
    # An earlier result of the same second may have been there before this one was executed.
    assert judge_result(seen(1001, shown), 1000, 1001, 15).effected is Effected.NOT_YET
    assert judge_result(seen(1001, shown), 1000, float("inf"), 15).effected is Effected.NOT_YET
    assert judge_result(seen(1001, shown._replace(check_type=0)), 1000, 1001, 15).effected is Effected.NOT_YET
    assert judge_result(seen(1020, shown._replace(last_check=999.0)), 1000, 1001, 15).effected is Effected.NO
    assert judge_result(seen(1020, shown._replace(last_check=1005.0)), 1000, 1001, 15).effected is Effected.CLEARED
    assert judge_result(seen(1020, None), 1000, 1001, 15).effected is Effected.CLEARED


# --- which block is which entry ----------------------------------------------------------------------------------------------


def block(core_id: int = 1, **columns: object) -> DowntimeStatus:
    return DowntimeStatus("h1", None, core_id, 100.0, 200.0, 300.0, 0.0, 0, 1, 100.0, 0, 0, "ann", "why", 0)._replace(**columns)


def test_a_fixed_downtimes_duration_is_the_cores_own_arithmetic() -> None:
    assert downtime_content(block(duration=0.0)) == downtime_content(block(duration=100.0))
    assert downtime_content(block(fixed=0, duration=5.0)) != downtime_content(block(fixed=0, duration=6.0))
    assert downtime_content(block()) != downtime_content(block(fixed=0))
    assert downtime_content(block()) != downtime_content(block(service_description="s"))


A, B = Content("h", "", "ann", "a"), Content("h", "", "ann", "b")


def test_a_core_id_used_again_for_other_content_is_not_ours() -> None:
    bound, strangers = bind([Known(1, A, 5, 100, True)], [(B, 5, 100.0)])
    assert (bound, strangers) == ({}, [0])
    bound, strangers = bind([Known(1, A, 5, 100, True)], [(A, 5, 160.0)])
    assert (bound, strangers) == ({}, [0])


def test_renumbered_ids_are_found_by_content_and_time() -> None:
    known = [Known(1, A, 1, 100, True), Known(2, A, 2, 200, True)]
    assert bind(known, [(A, 1, 200.0), (A, 2, 100.0)]) == ({1: 1, 2: 0}, [])


def test_a_new_entry_does_not_take_the_block_of_an_old_one() -> None:
    """The new one's time is only a lower bound; the old one lost its id in a renumbering."""
    old, new = Known(1, A, 1, 100, True), Known(2, A, None, 100, False)
    for known in ([old, new], [new, old]):
        assert bind(known, [(A, 9, 100.0)]) == ({1: 0}, [])
        assert bind(known, [(A, 9, 101.0)]) == ({2: 0}, [])


def test_a_block_from_before_the_writing_is_somebody_elses() -> None:
    assert bind([Known(1, A, None, 100, False)], [(A, 1, 98.0)]) == ({}, [0])
    assert bind([Known(1, A, None, 100, True)], [(A, 1, 101.0)]) == ({}, [0])


known_entries = st.lists(
    st.builds(
        Known,
        st.integers(1, 50),
        st.sampled_from([A, B]),
        st.none() | st.integers(1, 6),
        st.integers(95, 105).map(float),
        st.booleans(),
    ),
    max_size=7,
    unique_by=lambda known: known.entry_id,
)
core_blocks = st.lists(
    st.tuples(st.sampled_from([A, B]), st.integers(1, 12), st.integers(95, 105).map(float)), max_size=7, unique_by=lambda b: b[1]
)


@settings(max_examples=300, deadline=None)
@given(known_entries, core_blocks, st.randoms(use_true_random=False))
def test_binding_is_one_to_one_right_and_the_same_in_any_order(
    known: list[Known], blocks: list[tuple[Content, int, float]], rng: random.Random
) -> None:
    bound, strangers = bind(known, blocks)
    assert sorted([*bound.values(), *strangers]) == list(range(len(blocks)))
    by_id = {entry.entry_id: entry for entry in known}
    for entry_id, index in bound.items():
        content, _, entry_time = blocks[index]
        assert content == by_id[entry_id].content
        distance = entry_time - by_id[entry_id].entry_time
        assert distance == 0 if by_id[entry_id].exact_time else distance >= -1
    for index in strangers:
        content, _, entry_time = blocks[index]
        for entry in known:
            if entry.entry_id not in bound and entry.content == content:
                assert entry_time != entry.entry_time, "an entry and its block both left alone"
    order, shuffled = list(range(len(blocks))), list(known)
    rng.shuffle(order)
    rng.shuffle(shuffled)
    again, _ = bind(shuffled, [blocks[index] for index in order])
    assert {entry_id: order[index] for entry_id, index in again.items()} == bound


def test_a_core_that_writes_the_moment_of_receipt_shows_the_result_a_little_later() -> None:
    """On Icinga 2 a result that took a second to arrive would be taken for somebody else's newer one."""
    for at, effected in ((1000.0, Effected.YES), (1001.0, Effected.YES), (1003.0, Effected.CLEARED), (999.0, Effected.NO)):
        check = LastCheck(at, 1)
        assert judge_last_check(check, 1020, 1000, 1001, 15, exact=False).effected is effected
    assert judge_last_check(LastCheck(1001.0, 0), 1020, 1000, 1001, 15, exact=False).effected is Effected.CLEARED
