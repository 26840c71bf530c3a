"""One call of passive results as its lane holds it: its lines, whose they are, and one byte per result that says where it stands.

Rules. What thousands have in common is done for a run of them at once: their lines stand side by side in one piece of bytes, so
that a write is a slice of it; objects, orders and echoes are lists by place. Only what is not as expected is looked at one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate, chain, repeat
from operator import add, le

import msgspec
import orjson
from msgspec.structs import replace

from engine.commands.lifecycle import State
from engine.journal.calls import CallRow, Counts, Failure
from engine.pollers.last_checks import Key, key_of

_READ_AT_ONCE = 2000  # lines taken apart in one go: other threads wait for the interpreter meanwhile
_SERVICE = b"PROCESS_SERVICE_CHECK_RESULT"
_BLANK_ENDS = (b" \n", b"\t\n", b"\r\n", b"\v\n", b"\f\n")

Order = tuple[int, int, int]  # check time, call, place: by what a result is older than another of its object
Run = range | list[int]  # places of results, ascending; a range where they stand side by side


class Stands(IntEnum):
    """Where one result stands: one byte of `Call.stands`."""

    WAITING = 0
    FLYING = 1  # in an open batch
    PROCESSED = 2  # executed; its effect is still to be seen
    DOUBTFUL = 3  # only the core's files can tell whether it was executed
    OVERLAID = 4  # executed, and something newer stands in its place: nothing will ever show more
    CONFIRMED = 5
    FAILED = 6


TO_JUDGE = frozenset({Stands.PROCESSED, Stands.DOUBTFUL})


class Lines(msgspec.Struct, frozen=True):
    """What a call holds, by place. `starts` has one more: where the next line would begin."""

    text: bytes
    starts: list[int]
    keys: list[Key]
    orders: list[Order]
    last: dict[Key, int]  # the place of each object's last result
    is_ascending: bool  # no result is older than the one before it

    @classmethod
    def of(cls, text: bytes, seq: int) -> Lines:
        """Take the lines apart; each ends with its newline. `seq` is the call's place among all."""
        lines = text.split(b"\n")[:-1]
        keys: list[Key] = []
        epochs: list[int] = []
        for start in range(0, len(lines), _READ_AT_ONCE):
            some_keys, some_epochs = _objects_and_times(lines[start : start + _READ_AT_ONCE])
            keys += some_keys
            epochs += some_epochs
        starts = list(accumulate(map(add, map(len, lines), repeat(1)), initial=0))
        places = range(len(keys))
        orders = list(zip(epochs, repeat(seq), places, strict=False))
        ascending = all(map(le, epochs, epochs[1:]))
        return cls(text, starts, keys, orders, dict(zip(keys, places, strict=True)), ascending)


def _objects_and_times(lines: Sequence[bytes]) -> tuple[list[Key], list[int]]:
    """Of each `[1800000000] PROCESS_HOST_CHECK_RESULT;host;0;…`; the few names, objects and times there are, are read once each."""
    fields = list(map(bytes.split, lines, repeat(b";"), repeat(3)))
    if min(map(len, fields), default=4) < 4:
        raise ValueError("a call holds a line that is no result's")
    stamped, hosts, thirds, _ = zip(*fields, strict=True)
    heads = {one: one.split(b"] ") for one in set(stamped)}
    names = [heads[one][1] for one in stamped]
    objects = {one: _key(*one) for one in set(zip(names, hosts, thirds, strict=True))}
    times = {one: int(stamp[1:]) for one, (stamp, _) in heads.items()}
    keys = list(map(objects.__getitem__, zip(names, hosts, thirds, strict=True)))
    return keys, list(map(times.__getitem__, stamped))


def _key(name: bytes, host: bytes, third: bytes) -> Key:
    return key_of(host.decode(), third.decode() if name == _SERVICE else "")


