"""statusjson.cgi about hosts and services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from api.cgi.json_cgis.envelope import Data, member
from api.cgi.json_cgis.names import Found, Keys, Named, Sight
from api.cgi.json_cgis.options import Asked
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.rows import Field, shape
from api.cgi.json_cgis.selection import (
    HOST_STATUS_SQL,
    SERVICE_STATUS_SQL,
    host_conditions,
    last_update,
    repeated,
    service_conditions,
)
from api.cgi.json_cgis.words import (
    ACKNOWLEDGEMENT,
    CHECK_OPTIONS,
    CHECK_TYPE,
    HOST_STATE,
    HOST_STATUS,
    SERVICE_STATE,
    SERVICE_STATUS,
    STATE_TYPE,
    Words,
)
from engine.state.scope import Condition, all_of
from engine.state.tables import CHECKED, PROBLEM, STATE


def _output(alias: str, noun: str) -> Field:
    """The plugin's words; while there are none, what is planned."""
    planned = f"iif({alias}.should_be_scheduled, CAST({alias}.next_check AS INTEGER), '{noun} is not scheduled to be checked...')"
    return Field("plugin_output", f"iif({alias}.has_been_checked, {alias}.plugin_output, {planned})", "said", noun=noun)


HOST_FIELDS = (
    Field("name", "h.name"),
    _output("h", "Host"),
    Field("long_plugin_output", "h.long_plugin_output"),
    Field("perf_data", "h.perf_data"),
    Field("status", HOST_STATUS_SQL, "word", HOST_STATUS),
    Field("last_update", last_update("h"), "time"),
    Field("has_been_checked", "h.has_been_checked", "flag"),
    Field("should_be_scheduled", "h.should_be_scheduled", "flag"),
    Field("current_attempt", "h.current_attempt", "int"),
    Field("max_attempts", "h.max_check_attempts", "int"),
    Field("last_check", "h.last_check", "time"),
    Field("next_check", "h.next_check", "time"),
    Field("check_options", "h.check_options", "mask", CHECK_OPTIONS),
    Field("check_type", "h.check_type", "word", CHECK_TYPE),
    Field("last_state_change", "h.last_state_change", "time"),
    Field("last_hard_state_change", "h.last_hard_state_change", "time"),
    Field("last_hard_state", "h.last_hard_state", "word", HOST_STATE),
    Field("last_time_up", "h.last_time_up", "time"),
    Field("last_time_down", "h.last_time_down", "time"),
    Field("last_time_unreachable", "h.last_time_unreachable", "time"),
    Field("state_type", "h.state_type", "word", STATE_TYPE),
    Field("last_notification", "h.last_notification", "time"),
    Field("next_notification", "h.next_notification", "time"),
    Field("no_more_notifications", "h.no_more_notifications", "flag"),
    Field("notifications_enabled", "h.notifications_enabled", "flag"),
    Field("problem_has_been_acknowledged", "h.acknowledged", "flag"),
    Field("acknowledgement_type", "h.acknowledgement_type", "word", ACKNOWLEDGEMENT),
    Field("current_notification_number", "h.current_notification_number", "int"),
    Field("accept_passive_checks", "h.accept_passive_checks", "flag"),
    Field("event_handler_enabled", "h.event_handler_enabled", "flag"),
    Field("checks_enabled", "h.checks_enabled", "flag"),
    Field("flap_detection_enabled", "h.flap_detection_enabled", "flag"),
    Field("is_flapping", "h.is_flapping", "flag"),
    Field("percent_state_change", "h.percent_state_change", "real"),
    Field("latency", "h.latency", "real"),
    Field("execution_time", "h.execution_time", "real"),
    Field("scheduled_downtime_depth", "h.scheduled_downtime_depth", "int"),
    Field("process_performance_data", "h.process_performance_data", "flag"),
    Field("obsess", "h.obsess", "flag"),
)
SERVICE_FIELDS = (
    Field("host_name", "s.host_name"),
    Field("description", "s.description"),
    _output("s", "Service"),
    Field("long_plugin_output", "s.long_plugin_output"),
    Field("perf_data", "s.perf_data"),
    Field("max_attempts", "s.max_check_attempts", "int"),
    Field("current_attempt", "s.current_attempt", "int"),
    Field("status", SERVICE_STATUS_SQL, "word", SERVICE_STATUS),
    Field("last_update", last_update("s"), "time"),
    Field("has_been_checked", "s.has_been_checked", "flag"),
    Field("should_be_scheduled", "s.should_be_scheduled", "flag"),
    Field("last_check", "s.last_check", "time"),
    Field("check_options", "s.check_options", "mask", CHECK_OPTIONS),
    Field("check_type", "s.check_type", "word", CHECK_TYPE),
    Field("checks_enabled", "s.checks_enabled", "flag"),
    Field("last_state_change", "s.last_state_change", "time"),
    Field("last_hard_state_change", "s.last_hard_state_change", "time"),
    Field("last_hard_state", "s.last_hard_state", "word", SERVICE_STATE),
    Field("last_time_ok", "s.last_time_ok", "time"),
    Field("last_time_warning", "s.last_time_warning", "time"),
    Field("last_time_unknown", "s.last_time_unknown", "time"),
    Field("last_time_critical", "s.last_time_critical", "time"),
    Field("state_type", "s.state_type", "word", STATE_TYPE),
    Field("last_notification", "s.last_notification", "time"),
    Field("next_notification", "s.next_notification", "time"),
    Field("next_check", "s.next_check", "time"),
    Field("no_more_notifications", "s.no_more_notifications", "flag"),
    Field("notifications_enabled", "s.notifications_enabled", "flag"),
    Field("problem_has_been_acknowledged", "s.acknowledged", "flag"),
    Field("acknowledgement_type", "s.acknowledgement_type", "word", ACKNOWLEDGEMENT),
    Field("current_notification_number", "s.current_notification_number", "int"),
    Field("accept_passive_checks", "s.accept_passive_checks", "flag"),
    Field("event_handler_enabled", "s.event_handler_enabled", "flag"),
    Field("flap_detection_enabled", "s.flap_detection_enabled", "flag"),
    Field("is_flapping", "s.is_flapping", "flag"),
    Field("percent_state_change", "s.percent_state_change", "real"),
    Field("latency", "s.latency", "real"),
    Field("execution_time", "s.execution_time", "real"),
    Field("scheduled_downtime_depth", "s.scheduled_downtime_depth", "int"),
    Field("process_performance_data", "s.process_performance_data", "flag"),
    Field("obsess", "s.obsess", "flag"),
)

