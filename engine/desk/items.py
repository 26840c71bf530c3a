"""Several things asked for in one call, each with a fate of its own: what can be commanded is stored whole, in one operation, and
the rest says why it was left out.

The makers turn one item's words into the commands for its object; what is wrong with the words themselves is the caller's to find
before (see checks.py). A repeat with its Idempotency-Key is told the same of every item.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import orjson
from msgspec.structs import replace

from engine.config import Poller
from engine.desk.accept import refused
from engine.desk.checks import Asked, Window, asked
from engine.desk.orders import Order, acknowledgement, checks, comment_order, downtimes, passive_result, removal
from engine.desk.plans import limit_of
from engine.desk.resolve import Found, Resolver
from engine.desk.selection import check_limit
from engine.desk.values import CheckResult, Receipt, Recorded, Target
from engine.errors import CallerError, Forbidden, PollerAway, SignalboxError
from engine.state.views import Reader

Make = Callable[[Asked, Found], list[Order]]


class Item(msgspec.Struct, frozen=True):
    """Commands for some objects that stand or fall together. `author` None = the caller's own; `error`: known to be impossible."""

    targets: tuple[Target, ...]
    make: Make
    with_services: bool = False
    author: str | None = None
    error: SignalboxError | None = None


class ItemDone(msgspec.Struct, frozen=True):
    """What became of an item when it was asked for: its receipts, or why it was left out (`code` and `field` are for programs)."""

    receipts: tuple[Receipt, ...] = ()
    code: str = ""
    message: str = ""
    field: str = ""


class Plan(msgspec.Struct, frozen=True):
    """The orders of every item, none for one that was left out, and why it was."""

    orders: tuple[tuple[Order, ...], ...]
    left_out: tuple[ItemDone, ...]

    def all_orders(self) -> list[Order]:
        """Those to be stored, in the order of the items."""
        return [order for orders in self.orders for order in orders]

    def told(self) -> bytes:
        """What a repeat with the same key is told besides the receipts."""
        rows = [(len(orders), out.code, out.message, out.field) for orders, out in zip(self.orders, self.left_out, strict=True)]
        return zlib.compress(orjson.dumps(rows), 1)

    def done(self, receipts: Sequence[Receipt]) -> tuple[ItemDone, ...]:
        """Every item with its own receipts."""
        ahead = iter(receipts)
        return tuple(
            replace(out, receipts=_first(ahead, len(orders))) for orders, out in zip(self.orders, self.left_out, strict=True)
        )


def plan_items(reader: Reader, pollers: Mapping[int, Poller], who: Asked, items: Sequence[Item]) -> Plan:
    """What can be commanded now. Raises what concerns the call as a whole: Forbidden, TooManyTargets."""
    resolver = Resolver(reader, who.caller.scope, pollers)
    made = [_made(resolver, who, item) for item in items]
    check_limit(sum(len(orders) for orders, _ in made), limit_of(who.settings, who.caller.role))
    return Plan(tuple(orders for orders, _ in made), tuple(out for _, out in made))


def without_refused(reader: Reader, who: Asked, plan: Plan, away: Mapping[int, PollerAway]) -> Plan:
    """The same without the items of which one order or more would be refused by what is known of the objects and their cores."""
    errors = {id(order): error for order, error in refused(reader.connection, plan.all_orders(), who, away)}

    def judged(orders: tuple[Order, ...], out: ItemDone) -> tuple[tuple[Order, ...], ItemDone]:
        error = next((errors[id(order)] for order in orders if id(order) in errors), None)
        return (orders, out) if error is None else ((), _left_out(error))

    kept = [judged(orders, out) for orders, out in zip(plan.orders, plan.left_out, strict=True)]
    return Plan(tuple(orders for orders, _ in kept), tuple(out for _, out in kept))


def items_again(known: Recorded) -> tuple[ItemDone, ...] | None:
    """What the first request with a key was told of its items, None when it had none."""
    if not known.conflicts:
        return None
    rows = msgspec.json.decode(zlib.decompress(known.conflicts), type=list[tuple[int, str, str, str]])
    ahead = iter(msgspec.json.decode(known.answer, type=tuple[Receipt, ...]))
    return tuple(ItemDone(_first(ahead, count), code, message, field) for count, code, message, field in rows)


# --- makers -----------------------------------------------------------------------------------------------------------------------


def make_downtime(window: Window, comment: str, *, with_services: bool = False) -> Make:
    """A downtime, with `with_services` of each of a host's services, too."""
    return lambda who, found: downtimes(who, found, window, comment, with_services)


def make_acknowledgement(comment: str, *, sticky: bool, notify: bool, persistent: bool, check: bool = False) -> Make:
    """An acknowledgement; `check`: and a forced check behind it."""

    def make(who: Asked, found: Found) -> list[Order]:
        acknowledged = acknowledgement(who, found, comment, sticky, notify, persistent)
        return [acknowledged, *(checks(who, found, None) if check else ())]

    return make


def make_removal() -> Make:
    """Whichever acknowledgement stands is taken back."""
    return lambda who, found: [removal(who, found)]


def make_check(*, forced: bool, with_services: bool = False) -> Make:
    """A check now, with `with_services` of each of a host's services, too."""
    return lambda who, found: checks(who, found, None, forced, with_services)


def make_result(target: Target, return_code: int, output: str, perf_data: str) -> Make:
    """A passive result."""
    result = CheckResult(target, return_code, output, perf_data)
    return lambda who, found: [passive_result(who, found, result)]


def make_comment(comment: str, *, persistent: bool = True) -> Make:
    """A user's comment."""
    return lambda who, found: [comment_order(who, found, comment, persistent)]


# --- pieces -----------------------------------------------------------------------------------------------------------------------


def _made(resolver: Resolver, who: Asked, item: Item) -> tuple[tuple[Order, ...], ItemDone]:
    try:
        if item.error is not None:
            raise item.error
        found = resolver.all(item.targets, with_services=item.with_services)
        as_whom = who if item.author is None else asked(who.caller, item.author, who.now, who.settings, force=who.force)
        return tuple(order for each in found for order in item.make(as_whom, each)), ItemDone()
    except Forbidden:
        raise
    except CallerError as error:
        return (), _left_out(error)


def _left_out(error: SignalboxError) -> ItemDone:
    return ItemDone((), error.code, str(error), str(error.facts.get("field") or ""))


def _first(ahead: Iterator[Receipt], count: int) -> tuple[Receipt, ...]:
    return tuple(next(ahead) for _ in range(count))
