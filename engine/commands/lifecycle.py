"""The life of a command as a table. Every change of state in the journal goes through `check_move`.

A state says what was proved and no more. `unknown` and `no_effect` may later become `confirmed` (a late step); `unknown` may
also learn from a log that was silent and speaks again. What was confirmed may be lost by a core that crashes before it saved it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a command stands; the words are those of the API."""

    ACCEPTED = "accepted"
    HELD = "held"
    WRITING = "writing"
    WRITTEN = "written"
    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    PARTIAL = "partial"
    REFUSED = "refused"
    NO_EFFECT = "no_effect"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    LOST_BY_CORE = "lost_by_core"


S = State

MOVES: dict[State, frozenset[State]] = {
    S.ACCEPTED: frozenset({S.WRITING, S.HELD, S.EXPIRED, S.CANCELLED}),
    S.HELD: frozenset({S.WRITING, S.EXPIRED, S.CANCELLED}),
    # A batch row is durable, its write not yet known. Proof may arrive before the step that says `written` is stored.
    S.WRITING: frozenset({S.WRITTEN, S.ACCEPTED, S.UNKNOWN, S.PROCESSED, S.REFUSED, S.CONFIRMED, S.PARTIAL}),
    S.WRITTEN: frozenset({S.PROCESSED, S.REFUSED, S.ACCEPTED, S.CONFIRMED, S.PARTIAL, S.UNKNOWN}),
    # Back to `accepted` only when the core lost what it had executed (killed before it saved) and its files show the absence.
    S.PROCESSED: frozenset({S.CONFIRMED, S.PARTIAL, S.NO_EFFECT, S.UNKNOWN, S.ACCEPTED}),
    S.CONFIRMED: frozenset({S.LOST_BY_CORE}),
    S.PARTIAL: frozenset({S.LOST_BY_CORE}),
    S.REFUSED: frozenset(),
    S.NO_EFFECT: frozenset({S.CONFIRMED}),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
    S.UNKNOWN: frozenset({S.CONFIRMED, S.PROCESSED, S.REFUSED}),
    S.LOST_BY_CORE: frozenset(),
}

UNWRITTEN = frozenset({S.ACCEPTED, S.HELD})
IN_FLIGHT = frozenset({S.WRITING, S.WRITTEN})
LATE = frozenset({S.UNKNOWN, S.NO_EFFECT})
UNFINISHED = UNWRITTEN | IN_FLIGHT | {S.PROCESSED}
SUCCEEDED = frozenset({S.PROCESSED, S.CONFIRMED})


def check_move(old: State, new: State) -> None:
    """Raise ValueError when the table does not allow `old` → `new`: a bug of ours, never a caller's."""
    if new not in MOVES[old]:
        raise ValueError(f"a command cannot go from {old} to {new}")


def is_final(state: State, effect_expected: bool) -> bool:
    """True when nothing more is waited for. `processed` is an end only for rows whose effect leaves no trace."""
    return state not in UNFINISHED or (state is S.PROCESSED and not effect_expected)


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> accepted"]
    for old, news in MOVES.items():
        lines += [f"    {old} --> {new}" for new in sorted(news)]
        if not news:
            lines.append(f"    {old} --> [*]")
    return "\n".join(lines)
