"""The form of a command: the original's fields, their names and what they hold at first, with a pair that allows the commit."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from api.cgi.asked import clean, comment_rule
from api.cgi.commands import CgiCommand, Form
from api.cgi.csrf import COOKIE, LASTS_S, new_token
from api.cgi.dates import time_text
from api.cgi.pages import page
from api.cgi.places import Place, place, places_of
from api.cgi.visit import Visit
from engine.commands.row import GROUPS, Subject
from engine.errors import CallerError, UnknownPoller
from engine.formats.cgicfg import DEMANDED
from engine.state.views import Reader

TITLE = "External Command Interface"
WINDOW_S = 7200
MOST_TRIGGERS = 1000  # downtimes a form offers; any other's number can be sent all the same
_STATES = {Subject.HOST: ("UP", "DOWN", "UNREACHABLE"), Subject.SERVICE: ("OK", "WARNING", "CRITICAL", "UNKNOWN")}


class Item(msgspec.Struct, frozen=True):
    """One row of a form. kind: text, checkbox, select or note."""

    label: str
    name: str
    kind: str = "text"
    value: str = ""
    required: bool = False
    checked: bool = False
    locked: bool = False
    size: int = 0
    options: tuple[tuple[str, str], ...] = ()


async def form_page(visit: Visit, command: CgiCommand, key: bytes) -> Response:
    """The page of `cmd_mod=1`. Times are shown by the clock, in the zone and the format of the poller that has the target."""
    where = await _shown_place(visit, command)
    now = visit.services.clock.now()
    token = new_token(key, visit.caller.user, now)
    items = [*_target(visit, command), *_options(visit, command, where, now + where.clock_offset_s)]
    if command.form is Form.DOWNTIME and command.subject not in GROUPS:
        items.append(await _triggers(visit, where))
    zone = f"{where.poller.name}, {where.poller.timezone or 'local time'}"
    answer = page("form.html", title=TITLE, command=command, items=items, token=token, zone=zone, poller=visit.value("poller"))
    secure = visit.request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=LASTS_S, path="/", secure=secure, httponly=True, samesite="strict")
    return answer


async def _shown_place(visit: Visit, command: CgiCommand) -> Place:
    """Where the target is; of one that is not found (yet), the first poller in sight. Raises UnknownPoller."""
    names = {name: visit.value(name) for name in ("host", "service", "hostgroup", "servicegroup")}
    if command.form not in (Form.DELETE_COMMENT, Form.DELETE_DOWNTIME):
        try:
            return (await places_of(visit.desk, visit.caller, command, names, visit.value("poller")))[0]
        except CallerError:
            pass  # the form is shown all the same; the commit says what is wrong
    pollers = {poller.number: poller for poller in visit.desk.config.pollers}

    def look(reader: Reader) -> Place | None:
        seen = next((view.number for view in reader.pollers(visit.caller.scope) if view.number in pollers), None)
        return None if seen is None else place(reader, visit.caller, pollers[seen])

    where = await visit.desk.read(look)
    if where is None:
        raise UnknownPoller("There is no poller within your scope.")
    return where


def _target(visit: Visit, command: CgiCommand) -> list[Item]:
    if command.form is Form.DELETE_COMMENT:
        return [Item("Comment ID:", "com_id", value=visit.value("com_id", "0"), required=True)]
    if command.form is Form.DELETE_DOWNTIME:
        return [Item("Scheduled Downtime ID:", "down_id", value=visit.value("down_id", "0"), required=True)]
    if command.subject in GROUPS:
        name = command.subject.value
        return [Item(f"{name.capitalize()} Name:", name, value=visit.value(name), required=True)]
    if command.subject is Subject.GLOBAL:
        return [Item("There are no options for this command. Click the 'Commit' button to submit the command.", "", "note")]
    host = Item("Host Name:", "host", value=visit.value("host"), required=True)
    service = Item("Service:", "service", value=visit.value("service"), required=True)
    return [host, service] if command.subject is Subject.SERVICE else [host]


async def _triggers(visit: Visit, where: Place) -> Item:
    """The downtimes of that core which may begin this one, those of hosts first."""
    seen, values = visit.caller.scope.sql("o.poller", "o.host_name", "o.service_description")
    query = (
        "SELECT o.core_id, o.host_name, o.service_description, o.start_time FROM state.downtime o"
        f" WHERE o.poller = ? AND ({seen}) ORDER BY ifnull(o.service_description, '') <> '', o.core_id LIMIT {MOST_TRIGGERS}"
    )

    def look(reader: Reader) -> list[tuple[int, str, str | None, float]]:
        return reader.connection.execute(query, [where.poller.number, *values]).fetchall()

    options = [("0", "N/A")]
    for number, host, service, start in await visit.desk.read(look):
        what = f"Service '{service}' on host '{host}'" if service else f"Host '{host}'"
        at = time_text(start, where.poller.date_format, where.poller.timezone)
        options.append((str(number), f"ID: {number}, {what} starting @ {at}"))
    return Item("Triggered By:", "trigger", "select", options=tuple(options))


def _options(visit: Visit, command: CgiCommand, where: Place, now: float) -> list[Item]:
    """What is asked besides the target."""
    rule = comment_rule(visit, command)
    needed = rule.asked == DEMANDED
    author = where.alias or visit.caller.author
    signed = [
        Item("Author (Your Name):", "com_author", value=author, required=needed, locked=visit.config.lock_author_names),
        Item("Comment:", "com_data", value=visit.value("com_data") or clean(rule.text), required=needed, size=40),
    ]
    items = _own(visit, command, where, now, signed)
    return [*items, *signed] if rule.asked and not command.has_author else items


def _own(visit: Visit, command: CgiCommand, where: Place, now: float, signed: list[Item]) -> list[Item]:
    shown = time_text(now, where.poller.date_format, where.poller.timezone)
    until = time_text(now + WINDOW_S, where.poller.date_format, where.poller.timezone)
    start = Item("Start Time:", "start_time", value=shown, required=True)
    match command.form:
        case Form.COMMENT:
            return [Item("Persistent:", "persistent", "checkbox", checked=True), *signed]
        case Form.ACKNOWLEDGE:
            return [
                Item("Sticky Acknowledgement:", "sticky_ack", "checkbox", checked=True),
                Item("Send Notification:", "send_notification", "checkbox", checked=True),
                Item("Persistent Comment:", "persistent", "checkbox"),
                *signed,
            ]
        case Form.DELAY:
            words = "Notification Delay (minutes from now):"
            return [Item(words, "not_dly", value=str(visit.number("not_dly")), required=True)]
        case Form.CHECK | Form.CHECKS:
            force = Item("Force Check:", "force_check", "checkbox", checked=visit.has("force_check"))
            return [Item("Check Time:", "start_time", value=shown, required=True), force]
        case Form.RESULT:
            states = tuple((str(number), word) for number, word in enumerate(_STATES[command.subject]))
            return [
                Item("Check Result:", "plugin_state", "select", options=states, required=True),
                Item("Check Output:", "plugin_output", required=True),
                Item("Performance Data:", "performance_data"),
            ]
        case Form.NOTIFICATION:
            forced = Item("Forced:", "force_notification", "checkbox")
            return [forced, Item("Broadcast:", "broadcast_notification", "checkbox"), *signed]
        case Form.DOWNTIME:
            return [*signed, start, Item("End Time:", "end_time", value=until, required=True), *_downtime(command)]
        case Form.PLAIN:
            return _switches(command)
    return []


def _downtime(command: CgiCommand) -> list[Item]:
    items = [
        Item("Type:", "fixed", "select", options=(("1", "Fixed"), ("0", "Flexible"))),
        Item("If Flexible, Duration, Hours:", "hours", value="2", size=2),
        Item("Minutes:", "minutes", value="0", size=2),
    ]
    if command.instead:
        children = (
            ("0", "Do nothing with child hosts"),
            ("1", "Schedule triggered downtime for all child hosts"),
            ("2", "Schedule non-triggered downtime for all child hosts"),
        )
        items.append(Item("Child Hosts:", "childoptions", "select", options=children))
    if command.also:
        items.append(Item("Schedule Downtime For Hosts Too:", "ahas", "checkbox"))
    return items


def _switches(command: CgiCommand) -> list[Item]:
    word = command.name.partition("_")[0].capitalize()
    if command.also:
        return [Item(f"{word} For {'Hosts' if command.subject in GROUPS else 'Host'} Too:", "ahas", "checkbox")]
    if "ptc" in command.instead:
        return [Item(f"{word} Notifications For Child Hosts Too:", "ptc", "checkbox")]
    return []
