"""Questions for the JSON CGIs, generated from what they say of themselves: every query, alone and with each of its options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from api.cgi.json_cgis.surface import Option, surfaces
from tests.support.cgi_core import midnight_of


def _values(cgi: str, query: str, option: Option, rig_now: int) -> Sequence[str]:
    """What is tried for an option."""
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    match option.name:
        case "hostname" | "servicegroupmemberhost" | "hostgroupmember" | "masterhostname" | "dependenthostname":
            return ("gateway", "web01", "a&b %7", "nowhere")
        case "parenthost" | "childhost":
            return ("gateway", "web01", "web03", "none", "nowhere")
        case "hostgroup" | "masterhostgroupname" | "dependenthostgroupname":
            return ("web", "all", "nothing", "nowhere")
        case "servicegroup" | "masterservicegroupname" | "dependentservicegroupname":
            return ("disks", "front", "nowhere")
        case "contactgroup":
            return ("admins", "operators", "nobodies", "nowhere")
        case "contactname" | "contactgroupmember":
            return ("ann", "bob", "carl", "nobody")
        case "servicedescription" | "servicegroupmemberservice" | "masterservicedescription" | "dependentservicedescription":
            return ("HTTP", "Disk /var", "no such")
        case "parentservice" | "childservice":
            return ("PING", "HTTP", "none", "no such")
        case "checktimeperiod" | "hostnotificationtimeperiod" | "servicenotificationtimeperiod":
            return ("always", "workhours", "never")
        case "timeperiod" if cgi == "archivejson.cgi":
            return ("always", "workhours")
        case "timeperiod":
            return ("always", "workhours", "nights", "never")
        case "command":
            return ("answer", "tell", "nothing")
        case "checkcommand":
            return ("answer", "tell", "nothing")
        case "eventhandler":
            return ("mend", "tell", "nothing")
        case "notificationmethod":
            return ("tell", "tell-louder", "shout")
        case "start":
            return ("1", "3", "-1", "x")
        case "count":
            return ("2", "1", "-1", "0")
        case "commentid" | "downtimeid" | "triggeredby":
            return ("1", "2", "3", "999", "x")
        case "starttime" | "endtime":
            return (str(start), str(end), "-86400", "-0")
        case "dateformat":
            return ("%Y-%m-%d", "%s")
        case "backtrackedarchives":
            return ("3",)
    if option.type == "boolean":
        return ("true", "false", "yes")
    words = list(option.values)
    if option.type == "enumeration":
        return (*words, "nonsense")
    return (*words, " ".join(words[:2]), " ".join(words), f"{words[0]} nonsense", "")


_NEEDED = {
    "host": "hostname=web01", "service": "hostname=web01&servicedescription=HTTP", "comment": "commentid=1",
    "downtime": "downtimeid=1",
    "hostgroup": "hostgroup=web", "servicegroup": "servicegroup=disks", "contact": "contactname=ann",
    "contactgroup": "contactgroup=admins", "timeperiod": "timeperiod=workhours", "command": "command=tell",
}  # fmt: skip


def _base(cgi: str, query: str) -> str:
    """A query that is complete."""
    if cgi != "archivejson.cgi":
        return "&".join(filter(None, [f"query={query}", _NEEDED.get(query, "")]))
    if query == "help":
        return "query=help"
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    more = {
        "statechangelist": "&objecttype=host&hostname=web01",
        "availability": "&availabilityobjecttype=hosts",
    }.get(query, "")
    return f"query={query}&starttime={start}&endtime={end}{more}"


def questions_of(cgi: str) -> Iterator[str]:
    """Every query alone, with each of its options in turn, and some together."""
    surface = surfaces()[cgi]
    for query in surface.queries:
        base = _base(cgi, query)
        yield base
        yield f"{base}&formatoptions=enumerate+bitmask+duration"
        for option in surface.options.values():
            if option.name in ("query", "poller") or not {query, "all"} & {*option.required, *option.optional}:
                continue
            for value in _values(cgi, query, option, 0):
                pair = f"{option.name}={quote(value)}"
                kept = [part for part in base.split("&") if not part.startswith(f"{option.name}=")]
                yield "&".join([*kept, pair])
                if option.name in ("hoststatus", "servicestatus", "contactname", "hostgroup") and query.endswith("list"):
                    yield "&".join([*kept, pair, "details=true", "formatoptions=enumerate"])
        if "details" in surface.options and query.endswith("list"):
            yield f"{base}&details=true&formatoptions=bitmask+enumerate"
            yield f"{base}&details=true&start=1&count=2"
    yield from _MORE.get(cgi, ())
    yield from ("", "query=nonsense", "nonsense=1&query=help", "query=")


def _archive_more() -> Sequence[str]:
    start, end = int(midnight_of(2).timestamp()), int(midnight_of(0).timestamp())
    window = f"starttime={start}&endtime={end}"
    middle = f"starttime={start + 20000}&endtime={end - 30000}"
    some = [f"query=statechangelist&objecttype=service&{window}&hostname=web01&servicedescription=HTTP",
            f"query=statechangelist&objecttype=service&{middle}&hostname=web02&servicedescription=Disk%20/var",
            f"query=statechangelist&objecttype=host&{middle}&hostname=web01&assumedinitialhoststate=up",
            "query=alertlist", f"query=alertlist&starttime={end}&endtime={start}", f"query=availability&{window}",
            f"query=statechangelist&{window}", f"query=statechangelist&objecttype=service&{window}&hostname=web01"]  # fmt: skip
    for kind in ("hosts", "services", "hostgroups", "servicegroups"):
        asked = f"query=availability&availabilityobjecttype={kind}"
        for period in (window, middle, f"starttime={start + 5}&endtime={start + 6000}", f"starttime={end - 4000}&endtime={end}"):
            some += [f"{asked}&{period}", f"{asked}&{period}&assumestatesduringnagiosdowntime=false",
                     f"{asked}&{period}&timeperiod=workhours&formatoptions=duration", f"{asked}&{period}&statetypes=hard",
                     f"{asked}&{period}&assumeinitialstate=false"]  # fmt: skip
        some += [f"{asked}&{middle}&hostname=web01", f"{asked}&{middle}&hostname=web01&servicedescription=HTTP",
                 f"{asked}&{middle}&servicedescription=HTTP", f"{asked}&{middle}&hostgroup=web",
                 f"{asked}&{middle}&servicegroup=disks", f"{asked}&{middle}&hostname=nowhere"]  # fmt: skip
    return some


_MORE: dict[str, Sequence[str]] = {
    "statusjson.cgi": (
        "query=hostlist&hosttimefield=lastcheck&starttime=-600&endtime=-0",
        "query=hostlist&hosttimefield=lastcheck&starttime=-600&endtime=%2B60&details=true",
        "query=servicelist&servicetimefield=laststatechange&endtime=%2B60",
        "query=servicelist&servicetimefield=lasttimeok&starttime=1",
        "query=commentlist&commenttimefield=entrytime&starttime=-600&details=true",
        "query=downtimelist&downtimetimefield=endtime&starttime=%2B8000&details=true",
        "query=servicelist&hostname=web01&servicedescription=HTTP&details=true&dateformat=%25Y",
        "query=hostlist&starttime=5",
        "query=service&hostname=web01",
        "query=service&hostname=nowhere",
        "query=service&hostname=web01&servicedescription=nothing",
        "query=service&hostname=web01&servicedescription=Disk%20/var&formatoptions=whitespace+enumerate",
        "query=commentlist&hostname=web01&servicedescription=HTTP&details=true",
        "query=downtimelist&triggeredby=1&details=true",
    ),
    "objectjson.cgi": (
        "query=service&hostname=gateway&servicedescription=PING",
        "query=service&hostname=db01&servicedescription=PostgreSQL&formatoptions=enumerate+bitmask",
        "query=host&hostname=gateway&formatoptions=enumerate+bitmask",
        "query=servicegrouplist&servicegroupmemberhost=web01",
        "query=servicegrouplist&servicegroupmemberhost=web01&servicegroupmemberservice=HTTP",
        "query=servicegroupcount&servicegroupmemberhost=web01&servicegroupmemberservice=no",
        "query=contact&contactname=ann&formatoptions=bitmask",
    ),
    "archivejson.cgi": _archive_more(),
}
