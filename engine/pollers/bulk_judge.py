"""Did the results of a call do what they were sent for? Judged for the call as a whole, by what a status file says of last checks.

Rules. It is looked at once nothing of the call is under way, a slice per step. Results that show, or that something newer stands
in for, go on together; the others one by one. What a core lost that was killed is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter

from engine.commands.catalogue import CATALOGUE
from engine.commands.lifecycle import State
from engine.commands.proof import Effected, Judgement, LastCheck, judge_last_check
from engine.pollers.call import TO_JUDGE, Call, Run, Stands
from engine.pollers.last_checks import Key
from engine.pollers.newest import Newest

JUDGED_AT_ONCE = 1000  # results per step: some milliseconds in which the lane does nothing else
_EFFECT_DEADLINE_S = CATALOGUE["PROCESS_SERVICE_CHECK_RESULT"].effect_deadline_s
_ONE_BY_ONE = 255  # no place where a result stands

_ABSENT = LastCheck(-1.0, -1)  # the object is not in the file
_EPOCH = itemgetter(0)

Told = tuple[LastCheck | None, int]  # what the file says of an object, and the time of the check that was sent


def is_due(call: Call, generation: int) -> bool:
    """Has this generation not been asked for all of the call's effects yet?"""
    return bool(call.judging) or (call.judged != generation and not call.is_under_way)


def next_slice(call: Call, generation: int) -> Run:
    """What of the call is looked at in this step."""
    if not call.judging:
        call.judged = generation
        whole = range(len(call))
        call.judging = whole if call.all_stand(whole, Stands.PROCESSED) else call.standing(*TO_JUDGE)
    now, call.judging = call.judging[:JUDGED_AT_ONCE], call.judging[JUDGED_AT_ONCE:]
    return now


@dataclass(slots=True)
class Judge:
    """One slice of one call against one status file. `exact`: the core writes the check time that was sent."""

    call: Call
    newest: Newest
    checks: Mapping[Key, LastCheck | None]
    created: float
    program_start: float
    exact: bool

    def judge(self, run: Run) -> None:
        """Let each of these results go on as the file shows it."""
        call = self.call
        if isinstance(run, range) and call.all_stand(run, Stands.PROCESSED):
            run = self._together(run)
        for index in run:
            check, key = self.checks.get(call.lines.keys[index]), call.lines.keys[index]
            if call.stands[index] in TO_JUDGE and not (check is None and key in self.checks):
                self._take(index, self._judgement((check, call.lines.orders[index][0])))

    def _together(self, run: range) -> Run:
        """Those that go on together do; what is left is to be looked at one by one."""
        call = self.call
        checks = map(self.checks.get, call.keys(run), repeat(_ABSENT))
        told = list(zip(checks, map(_EPOCH, call.orders(run)), strict=False))
        stands = {one: self._stands(one) for one in set(told)}
        after = bytes(map(stands.__getitem__, told))
        left = [run.start + place for place, where in enumerate(after) if where == _ONE_BY_ONE] if _ONE_BY_ONE in after else []
        if after.count(Stands.PROCESSED) < len(after):
            call.stands[run.start : run.stop] = after.replace(bytes([_ONE_BY_ONE]), bytes([Stands.PROCESSED]))
            call.is_changed = True
        return left

    def _stands(self, told: Told) -> int:
        """Where a processed result stands that the file says this of."""
        if told[0] is None:
            return Stands.PROCESSED  # the log is ahead of the file
        if told[0] is _ABSENT:
            return _ONE_BY_ONE
        match self._judgement(told).effected:
            case Effected.YES:
                return Stands.CONFIRMED
            case Effected.CLEARED:
                return Stands.OVERLAID
            case Effected.NOT_YET:
                return Stands.PROCESSED
        return _ONE_BY_ONE

    def _judgement(self, told: Told) -> Judgement:
        check, epoch = told
        return judge_last_check(check, self.created, float(epoch), self.call.executed_at, _EFFECT_DEADLINE_S, self.exact)

    def _take(self, index: int, judgement: Judgement) -> None:
        call = self.call
        doubtful = call.stands[index] == Stands.DOUBTFUL
        match judgement.effected:
            case Effected.YES:
                call.put(index, Stands.CONFIRMED)
            case Effected.CLEARED if doubtful:
                call.fail(index, State.UNKNOWN, judgement.reason)
            case Effected.CLEARED:
                call.put(index, Stands.OVERLAID)
            case Effected.NO if doubtful or self.program_start >= call.executed_at:
                call.put(index, Stands.WAITING)  # never executed, or lost by a core that was killed
                self.newest.lost(call.lines.keys[index])
            case Effected.NO:
                call.fail(index, State.NO_EFFECT, judgement.reason)
