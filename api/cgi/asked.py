"""What a cmd.cgi request asks for: its parameters by the original's rules, and the sentence it says when they do not do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from api.cgi.commands import CgiCommand, Form
from api.cgi.dates import parse_time
from api.cgi.places import Place
from api.cgi.visit import Visit
from engine.commands.profiles import PROFILES
from engine.commands.row import GROUPS, Subject
from engine.formats.cgicfg import DEMANDED, CommentRule
from engine.formats.status import unescaped_output

NO_AUTHOR, NO_COMMENT = "Author was not entered", "Comment was not entered"
BAD_WINDOW = "Start or end time not valid"
BAD_START = "Start time must be non-zero or bad format has been submitted."
NO_OUTPUT = "Plugin output cannot be blank"
NO_DELAY = "Notification delay must be greater than 0"
NO_COMMENT_ID, NO_DOWNTIME_ID = "Comment id cannot be 0", "Downtime id cannot be 0"


_CLEANED = str.maketrans({";": " ", "\t": " ", "<": None, ">": None})


class Commanded(msgspec.Struct, frozen=True):
    """One external command by the catalogue's words; `trigger` is a downtime's id as pages show it, 0 for none."""

    name: str
    arguments: dict[str, object]
    trigger: int = 0


def clean(text: str) -> str:
    """A comment or author: what would begin another field becomes a blank, a tab, too; angle brackets go."""
    return text.translate(_CLEANED)


def author_of(visit: Visit, place: Place) -> str:
    """Locked, it is the contact's alias, else the user's name; otherwise what the form says."""
    if visit.config.lock_author_names:
        return clean(place.alias or visit.caller.author)
    return clean(visit.value("com_author"))


def targets(visit: Visit, command: CgiCommand) -> list[dict[str, str]]:
    """The names each command of the request is for: one target, of Icinga's forms several."""
    if command.subject in GROUPS:
        return [{command.subject.value: visit.value(command.subject.value)}]
    if command.subject is Subject.GLOBAL:
        return [{}]
    pairs = [pair.partition("^") for pair in visit.values("hostservice")]
    found = [{"host": host, "service": service} for host, caret, service in pairs if caret]
    hosts = visit.values("host") if is_icinga(visit) and command.subject is Subject.HOST else [visit.value("host")]
    if not found or visit.has("host"):
        found += [{"host": host, "service": visit.value("service")} for host in hosts]
    if command.subject is Subject.HOST:
        found = [{"host": one["host"]} for one in found]
    return list({tuple(one.items()): one for one in found}.values())


def is_icinga(visit: Visit) -> bool:
    """Asked below one of Icinga's paths: its forms take more, and its sentence of success is another."""
    return "icinga" in visit.request.url.path.rpartition("/")[0]


def mistake(visit: Visit, command: CgiCommand, place: Place) -> str:
    """The original's sentence about the first thing that is missing or wrong, "" when nothing is."""
    form, lacking = command.form, _lacking(visit, command, place)
    if lacking:
        return lacking
    if form is Form.RESULT and not visit.value("plugin_output"):
        return NO_OUTPUT
    if form is Form.DELAY and visit.number("not_dly") <= 0:
        return NO_DELAY
    if form in (Form.CHECK, Form.CHECKS) and _time(visit, "start_time", place) is None:
        return BAD_START
    if form is Form.DOWNTIME:
        start, end = _time(visit, "start_time", place), _time(visit, "end_time", place)
        if start is None or end is None or end < start:
            return BAD_WINDOW
    if form is Form.DELETE_COMMENT and not visit.number("com_id"):
        return NO_COMMENT_ID
    if form is Form.DELETE_DOWNTIME and not visit.number("down_id"):
        return NO_DOWNTIME_ID
    return ""


def comment_rule(visit: Visit, command: CgiCommand) -> CommentRule:
    """What is asked of the comment: what the CGI configuration says, but where a core drops the command without, it is demanded."""
    rule = visit.config.comments.get(command.name, CommentRule(0))
    return replace(rule, asked=DEMANDED) if command.has_author else rule


def _lacking(visit: Visit, command: CgiCommand, place: Place) -> str:
    if comment_rule(visit, command).asked != DEMANDED:
        return ""
    if not visit.value("com_data"):
        return NO_COMMENT
    return "" if author_of(visit, place) else NO_AUTHOR


def _time(visit: Visit, name: str, place: Place) -> float | None:
    text = visit.value(name)
    return parse_time(text, place.poller.date_format, place.poller.timezone) if text else None


def commanded(visit: Visit, command: CgiCommand, names: dict[str, str], place: Place, now: float) -> Iterator[Commanded]:
    """The external commands of a request without mistakes, for one target on one poller; `now` is by that core's clock."""
    given: dict[str, object] = dict(names)
    trigger = 0
    match command.form:
        case Form.COMMENT:
            given |= {"persistent": visit.has("persistent")}
        case Form.ACKNOWLEDGE:
            given |= {"sticky": visit.has("sticky_ack"), "notify": visit.has("send_notification")}
            given |= {"persistent": visit.has("persistent")}
        case Form.DELAY:
            given |= {"at": int(now) + visit.number("not_dly") * 60}
        case Form.CHECK:
            given |= {"at": max(int(_time(visit, "start_time", place) or 0), int(now))}  # a form may have stood open for a while
        case Form.CHECKS:
            given |= {"at": int(now) + max(0, visit.number("sched_dly")) * 60}
        case Form.RESULT:
            output = f"{visit.value('plugin_output')}|{visit.value('performance_data')}"
            if PROFILES[place.poller.kind].unescapes_output:
                output = unescaped_output(output)  # it is written as it came, and means to the core what it meant
            given |= {"return_code": visit.number("plugin_state"), "output": output}
        case Form.DOWNTIME:
            given |= {"start": int(_time(visit, "start_time", place) or 0), "end": int(_time(visit, "end_time", place) or 0)}
            duration = max(0, visit.number("hours")) * 3600 + max(0, visit.number("minutes")) * 60
            given |= {"fixed": visit.number("fixed") > 0, "duration": duration}
            trigger = visit.number("trigger") if command.subject not in GROUPS else 0
        case Form.NOTIFICATION:
            given |= {"options": 2 * visit.has("force_notification") + visit.has("broadcast_notification")}
        case Form.PROCESS if command.number in (13, 14) and visit.number("sched_dly") > 0:
            given |= {"at": int(now) + visit.number("sched_dly") * 60}
    if command.has_author:
        given["comment"] = clean(visit.value("com_data"))
    yield Commanded(_name(visit, command), given, trigger)
    if command.also and visit.has("ahas"):
        yield Commanded(command.also, given)


def _name(visit: Visit, command: CgiCommand) -> str:
    for condition, name in command.instead.items():
        parameter, equals, value = condition.partition("=")
        if visit.number(parameter) == int(value) if equals else visit.has(parameter):
            return name
    return command.name
