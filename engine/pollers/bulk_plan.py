"""Which results of a lane's calls may be written next: decided here, written by lane_writing.py.

Rules. Order is kept per object: a result that must wait holds back what comes behind it for its object; one older than the newest
that was executed for its object is overtaken. Where nothing of that kind is the matter, as nearly everywhere, a run of results is
cut into writes as it stands; only otherwise they are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from engine.commands.lifecycle import State
from engine.commands.wire import WRITE_LIMIT
from engine.pollers.call import Call, Order, Part, Run
from engine.pollers.last_checks import Key, LastChecks
from engine.pollers.newest import Newest, any_newer
from engine.pollers.sending import MARKS_BYTES, OVERTAKEN, RECHECK_AFTER_S, Situation
from engine.state.views import Reader

_LOOKED_UP_AT_ONCE = 200  # objects, before it is known how many of their results there is room for
_LINES_BYTES = WRITE_LIMIT - MARKS_BYTES


@dataclass(slots=True)
class Planner:
    """One round of planning. `behind`: objects for which something older waits; `planned`: what this round sends already."""

    newest: Newest
    checks: LastChecks
    situation: Situation
    reader: Reader
    room: int
    behind: set[Key]
    planned: dict[Key, Order] = field(default_factory=dict)

    def plan(self, calls: Iterable[Call]) -> list[Part]:
        """The next writes, oldest call first, as many as `room` bytes allow; what is overtaken is given up."""
        parts: list[Part] = []
        for call in calls:
            if self.room < WRITE_LIMIT:
                break
            if not call.is_waiting:
                continue
            waited = self.situation.now - call.row.accepted_at > RECHECK_AFTER_S
            if waited and call.row.accepted_at <= self.situation.back_at and self.situation.created <= self.situation.back_at:
                break  # what became of the objects while the core was away is not known yet
            parts += self._of(call)
        return parts

    def _of(self, call: Call) -> Iterator[Part]:
        again = list(call.again())
        if again:
            yield from self._one_by_one(call, again)
        pieces = list(islice(call.cut(range(call.cursor, len(call)), _LINES_BYTES), self.room // WRITE_LIMIT))
        if not pieces:
            return
        together = self._is_plain(call, range(pieces[0].start, pieces[-1].stop))
        for piece in pieces:
            if self.room < WRITE_LIMIT:
                return
            if together or self._is_plain(call, piece):
                self.room -= WRITE_LIMIT
                self.planned.update(zip(call.keys(piece), call.orders(piece), strict=True))
                call.cursor = piece.stop
                yield Part(call, piece)
            else:
                yield from self._one_by_one(call, piece)

    def _is_plain(self, call: Call, run: range) -> bool:
        """May all of these be written now, in the order in which they stand?"""
        keys, orders = call.keys(run), call.orders(run)
        return (
            self.behind.isdisjoint(keys)
            and (call.lines.is_ascending or len(set(keys)) == len(keys))
            and self.newest.is_plain(keys, orders)
            and not any_newer(self.planned, keys, orders)
            and not self.checks.any_newer(self.reader, keys, orders)
        )

    def _one_by_one(self, call: Call, places: Run) -> Iterator[Part]:
        """The same result by result; parts end where `places` do."""
        run: list[int] = []
        size = 0
        for number, index in enumerate(places):
            if number % _LOOKED_UP_AT_ONCE == 0:
                self.checks.of(self.reader, call.keys(places[number : number + _LOOKED_UP_AT_ONCE]))
            length = call.size(index)
            is_new = not run or size + length > _LINES_BYTES
            if is_new and self.room < WRITE_LIMIT:
                break
            call.cursor = max(call.cursor, index + 1)
            if not self._may_go(call, index):
                continue
            if is_new:
                if run:
                    yield Part(call, run)
                run, size = [], 0
                self.room -= WRITE_LIMIT
            run.append(index)
            size += length
        if run:
            yield Part(call, run)

    def _may_go(self, call: Call, index: int) -> bool:
        """Is it this one's turn? What was overtaken is given up."""
        key, order = call.lines.keys[index], call.lines.orders[index]
        if key in self.behind or self.planned.get(key, order) > order or self.newest.is_flying_before(key, order):
            self.behind.add(key)  # not now
            return False
        verdict = self._overtaken(call, key, order)
        if verdict:
            call.fail(index, State.EXPIRED, verdict, overtaken=True)
            return False
        self.planned[key] = order
        return True

    def _overtaken(self, call: Call, key: Key, order: Order) -> str:
        """Why it is not worth sending any more; "" when it is."""
        executed = self.newest.executed(key, order)
        if executed is not None:
            return f"{OVERTAKEN}: a newer result of {executed[0]} was executed first"
        checks = self.checks.of(self.reader, (key,))
        if key not in checks and self.situation.created > call.row.accepted_at:
            return f"{OVERTAKEN}: the object is no longer in the core's configuration"
        check = checks.get(key)
        if check is not None and int(check.at) > order[0]:
            return f"{OVERTAKEN}: the object has a newer check result, of {check.at:.0f}"
        return ""