_HOST_CONFIG = " LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
_SERVICE_CONFIG = (
    " LEFT JOIN state.service_config c ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description"
)
_HOST_SELECTORS = (
    "parenthost", "childhost", "hostgroup", "hoststatus", "contactname", "contactgroup", "hosttimefield", "starttime", "endtime",
    "checktimeperiod", "hostnotificationtimeperiod", "checkcommand", "eventhandler",
)  # fmt: skip
_SERVICE_SELECTORS = (
    "parenthost", "childhost", "hostgroup", "servicegroup", "hoststatus", "servicestatus", "contactname", "contactgroup",
    "servicetimefield", "starttime", "endtime", "servicedescription", "parentservice", "childservice", "checktimeperiod",
    "servicenotificationtimeperiod", "checkcommand", "eventhandler",
)  # fmt: skip
_PAGE = ("start", "count")
_HOST_KEYS = {"contactname": "contact"}
_SERVICE_KEYS = {"contactname": "contact", "hoststatus": "host_status", "servicestatus": "service_status"}
_NOT_A_PROBLEM = HOST_STATUS["pending"] | HOST_STATUS["up"]  # the same bits as a service's pending and ok


def with_poller(fields: Sequence[Field], sight: Sight, alias: str) -> tuple[Field, ...]:
    """What stands on one of several pollers says on which."""
    name = f"(SELECT q.name FROM state.poller q WHERE q.number = {alias}.poller)"
    return (*fields, Field("poller", name)) if sight.is_many else tuple(fields)


def limits(asked: Asked) -> tuple[int, int]:
    """LIMIT and OFFSET."""
    return (-1 if asked.limit is None else asked.limit), asked.start


# --- hosts --------------------------------------------------------------------------------------------------------------------


