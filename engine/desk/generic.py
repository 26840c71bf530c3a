"""Any command of the catalogue by its name: may it be sent, by whom, with which arguments; then the order for it. Pure.

What has a twin, an entry or a refusal of its own (downtimes, acknowledgements, comments, checks, results) becomes the same order
as when it is asked for by its noun.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from engine.commands.catalogue import CATALOGUE, SWITCHES, Effect, Field, FieldType, Row, Subject, is_ours, row_of
from engine.commands.row import MEMBERS, Members, Recheck, meant
from engine.commands.wire import check_value
from engine.desk.checks import Asked, core_now, second, window
from engine.desk.orders import (
    Order,
    acknowledgement,
    check,
    comment_order,
    downtime_order,
    notification,
    passive_result,
    plain_order,
    removal,
)
from engine.desk.resolve import Found
from engine.desk.values import CheckResult, Target
from engine.errors import Forbidden, InvalidField, UnknownCommand, UnsupportedCommand
from engine.model import CoreKind
from engine.state.members import member_name


def command_named(name: str) -> Row:
    """The row of that name. Raises UnknownCommand, Forbidden for our own marks."""
    row = row_of(name)
    if row is not None:
        return row
    if is_ours(name):
        raise Forbidden(
            f"{name} is a mark by which Signalbox proves what it sent: nobody else may send it.", right="mark", command=name
        )
    near = difflib.get_close_matches(name.upper(), CATALOGUE, n=3)
    perhaps = f" Perhaps {' or '.join(near)}?" if near else " GET /v1/commands/catalogue lists them."
    raise UnknownCommand(f"There is no external command {name!r}.{perhaps}", field="command", command=name, near=near)


def check_supported(row: Row, found: Found) -> None:
    """Raises UnsupportedCommand when that core has not got it, or takes it and does nothing."""
    poller, version = found.poller, found.view.version if found.view is not None else ""
    if not row.is_known_to(poller.kind, version):
        raise UnsupportedCommand(
            f"{poller.name} runs {poller.kind} {version}, which does not know {row.name}.".replace("  ", " "),
            command=row.name, poller=poller.name,
        )  # fmt: skip
    if poller.kind in row.useless_in:
        raise UnsupportedCommand(
            f"{row.name} has no use on {poller.name}: {row.useless_in[poller.kind]}.", command=row.name, poller=poller.name
        )


def check_names(row: Row, given: Mapping[str, object]) -> None:
    """Raises InvalidField for an argument the command has not got, and for one that is missing."""
    known = {field.name: field for field in row.fields}
    for name in given:
        if name not in known:
            words = ", ".join(known) or "none"
            raise InvalidField(f"{row.name} has no argument {name}: it takes {words}.", field=name, known=list(known))
    for field in row.fields:
        if field.is_required and given.get(field.name) is None:
            raise InvalidField(f"{row.name} needs {field.name}: {field.doc}.", field=field.name)


def generic_orders(who: Asked, found: Found, row: Row, given: Mapping[str, object]) -> list[Order]:
    """The orders for a command: one, or one for each member. Raises InvalidField, UnsupportedCommand, what nouns' orders raise."""
    check_supported(row, found)
    if found.poller.kind not in row.expanded_in:
        return [_generic_order(who, found, row, given)]
    column, wanted = row.signs[0].key, bool(row.signs[0].value)
    return [
        plain_order(
            who,
            found._replace(key=member, name="", members=(member,)),
            SWITCHES[Subject.HOST if member.service is None else Subject.SERVICE][column][wanted],
            {},
        )
        for member in found.members
    ]


