"""The newest passive result of each object that a lane wrote, and the newest that its core executed.

What belongs here: by what a result waits for another of its object, or is overtaken by it. Rules. A run of results is asked about
at once: it is plain where nothing newer was written or executed for any of its objects, as nearly every one is. An entry of
`written` stays when its result was executed; only one that was not is taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import gt

from engine.pollers.call import Call, Order, Stands
from engine.pollers.last_checks import Key


@dataclass(slots=True)
class Newest:
    """See the module. `calls` are the open ones by the seq of an order."""

    calls: dict[int, Call] = field(default_factory=dict)
    _written: dict[Key, Order] = field(default_factory=dict)
    _executed: dict[Key, Order] = field(default_factory=dict)

    def is_plain(self, keys: Sequence[Key], orders: Sequence[Order]) -> bool:
        """Has nothing newer been written, or executed, for any of these objects?"""
        return not any_newer(self._written, keys, orders) and not any_newer(self._executed, keys, orders)

    def is_flying_before(self, key: Key, order: Order) -> bool:
        """Is a newer one of that object under way?"""
        newest = self._written.get(key)
        if newest is None or newest <= order:
            return False
        call = self.calls.get(newest[1])
        return call is not None and call.stands[newest[2]] == Stands.FLYING

    def executed(self, key: Key, order: Order) -> Order | None:
        """A newer one of that object that was executed, if there is any."""
        newest = self._executed.get(key)
        return newest if newest is not None and newest > order else None

    def epoch(self, key: Key) -> int:
        """The newest check time that was written for an object, 0 when none is known."""
        return max((known[key][0] for known in (self._written, self._executed) if key in known), default=0)

    # --- what happened to them --------------------------------------------------------------------------------------------------

    def wrote(self, keys: Sequence[Key], orders: Sequence[Order]) -> None:
        """These are under way."""
        _note(self._written, keys, orders)

    def executed_all(self, keys: Sequence[Key], orders: Sequence[Order]) -> None:
        """These were executed."""
        _note(self._executed, keys, orders)

    def did_not_fly(self, key: Key, order: Order) -> None:
        """This one was not executed after all, or nobody knows."""
        if self._written.get(key) == order:
            del self._written[key]

    def lost(self, key: Key) -> None:
        """What was executed for that object is in the core no more."""
        self._executed.pop(key, None)


def any_newer(known: Mapping[Key, Order], keys: Iterable[Key], orders: Sequence[Order]) -> bool:
    """Is for any of these objects a newer order known than its own?"""
    return any(map(gt, map(known.get, keys, orders), orders))


def _note(known: dict[Key, Order], keys: Sequence[Key], orders: Sequence[Order]) -> None:
    """Of several of one object that ascend the last counts."""
    if not any_newer(known, keys, orders):
        known.update(zip(keys, orders, strict=True))
        return
    for key, order in zip(keys, orders, strict=True):
        known[key] = max(order, known.get(key, order))