def host_count(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many hosts are in each state."""
    where, values = all_of(host_conditions(sight, asked, found))
    query = f"SELECT {HOST_STATUS_SQL}, count(*) FROM state.host h JOIN state.poller p ON p.number = h.poller{_HOST_CONFIG}"
    counts = dict(sight.rows(f"{query} WHERE {where} GROUP BY 1", values))
    selectors = repeated(asked, output, _HOST_SELECTORS, _HOST_KEYS)
    return Data({"selectors": selectors, "count": _counted(counts, HOST_STATUS, asked.mask("hoststatus"))})


def _counted(counts: dict[int, int], words: Words, wanted: int | None) -> dict[str, int]:
    return {word: counts.get(bit, 0) for word, bit in words.items() if wanted is None or bit & wanted}


def host_list(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Hosts by name, each with its state or with everything."""
    conditions = [*host_conditions(sight, asked, found), *_in_states(asked, "hoststatus", HOST_STATUS_SQL)]
    data = {"selectors": repeated(asked, output, (*_PAGE, *_HOST_SELECTORS), _HOST_KEYS)}
    return Data(data, "hostlist", _host_entries(sight, asked, output, conditions))


def _in_states(asked: Asked, option: str, status: str) -> list[Condition]:
    mask = asked.mask(option)
    if mask is None:
        return []
    problems: list[Condition] = [] if mask & _NOT_A_PROBLEM else [(PROBLEM, [])]
    return [*problems, (f"({status}) & ?", [mask])]


def _host_entries(sight: Sight, asked: Asked, output: Output, conditions: Sequence[Condition]) -> Iterator[bytes]:
    fields = with_poller(HOST_FIELDS, sight, "h") if asked.flag("details") else (HOST_FIELDS[0], HOST_FIELDS[4])
    made = shape(fields, output, "h.poller")
    where, values = all_of(conditions)
    config = _HOST_CONFIG if "c." in where else ""
    found = sight.reader.connection.execute(
        f"SELECT h.poller, h.name, {made.columns} FROM state.host h JOIN state.poller p ON p.number = h.poller{config}"
        f" WHERE {where} ORDER BY h.poller, h.name LIMIT ? OFFSET ?",
        [*values, *limits(asked)],
    )
    keys = Keys(sight)
    for poller, name, *row in found:
        entry = made.made(row)
        yield member(output, keys.of(poller, name), entry if asked.flag("details") else entry["status"])


def one_host(sight: Sight, found: Found, output: Output) -> Data:
    """Everything about one host."""
    made = shape(with_poller(HOST_FIELDS, sight, "h"), output, "h.poller")
    host = found.hosts["hostname"]
    assert host is not None
    query = f"SELECT {made.columns} FROM state.host h JOIN state.poller p ON p.number = h.poller WHERE h.poller = ? AND h.name = ?"
    return Data({"host": made.made(sight.rows(query, host)[0])})


# --- services -----------------------------------------------------------------------------------------------------------------


def service_count(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """How many services are in each state."""
    selectors = repeated(asked, output, _SERVICE_SELECTORS, _SERVICE_KEYS)
    conditions = service_conditions(sight, asked, found)
    if len(conditions) == 1 and not sight.is_limited:
        counts = _whole_count(sight)
    else:
        where, values = all_of(conditions)
        tables = f"state.service s JOIN state.poller p ON p.number = s.poller{_SERVICE_CONFIG}"
        counts = dict(sight.rows(f"SELECT {SERVICE_STATUS_SQL}, count(*) FROM {tables} WHERE {where} GROUP BY 1", values))
    return Data({"selectors": selectors, "count": _counted(counts, SERVICE_STATUS, asked.mask("servicestatus"))})


def _whole_count(sight: Sight) -> dict[int, int]:
    """Of whole pollers: the mirror keeps count. A row of the tally is what `alike` means, see state/tables.py."""
    where, values = sight.on_pollers("t.poller")
    state = f"WHEN alike & {STATE} ="
    status = f"CASE WHEN alike & {CHECKED} = 0 THEN 1 {state} 0 THEN 2 {state} 1 THEN 4 {state} 2 THEN 16 ELSE 8 END"
    query = f"SELECT {status}, sum(t.count) FROM state.tally t WHERE t.is_service = 1 AND {where} GROUP BY 1"
    return dict(sight.rows(query, values))


def service_list(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Services by host and description, each with its state or with everything."""
    conditions = [*service_conditions(sight, asked, found), *_in_states(asked, "servicestatus", SERVICE_STATUS_SQL)]
    data = {"selectors": repeated(asked, output, (*_PAGE, *_SERVICE_SELECTORS), _SERVICE_KEYS)}
    return Data(data, "servicelist", _service_entries(sight, asked, output, conditions))


def _service_entries(sight: Sight, asked: Asked, output: Output, conditions: Sequence[Condition]) -> Iterator[bytes]:
    details = asked.flag("details")
    fields = with_poller(SERVICE_FIELDS, sight, "s") if details else (SERVICE_FIELDS[1], SERVICE_FIELDS[7])
    made = shape(fields, output, "s.poller")
    where, values = all_of(conditions)
    config = _SERVICE_CONFIG if "c." in where else ""
    found = sight.reader.connection.execute(
        f"SELECT s.poller, s.host_name, s.description, {made.columns} FROM state.service s"
        f" JOIN state.poller p ON p.number = s.poller{config} WHERE {where}"
        " ORDER BY s.poller, s.host_name, s.description LIMIT ? OFFSET ?",
        [*values, *limits(asked)],
    )
    keys = Keys(sight)
    for (poller, host), rows in groupby(found, key=itemgetter(0, 1)):
        services = {row[2]: made.made(row[3:]) for row in rows}
        if not details:
            yield member(output, keys.of(poller, host), {name: entry["status"] for name, entry in services.items()})
        else:
            yield member(output, keys.of(poller, host), services)


def one_service(sight: Sight, asked: Asked, found: Found, output: Output) -> Data:
    """Everything about one service."""
    made = shape(with_poller(SERVICE_FIELDS, sight, "s"), output, "s.poller")
    host = found.hosts["hostname"]
    assert isinstance(host, Named)
    where = "s.poller = ? AND s.host_name = ? AND s.description = ?"
    query = f"SELECT {made.columns} FROM state.service s JOIN state.poller p ON p.number = s.poller WHERE {where}"
    return Data({"service": made.made(sight.rows(query, (*host, asked.text("servicedescription")))[0])})