def _generic_order(who: Asked, found: Found, row: Row, given: Mapping[str, object]) -> Order:
    check_names(row, given)
    arguments = {field.name: _value(who, found, row, field, given.get(field.name)) for field in row.fields}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if row.name == "LOG" and "SIGNALBOX_" in str(arguments["text"]).upper():
        raise Forbidden("text holds a mark by which Signalbox proves what it sent: nobody else may write it.", right="mark")
    match row.effect:
        case Effect.ENTRY_CREATED if row.entry_kind == "downtime":
            return _downtime(who, found, row, arguments)
        case Effect.ENTRY_CREATED:
            return comment_order(who, found, str(arguments["comment"]), bool(arguments["persistent"]))
        case Effect.ACKNOWLEDGED:
            sticky, notify, persistent = (bool(arguments[name]) for name in ("sticky", "notify", "persistent"))
            expire = arguments.get("expire")
            ends = expire if isinstance(expire, int) else None
            return acknowledgement(who, found, str(arguments["comment"]), sticky, notify, persistent, ends)
        case Effect.NOT_ACKNOWLEDGED:
            return removal(who, found)
        case Effect.CHECKED:
            at = given.get("at")
            return check(who, found, row, float(at) if isinstance(at, int | float) else None)
        case Effect.LOGGED if row.cut_at_semicolon:
            options = arguments["options"]
            return notification(who, found, str(arguments["comment"]), options if isinstance(options, int) else 0)
        case Effect.RESULT_SEEN:
            code = arguments["return_code"]
            target = Target(found.key.host, found.key.service, found.key.poller)
            return passive_result(who, found, CheckResult(target, code if isinstance(code, int) else -1, str(arguments["output"])))
        case Effect.DOWNTIMES_GONE if found.poller.kind is CoreKind.ICINGA2 and {"start", "comment"} & set(arguments):
            # **Source**: Icinga 2 lib/icinga/externalcommandprocessor.cpp, DelDowntimeByHostName.
            raise InvalidField(
                "Icinga 2 would delete every downtime of the host itself, whatever start or comment say: leave them out.",
                field="comment" if "comment" in arguments else "start",
            )
        case Effect.DOWNTIMES_GONE if not arguments:
            raise InvalidField(f"{row.name} needs start or comment: without any it would mean all.", field="comment")
        case Effect.DOWNTIMES_GONE if row.recheck is Recheck.SAME_MEMBERS:
            order = plain_order(who, found, row, arguments)
            return order._replace(arguments={**order.arguments, MEMBERS: [member.host for member in found.members]})
        case Effect.SHOWN if row.on is not Members.ITSELF and (found.members or found.contacts):
            order = plain_order(who, found, row, arguments)
            names = [*found.contacts, *map(member_name, found.members)]
            return order._replace(arguments={**order.arguments, MEMBERS: meant(names)})
        case _:
            return plain_order(who, found, row, arguments)


def _downtime(who: Asked, found: Found, row: Row, arguments: Mapping[str, object]) -> Order:
    start, end, duration, trigger = (arguments[name] for name in ("start", "end", "duration", "trigger"))
    if (
        not isinstance(start, int)
        or not isinstance(end, int)
        or not isinstance(duration, int | float)
        or not isinstance(trigger, int)
    ):
        raise InvalidField("start, end, duration and trigger must be numbers.", field="start")
    fixed = bool(arguments["fixed"])
    when = window(start, end, fixed, None if fixed or not duration else float(duration))
    return downtime_order(who, found, row, when, str(arguments["comment"]), trigger)


def _value(who: Asked, found: Found, row: Row, field: Field, given: object) -> object:
    """The argument as it is journalled; None for one that stays out of the line."""
    if field.type is FieldType.AUTHOR:
        return (who.author if not field.optional else None) if given is None else given
    value = field.default if given is None else given
    if value == "now" and field.type is FieldType.TIME:
        value = int(core_now(who, found))
    if value is None:
        return None
    if found.poller.kind not in field.kinds:
        raise InvalidField(f"{found.poller.kind} takes no {field.name} in {row.name}: leave it out.", field=field.name)
    check_value(row, field, value)
    if field.type is FieldType.TIME and isinstance(value, int | float):
        return second(value, field.name)
    return value
