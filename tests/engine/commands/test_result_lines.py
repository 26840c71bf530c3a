"""The short way through the log of results says the very same as the long one, whatever the log holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.commands.executed import BatchWatch, Outcome, Verdict
from engine.commands.expected import WHOLE, Expected, ResultLines, WatchedBatch
from engine.commands.profiles import PROFILES
from engine.formats.corelog import parse_line, without_passive
from engine.model import CoreKind

AT = 1_795_476_000
# Two batches of three results each; one text stands in both.
TEXTS = [[b"PROCESS_HOST_CHECK_RESULT;h%d;0;up" % number for number in numbers] for numbers in ((1, 2, 3), (4, 2, 5))]
TOKENS = ("aa", "bb")


def _watch(*, short: bool, echoes: bool) -> BatchWatch:
    watch = BatchWatch(PROFILES[CoreKind.NAGIOS])
    for token, texts in zip(TOKENS, TEXTS, strict=True):
        text = b"".join(b"[%d] %b\n" % (AT - 1, one) for one in texts)
        stamp = b"[%d] " % (AT - 1) if token == TOKENS[0] else b""
        lines = ResultLines(f"{token}#", range(len(texts)), text, PROFILES[CoreKind.NAGIOS], echoes, stamp)
        if short:
            watch.add(WatchedBatch(token, [], lines=lines))
        else:
            watch.add(WatchedBatch(token, [Expected(f"{token}#{n}", text, echoes) for n, text in enumerate(texts)]))
    return watch


def _read(log: list[bytes], *, short: bool, echoes: bool) -> tuple[list[str], dict[str, tuple[Outcome, bool]]]:
    """Settled batches in order, and what was said of each result."""
    watch, tokens, said = _watch(short=short, echoes=echoes), [], {}
    at = 0
    log = without_passive(log) if short else log
    while at < len(log):
        if short and (whole := watch.take_batch(log, at)) is not None:
            at += whole.lines
            tokens.append(whole.token)
            said |= _said_of(whole.verdict, said)
            continue
        if short and (taken := watch.take_echoes(log, at)):
            at += taken
            continue
        raw = log[at]
        at += 1
        if raw == b"HOLE":
            watch.hole()
            continue
        line = parse_line(raw)
        assert line is not None
        settled, verdicts = watch.feed(line)
        tokens += settled
        for verdict in verdicts:
            said |= _said_of(verdict, said)
    return tokens, said


def _said_of(verdict: Verdict, before: dict[str, tuple[Outcome, bool]]) -> dict[str, tuple[Outcome, bool]]:
    name, _, place = verdict.command_id.partition("#")
    names = [f"{name}#{number}" for number in (range(len(TEXTS[0])) if place.startswith(WHOLE) else [int(place)])]
    assert not before.keys() & names, "one result was judged twice"
    return dict.fromkeys(names, (verdict.outcome, verdict.duplicate))


def _line(text: bytes) -> bytes:
    return b"[%d] %b" % (AT, text)


ECHOES = [_line(b"EXTERNAL COMMAND: " + text) for text in dict.fromkeys(text for texts in TEXTS for text in texts)]
MARKS = [_line(b"EXTERNAL COMMAND: _SIGNALBOX_%b%b;" % (role, token.encode())) for token in TOKENS for role in (b"B", b"E")]
STRANGE = [
    b"HOLE",
    _line(b"Caught SIGHUP, restarting..."),
    _line(b"EXTERNAL COMMAND: ADD_HOST_COMMENT;h1;0;eve;hello"),
    _line(b"PASSIVE HOST CHECK: h1;0;up"),
    _line(b"Warning:  Passive check result was received for host 'h2', but the host could not be found!"),
    _line(b"Error: External command failed -> PROCESS_HOST_CHECK_RESULT;h3;0;up"),
]
HONEST = [
    MARKS[0], *(_line(b"EXTERNAL COMMAND: " + text) for text in TEXTS[0]), MARKS[1],
    MARKS[2], *(_line(b"EXTERNAL COMMAND: " + text) for text in TEXTS[1]), MARKS[3],
]  # fmt: skip


def test_an_honest_log_proves_whole_batches() -> None:
    tokens, said = _read(HONEST, short=True, echoes=True)
    assert tokens == list(TOKENS)
    assert set(said.values()) == {(Outcome.PROCESSED, False)} and len(said) == 6


@st.composite
def spoilt(draw: st.DrawFn) -> list[bytes]:
    """The honest log with lines taken out, put in and doubled."""
    log = list(HONEST)
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(log)))
        if draw(st.booleans()) and place < len(log):
            del log[place]
        else:
            log.insert(place, draw(st.sampled_from([*ECHOES, *MARKS, *STRANGE])))
    return log


@given(spoilt(), st.booleans())
def test_it_says_what_the_long_way_says(log: list[bytes], echoes: bool) -> None:
    assert _read(log, short=True, echoes=echoes) == _read(log, short=False, echoes=echoes)
