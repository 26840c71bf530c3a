"""Where the JSON CGIs differ from the originals on purpose: each difference of api/cgi/json_cgis/differences.json that shows has
its correction here, under the same name, or the questions that cannot be compared for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Answer = dict[str, Any]
Correction = Callable[[str, str, Answer, Answer], None]
_UNORDERED = {
    "parent_hosts", "child_hosts", "services", "contacts", "contact_groups", "members", "parents", "children",
    "host_notification_commands", "service_notification_commands", "servicedependencylist", "serviceescalationlist",
    "hostdependencylist", "hostescalationlist",
}  # fmt: skip


def each(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from each(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from each(inner)


def _percent(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for found in each(answer):
            for key, value in found.items():
                if isinstance(value, list):
                    found[key] = [item for item in value if not (isinstance(item, str) and "%" in item)]
        hosts = answer["data"].get("servicelist")
        if isinstance(hosts, dict):
            answer["data"]["servicelist"] = {host: services for host, services in hosts.items() if services}


def _order(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for found in each(answer):
            for key, value in found.items():
                if key in _UNORDERED and isinstance(value, list):
                    found[key] = sorted(value, key=json.dumps)


def _semicolons(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for found in each(ours):
        variables = found.get("custom_variables")
        if isinstance(variables, dict):
            found["custom_variables"] = {name: value.partition(";")[0] for name, value in variables.items()}


def _help(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        options = answer["data"].get("options")
        if options:
            options.pop("poller", None)
            for option in options.values():
                del option["description"]
                if "valid_values" in option:
                    option["valid_values"] = list(option["valid_values"])


def _head(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for name in ("query_time", "last_data_update"):
            answer["result"].pop(name, None)
        if answer["result"]["type_code"]:
            answer["result"].pop("program_start", None)


def _no_query(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    if "query" not in ours["result"] and ours["result"]["type_code"] == 4:
        for answer in (ours, theirs):
            answer["result"]["message"] = ""


def _empty_hosts(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    found = theirs["data"].get("servicelist")
    if isinstance(found, dict):
        theirs["data"]["servicelist"] = {host: services for host, services in found.items() if services}


def _passive_average(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        if "performancedata" in query and "programstatus" in answer["data"]:
            for kind in ("service_checks", "host_checks"):
                del answer["data"]["programstatus"][kind]["passive"]["metrics"]["percent_state_change"]["average"]


def _servicegroup_services(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for group in ours["data"].get("servicegroups", []):
        assert group.pop("services") == group["hosts"]


def _final_state(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    if query.startswith("query=statechangelist"):
        for answer in (ours, theirs):
            found = answer["data"].get("statechangelist", [])
            answer["data"]["statechangelist"] = [entry for entry in found if not entry["plugin_output"].startswith("Final")]


def _nothing_known(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    """The original gives no time at all to what it knows nothing of; ours is then all without data."""
    for mine, other in zip(_reports(ours["data"]), _reports(theirs["data"]), strict=False):
        known = [name for name in mine if "time_" in name and "indeterminate" not in name]
        if not any(_spent(other[name]) for name in other if "time_" in name) and not any(_spent(mine[name]) for name in known):
            mine.update({name: other[name] for name in mine if "indeterminate" in name})


def _reports(data: Any) -> list[dict[str, Any]]:
    return [found for found in each(data) if "time_indeterminate_nodata" in found]


def _spent(value: object) -> bool:
    return value not in (0, "0d 0h 0m 0s")


def _contact(cgi: str, query: str, ours: Answer, theirs: Answer) -> None:
    for answer in (ours, theirs):
        for entry in answer["data"].get("notificationlist", []):
            del entry["contact"]


CORRECTIONS: dict[str, Correction] = {
    "percent": _percent,
    "order": _order,
    "semicolons": _semicolons,
    "help": _help,
    "head": _head,
    "no-query": _no_query,
    "empty-hosts": _empty_hosts,
    "passive-average": _passive_average,
    "servicegroup-services": _servicegroup_services,
    "final-state": _final_state,
    "nothing-known": _nothing_known,
    "notification-contact": _contact,
}

# Questions whose answers cannot be compared as they are, by the difference that says why.
LEFT_OUT: dict[str, Callable[[str, str], object]] = {
    "hoststatus-of-services": lambda cgi, query: re.search(r"query=service(list|count).*hoststatus=(?!.*nonsense)", query),
    "notification-contact": lambda cgi, query: re.search(r"query=notification\w+.*contactname=", query),
    "links-start": lambda cgi, query: re.search(r"query=\w+(dependency|escalation)list&.*(start|count)=[1-9]", query),
    "no-end": lambda cgi, query: (
        cgi == "archivejson.cgi" and "starttime=" not in query.partition("endtime=")[0] + query.partition("endtime=")[2]
    ),
    "current-state": lambda cgi, query: re.search(r"assumedinitial\w+state=current", query),
}


def first_difference(ours: Any, theirs: Any, path: str = "") -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**theirs, **ours}:
            if key not in ours or key not in theirs:
                where, found = ("ours", ours) if key in ours else ("the original", theirs)
                return f"{path}.{key}: only in {where}: {json.dumps(found[key])[:200]}"
            if ours[key] != theirs[key]:
                return first_difference(ours[key], theirs[key], f"{path}.{key}")
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            if mine != other:
                return first_difference(mine, other, f"{path}[{at}]")
    return f"{path}: ours {json.dumps(ours)[:300]}, the original {json.dumps(theirs)[:300]}"