@dataclass(slots=True)
class Call:
    """One open call. `stands` says of each result where it is; a search for a byte in it costs next to nothing."""

    row: CallRow
    lines: Lines
    stands: bytearray
    cursor: int  # everything from here on waits
    executed_at: float
    reason: str
    held: bool
    ended: dict[State, int]
    overtaken: int
    ready: int = 0  # of those that fly: not written yet
    unsaved: list[Failure] = field(default_factory=list)
    judged: int = 0  # the generation its last whole round of judging was made by
    judging: Run = field(default_factory=list)  # what is left of the present round
    is_changed: bool = False

    @classmethod
    def of(cls, row: CallRow, text: bytes, failures: Iterable[Failure]) -> Call:
        """As the journal has it; what its open batches hold is put in by `ResultCalls.taken_up`."""
        lines = Lines.of(text, row.seq)
        stands = bytearray([Stands.PROCESSED]) * row.cursor + bytearray(len(lines.keys) - row.cursor)
        for index in row.again:
            stands[index] = Stands.WAITING
        for index in row.doubtful:
            stands[index] = Stands.DOUBTFUL
        ended: dict[State, int] = {}
        for failure in failures:
            size = failure.last - failure.first + 1
            stands[failure.first : failure.last + 1] = bytes([Stands.FAILED]) * size
            ended[failure.state] = ended.get(failure.state, 0) + size
        return cls(row, lines, stands, row.cursor, row.executed_at, row.reason, row.held, ended, row.counts.overtaken)

    @property
    def id(self) -> str:
        return self.row.id

    def __len__(self) -> int:
        return len(self.stands)

    def count(self, *where: Stands) -> int:
        return sum(self.stands.count(one) for one in where)

    # --- where its results stand ----------------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """Does anything wait?"""
        return self.cursor < len(self.stands) or Stands.WAITING in self.stands

    @property
    def is_under_way(self) -> bool:
        """Does anything wait, or fly?"""
        return self.is_waiting or Stands.FLYING in self.stands

    def is_waiting_for(self, key: Key, unwritten: int) -> bool:
        """Does any result of that object wait? From the place `unwritten` on nothing went into the command file yet."""
        last = self.lines.last.get(key, -1)
        return last >= unwritten or (last >= 0 and any(self.lines.keys[index] == key for index in self.again()))

    @property
    def is_over(self) -> bool:
        return not self.is_under_way and not self.count(Stands.PROCESSED, Stands.DOUBTFUL)

    def put(self, index: int, where: Stands) -> None:
        """One result goes on."""
        self.stands[index] = where
        self.is_changed = True

    def put_all(self, run: Run, where: Stands) -> None:
        """All of these go on."""
        if isinstance(run, range):
            self.stands[run.start : run.stop] = bytes([where]) * len(run)
        else:
            for index in run:
                self.stands[index] = where
        self.is_changed = True

    def all_stand(self, run: range, where: Stands) -> bool:
        """Do they all stand there?"""
        return self.stands.count(where, run.start, run.stop) == len(run)

    def fail(self, index: int, state: State, words: str, *, overtaken: bool = False) -> None:
        """One result came to a bad end."""
        self.put(index, Stands.FAILED)
        self.ended[state] = self.ended.get(state, 0) + 1
        self.overtaken += overtaken
        last = self.unsaved[-1] if self.unsaved else None
        if last is not None and (last.last, last.state, last.words) == (index - 1, state, words):
            self.unsaved[-1] = replace(last, last=index)
        else:
            self.unsaved.append(Failure(index, index, state, words))

    def waiting(self) -> Iterable[int]:
        """The places of what waits, in order."""
        return chain(tuple(self.again()), range(self.cursor, len(self.stands)))

    def again(self) -> Iterator[int]:
        """The places before `cursor` of what waits, or waits once more."""
        found = self.stands.find(Stands.WAITING, 0, self.cursor)
        while found >= 0:
            yield found
            found = self.stands.find(Stands.WAITING, found + 1, self.cursor)

    def standing(self, *where: Stands) -> Run:
        """The places of all that stand there."""
        return [index for index, one in enumerate(self.stands) if one in where]

    # --- its lines ------------------------------------------------------------------------------------------------------------

    def keys(self, run: Run) -> list[Key]:
        """Whose they are."""
        keys = self.lines.keys
        return keys[run.start : run.stop] if isinstance(run, range) else [keys[index] for index in run]

    def orders(self, run: Run) -> list[Order]:
        """Their orders."""
        orders = self.lines.orders
        return orders[run.start : run.stop] if isinstance(run, range) else [orders[index] for index in run]

    def text(self, run: Run) -> bytes:
        """Their lines, as they are written."""
        text, starts = self.lines.text, self.lines.starts
        if isinstance(run, range):
            return text[starts[run.start] : starts[run.stop]]
        return b"".join(text[starts[index] : starts[index + 1]] for index in run)

    def stamp(self, run: Run) -> bytes:
        """What all of these lines begin with, b"" if it is not the same."""
        first, last = self.lines.orders[run[0]][0], self.lines.orders[run[-1]][0]
        return b"[%d] " % first if first == last and self.lines.is_ascending else b""

    def size(self, index: int) -> int:
        """Bytes of one line."""
        return self.lines.starts[index + 1] - self.lines.starts[index]

    def cut(self, run: range, size: int) -> Iterator[range]:
        """Pieces of a run that take at most `size` bytes each; a line that is longer has one of its own."""
        starts, at = self.lines.starts, run.start
        while at < run.stop:
            end = min(max(bisect_right(starts, starts[at] + size) - 1, at + 1), run.stop)
            yield range(at, end)
            at = end

    # --- the journal ----------------------------------------------------------------------------------------------------------

    def stored(self, at: float) -> CallRow:
        """The row as it is now."""
        counts = Counts(
            accepted=self.count(Stands.WAITING) + self.ready,
            written=self.count(Stands.FLYING, Stands.DOUBTFUL) - self.ready,
            processed=self.count(Stands.PROCESSED, Stands.OVERLAID),
            confirmed=self.count(Stands.CONFIRMED),
            refused=self.ended.get(State.REFUSED, 0),
            no_effect=self.ended.get(State.NO_EFFECT, 0),
            expired=self.ended.get(State.EXPIRED, 0),
            overtaken=self.overtaken,
            unknown=self.ended.get(State.UNKNOWN, 0),
        )
        has_doubts = Stands.DOUBTFUL in self.stands
        return replace(
            self.row,
            updated_at=at,
            cursor=self.cursor,
            again=tuple(self.again()),
            doubtful=tuple(self.standing(Stands.DOUBTFUL)) if has_doubts else (),
            executed_at=self.executed_at,
            reason=self.reason,
            held=self.held and self.is_waiting,
            open=not self.is_over,
            counts=counts,
        )


class Part(msgspec.Struct, frozen=True):
    """One write's worth of one call."""

    call: Call
    run: Run


def stored_runs(call: str, runs: Iterable[Run]) -> str:
    """Which results of a call a batch row holds: one run per write."""
    parts = [[run.start, run.stop] if isinstance(run, range) else {"of": run} for run in runs]
    return orjson.dumps({"call": call, "parts": parts}).decode()


def runs_of(results: str) -> tuple[str, list[Run]]:
    """The same again: the call's id and the runs."""
    found = orjson.loads(results)
    return found["call"], [part["of"] if isinstance(part, dict) else range(*part) for part in found["parts"]]


def token_of(group: str, number: int) -> str:
    """The token of the marks around one write of a batch row of results."""
    return f"{group}{number:03x}"
