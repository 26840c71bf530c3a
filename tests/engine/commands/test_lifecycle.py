"""The table of a command's life."""

from __future__ import annotations

import pytest

from engine.commands.lifecycle import IN_FLIGHT, LATE, MOVES, SUCCEEDED, UNFINISHED, UNWRITTEN, State, check_move, diagram, is_final


def test_every_state_has_a_row_and_can_be_reached() -> None:
    assert set(MOVES) == set(State)
    reached, edge = {State.ACCEPTED}, {State.ACCEPTED}
    while edge:
        edge = {new for old in edge for new in MOVES[old]} - reached
        reached |= edge
    assert reached == set(State)


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_check_move_is_the_table(old: State, new: State) -> None:
    if new in MOVES[old]:
        check_move(old, new)
    else:
        with pytest.raises(ValueError, match=f"from {old} to {new}"):
            check_move(old, new)


def test_what_must_never_happen() -> None:
    for state in (State.LOST_BY_CORE, State.REFUSED, State.EXPIRED, State.CANCELLED):
        assert not MOVES[state], "an end"
    for state in (State.CONFIRMED, State.PARTIAL):
        assert MOVES[state] == {State.LOST_BY_CORE}, "only the core itself can undo what was seen in its files"
    assert MOVES[State.NO_EFFECT] == {State.CONFIRMED}
    assert MOVES[State.UNKNOWN] == {State.CONFIRMED, State.PROCESSED, State.REFUSED}, "what a log that speaks again can say"
    for state in State:
        if state not in UNWRITTEN:
            assert not MOVES[state] & {State.CANCELLED, State.EXPIRED}, "what was written cannot be withdrawn"
        if state in UNWRITTEN:
            assert not MOVES[state] & {State.CONFIRMED, State.PROCESSED, State.REFUSED, State.WRITTEN}, "nothing proved unwritten"
    assert {state for state in State if State.ACCEPTED in MOVES[state]} == IN_FLIGHT | {State.PROCESSED}
    assert State.NO_EFFECT not in MOVES[State.WRITTEN], "no effect needs an execution first"


def test_sets_of_states() -> None:
    assert {State.ACCEPTED, State.HELD, State.WRITING, State.WRITTEN, State.PROCESSED} == UNFINISHED
    assert not SUCCEEDED & LATE
    for state in State:
        for expected in (True, False):
            final = is_final(state, expected)
            if not final:
                assert MOVES[state], "waits for a step that cannot come"
            assert final == (state not in UNFINISHED or (state is State.PROCESSED and not expected))


def test_the_diagram_draws_each_move_once() -> None:
    lines = diagram().split("\n")
    for old in State:
        for new in MOVES[old]:
            assert lines.count(f"    {old} --> {new}") == 1
        assert (f"    {old} --> [*]" in lines) == (not MOVES[old])
    assert len(lines) == 2 + sum(max(1, len(news)) for news in MOVES.values())
