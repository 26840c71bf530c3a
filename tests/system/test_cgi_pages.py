"""The pages of the CGIs beside the originals: both read with the line-by-line expressions of scrapers, equal facts.

The originals run over the same files. What ours leaves out or adds on purpose, the expressions do not ask for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from api.cgi.showlog import kind_of
from tests.support.cgi_core import ADMIN
from tests.support.cgi_pair import CELLS, PASSWORD, USERS, Facts, Pair, paired, read
from tests.support.cores import until_same

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def pair(_cores_are_there: None) -> Iterator[Pair]:
    with paired() as found:
        yield found


# --- tac.cgi ----------------------------------------------------------------------------------------------------------------------

TAC = {
    "heads": re.compile(r"^<td class='(host|service)Header' width=125><a href='([^']+)' class='\w+'>(\d+) (\w+)</a></td>$", re.M),
    "lines": re.compile(
        r"^<tr><td width=100% class='((?:host|service)\w+Problem)'><a href='([^']+)'>(\d+) ([^<]+)</a></td></tr>$", re.M
    ),
    "outages": re.compile(r"class='(outage\w+)'[^>]*>(?:<a href='[^']+'(?: class='\w+')?>)?([^<]+)<"),
    "titles": re.compile(r"class='(\w+Title)'>(?:&nbsp;)?(?:<a href='([^']+)' class='\w+'>)?([\w ]+)<"),
    "times": re.compile(  # but the averages, which are rounded otherwise
        r"class='perfItem'><a href='([^']+)' class='perfItem'>([^<]+)</a></td>"
        r"<td valign=top class='perfValue' nowrap>(.*?)(?: / [\d.]+ sec</a>)?</td>$", re.M
    ),
    "health": re.compile(
        r"<td align=left valign=center class='healthItem'>([^<]+)</td>"
        r".*(therm\w+\.png)' border=0 width=(\d+) height=20 alt='([\d.]+% Health)'"
    ),
    "features": re.compile(
        r"<td valign=top><a href='([^']+)'><img src='(?:\.\./images/)?(tac\w+\.png)' border='?0'? alt='([^']+)'"
    ),
    "kinds": re.compile(r"<Td valign=\w+ width=100% class='(feature\w+)'>(N/A)?"),
    "items": re.compile(r"^<tr><td width=100% class='(featureItem\w+)'>(?:<a href='([^']+)'>)?([^<]+)<", re.M),
}  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_the_tactical_overview_reads_the_same(pair: Pair, user: str) -> None:
    def look() -> tuple[dict[str, Facts], dict[str, Facts]]:
        theirs, ours = pair.theirs("tac.cgi", "", user), pair.ours("tac.cgi", "", user)
        theirs = theirs.replace("-1.00", "0.00")  # which it says where nothing is checked actively
        return {name: read(pattern, theirs) for name, pattern in TAC.items()}, {name: read(TAC[name], ours) for name in TAC}

    facts = until_same(look, "the overview")
    assert user != ADMIN or all(facts.values()), facts


# --- extinfo.cgi ------------------------------------------------------------------------------------------------------------------

FACTS = re.compile(r"CLASS='dataVar'[^>]*>(.*?)</TD><TD CLASS='dataVal'>(?:<DIV CLASS='(\w+)'>)?(.*?)</TD>", re.IGNORECASE)
TITLES = re.compile(r"<DIV CLASS='(dataTitle|data|commandTitle|infoBoxTitle|perfTypeTitle)'>(.*?)</DIV>", re.IGNORECASE)
COMMANDS = re.compile(
    r"<img src='(?:\.\./images/)?(\w+\.gif)' border=0 ALT='([^']+)' TITLE='([^']+)'></td>"
    r"<td CLASS='command'><a href='(cmd\.cgi[^']+)'>(.*?)</a>",
    re.IGNORECASE,
)
ERRORS = re.compile(r"<DIV CLASS='errorMessage'>(.*?)</DIV>", re.IGNORECASE)
QUEUE = re.compile(r"<TD CLASS='(queue\w+)'>(?:<A HREF='(extinfo\.cgi[^']+)'>)?(.*?)(?:</A>)?(?:</TD>|$)", re.MULTILINE)
QUEUE_ACTIONS = re.compile(r"<a href='(cmd\.cgi[^']+)'><img src='(?:\.\./images/)?(\w+\.gif)' border=0 ALT='([^']+)'")
SORTS = re.compile(r"<A HREF='(extinfo\.cgi\?type=7[^']+)'><IMG SRC='(?:\.\./images/)?(\w+\.gif)' BORDER=0 ALT='([^']+)'")
ADDRESSES = re.compile(r"<A HREF='(http[^']+)' TARGET='_blank'><img src='(?:\.\./images/)?(\w+\.gif)' border=0 alt='([^']+)'")


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "query",
    ["", "type=0", "type=4", "type=5&hostgroup=web", "type=5&hostgroup=nowhere", "type=8&servicegroup=disks", "type=7",
     "type=7&sorttype=2&sortoption=1"],
)  # fmt: skip
def test_pages_about_cores_and_groups_read_the_same(pair: Pair, query: str, user: str) -> None:
    # What ages between two questions: of it only the words are compared.
    moving = re.compile(r"Total Running Time|[<=]+ \d+ (?:minutes?|hour)|(?:Host|Service) Checks$|External Commands")
    patterns = {"facts": FACTS, "titles": TITLES, "commands": COMMANDS, "queue": QUEUE, "actions": QUEUE_ACTIONS, "sorts": SORTS,
                "addresses": ADDRESSES}  # fmt: skip

    def facts_of(page: str) -> dict[str, Facts]:
        if errors := read(ERRORS, page):
            return {"errors": errors}
        found = {
            name: [one[:1] if moving.search(one[0]) else one for one in read(pattern, page.replace("-1.00", "0.00"))]
            for name, pattern in patterns.items()
        }
        for name in ("queue", "actions"):  # of those of one second the order is nobody's
            found[name] = sorted((one[0].replace("Even", "Odd"), *one[1:]) for one in found[name])
        return found

    until_same(lambda: (facts_of(pair.theirs("extinfo.cgi", query, user)), facts_of(pair.ours("extinfo.cgi", query, user))), query)


def test_parameters_come_from_a_forms_body_too(pair: Pair) -> None:
    answer = pair.client.post("/nagios/cgi-bin/extinfo.cgi", content="type=5&hostgroup=web", auth=(ADMIN, PASSWORD))
    assert read(TITLES, answer.text) == read(TITLES, pair.ours("extinfo.cgi", "type=5&hostgroup=web"))
    query = "host=web02&servicestatustypes=28"

    def look() -> tuple[Facts, Facts]:
        answer = pair.client.post("/nagios/cgi-bin/status.cgi", content=query, auth=(ADMIN, PASSWORD))
        return read(CELLS, pair.theirs("status.cgi", query)), read(CELLS, answer.text)

    assert until_same(look, query) != []


# --- showlog.cgi ------------------------------------------------------------------------------------------------------------------

ENTRIES = re.compile(
    r"^(?:<img align='left' src='(?:\.\./images/)?([\w.]+)' alt='([^']*)' title='([^']*)'>)?\[([\d: -]+)\] ( .*?)<br clear='all'>$",
    re.M,
)
HOURS = re.compile(r"CLASS='dateTimeBreak'>(\w+ \d+, \d+ \d+:00)$", re.M)
PERIOD = re.compile(r"^(?:(\w+ \w+ +\d+ [\d:]+ \w+ \d+)<br>to)?<br>(.*?)</td>$", re.M)
ARROWS = re.compile(r"^([\w ]+)<br><a href='([^']+)'><img src='(?:\.\./images/)?(\w+\.gif)' border=0 alt='([^']+)'", re.M)
FILES = re.compile(r"<DIV CLASS='navBoxFile'>File: (?:.*/)?(.*?)</DIV>")  # the original forgets the folder now and then


@pytest.mark.parametrize(
    "query",
    ["archive=1", "archive=1&oldestfirst", "archive=1&nofrills&notimebreaks", "archive=2", "", "oldestfirst=on", "archive=-3"],
)
def test_the_log_reads_the_same(pair: Pair, query: str) -> None:
    patterns = {"entries": ENTRIES, "hours": HOURS, "period": PERIOD, "arrows": ARROWS, "files": FILES}
    if query == "archive=2":
        del patterns["period"]  # ours does not know when a day without an archive before it began

    def facts_of(page: str) -> dict[str, Facts]:
        found = {
            name: [one for one in read(pattern, page) if "archive=3" not in one[1 % len(one)]] for name, pattern in patterns.items()
        }
        found["entries"] = found["entries"][:20] if query == "oldestfirst=on" else found["entries"][-20:]
        return found

    facts = until_same(lambda: (facts_of(pair.theirs("showlog.cgi", query)), facts_of(pair.ours("showlog.cgi", query))), query)
    assert facts["entries"]


def test_the_log_is_for_those_who_may_see_the_system(pair: Pair) -> None:
    for user in USERS[1:]:
        assert read(ERRORS, pair.ours("showlog.cgi", "", user)) == read(ERRORS, pair.theirs("showlog.cgi", "", user)) != []


def test_a_command_that_quotes_an_alert_is_a_command(pair: Pair) -> None:
    """The original shows the picture of the alert."""
    for begin, alt in (
        ("EXTERNAL COMMAND: ADD_HOST_COMMENT;h;1;a;HOST ALERT: x;DOWN;", "External Command"),
        ("HOST ALERT: h;UP;HARD;1; starting...", "Host Up"),
    ):
        assert kind_of(begin)[1] == alt


# --- status.cgi -------------------------------------------------------------------------------------------------------------------

STATUS = {
    "titles": re.compile(r"<div (?:align='center' )?class='(statusTitle|errorMessage|infoMessage)'>(.*?)</div>", re.I),
    "totals": re.compile(r"^<td class='((?:host|service)Totals\w*)'>(\d+)</td>$", re.M),
    "heads": re.compile(r"^<th class='(\w+Totals)'><a class='\w+' href='([^']+)'>(.*?)</a></th>$", re.M),
    "groups": re.compile(r"<a href='(status\.cgi\?\w+group=[^']+)'>([^<]+)</a> ?\(<a href='(extinfo\.cgi[^']+)'>([^<]+)</a>\)"),
    "hosts": re.compile(r"^<td class='(status\w+)'><a href='(status\.cgi\?host=[^']+)' title='([^']*)'>(.*?)</a></td>$", re.M),
    "words": re.compile(r"^<td class='(status\w+)'>(UP|DOWN|UNREACHABLE|PENDING)</td>$", re.M),
    "counts": re.compile(r"^(?:<tr>)?<td class='(miniStatus\w+)'><a href='(status\.cgi[^']+)'>(\d+ \w+)</a>", re.M),
    "lines": re.compile(r"^<tr><td width=100% class='(\w+Problem)'><a href='([^']+)'>(\d+ [\w ]+)</a></td></tr>$", re.M),
    "grid": re.compile(r"<a href='(extinfo\.cgi\?type=2[^']+)' class='(status\w+)'>(.*?)</a>&nbsp;"),
    "names": re.compile(
        r"^<td align=left valign=center class='(\w+)'><a href='(extinfo\.cgi\?type=1[^']+)'(?: title='([^']*)')?>(.*?)</a>", re.M
    ),
    "actions": re.compile(r"<a href='(status\.cgi[^']+)'><img src='(?:\.\./images/)?(status2\.gif)' border=0 alt='([^']+)'"),
    "rows": re.compile(
        r"^<td class='status(\w+)'>(\w+)</td>\n<td class='(\w+)' nowrap>(.*?)</td>\n<td class='\w+' nowrap>.*?</td>\n"
        r"(?:<td class='\w+'>(\d+/\d+)</td>\n)?<td class='(\w+)' valign='center'>(.*?)</td>", re.M
    ),
    "links": re.compile(r"^(?:<br />)?<a href='(status\.cgi\?[^']+)'>(View [^<]*)</a>", re.M),
    "results": re.compile(r"^<br /><div class='itemTotalsTitle'>(Results .*?)</div>", re.M),
}  # fmt: skip
GROUPS = [
    f"{group}&style={style}{masks}"
    for group in ("hostgroup=all", "hostgroup=web", "servicegroup=all", "servicegroup=front")
    for style in ("overview", "summary", "grid")
    for masks in ("", "&servicestatustypes=16", "&hoststatustypes=12&hostprops=2", "&serviceprops=10&servicestatustypes=28")
]


def status_facts(page: str) -> dict[str, Facts]:
    """Everything the expressions find; `&&` is what one of the original's links has."""
    text = page.replace("&&", "&")
    return {name: read(pattern, text) for name, pattern in STATUS.items()}


NAMES = [
    "hostgroup=web", "servicegroup=disks", "hostgroup=nowhere", "servicegroup=nowhere&style=summary", "hostgroup=web&style=other",
    "servicegroup=disks&style=detail", "hostgroup=web&style=detail", "hostgroup=web&style=hostdetail",
    "hostgroup=nowhere&style=grid",
    "host=web01", "host=192.0.2.1", "host=The+gateway", "host=nowhere", "style=grid", "host=all&servicefilter=Disk",
    "host=all&servicefilter=disk", "navbarsearch=1&host=web*", "limit=0", "noheader=1", "servicegroup=all&style=detail",
    "host=all&hoststatustypes=3&servicestatustypes=28&serviceprops=42",
]  # fmt: skip
PROPERTIES = [f"host=all&serviceprops={1 << bit}" for bit in range(20)]
PROPERTIES += [f"hostgroup=all&style=hostdetail&hostprops={1 << bit}" for bit in range(20)]
ORDERS = [f"host=all&sorttype={way}&sortoption={option}" for way in (1, 2) for option in (1, 2, 3, 5)]
BY_STATE = "host=all&sorttype=1&sortoption=3"


# What the masks let through and in which order does not hang on who asks.
@pytest.mark.parametrize("user", USERS)
def test_status_pages_read_the_same(pair: Pair, user: str) -> None:
    for query in [*GROUPS, *NAMES, *PROPERTIES, *ORDERS] if user == ADMIN else [*GROUPS[::4], *NAMES]:
        until_same(lambda query=query: (_told(pair.theirs, query, user), _told(pair.ours, query, user)), query)


def _told(page: Callable[[str, str, str], str], query: str, user: str) -> dict[str, object]:
    """The facts of a page of status.cgi that must be alike."""
    told: dict[str, object] = dict(facts := status_facts(page("status.cgi", query, user)))
    if user == "nobody" and "group=" in query and "=all" not in query:  # ours does not tell that it is there
        del told["titles"], told["groups"]
    if query == BY_STATE:  # those in one state stand in the original as it happens
        del told["names"]
        told["rows"] = [one[1] for one in facts["rows"]]
    return told


# --- pictures ---------------------------------------------------------------------------------------------------------------------


def test_no_picture_is_broken(pair: Pair) -> None:
    """Every name the pages and the code mention is there, below each of the originals' paths."""
    pages = [
        *(
            pair.ours("extinfo.cgi", f"type={number}&host=web01&service=HTTP&hostgroup=web&servicegroup=disks")
            for number in range(9)
        ),
        *(
            pair.ours(program, query)
            for program, query in (
                ("tac.cgi", ""),
                ("showlog.cgi", "archive=1"),
                ("status.cgi", "host=all"),
                ("status.cgi", GROUPS[0]),
            )
        ),
    ]
    names = {name for page in pages for name in re.findall(r"(?:src|SRC)='\.\./images/([^']+)'", page)}
    assert len(names) > 25
    for name in names:
        for folder in ("nagios", "cgi-bin"):
            answer = pair.client.get(f"/{folder}/images/{name}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml"), name
    assert {"logos/gw.png", "logos/p.png"} <= names, "an object's own picture has another in its place"
    assert pair.client.get("/nagios/images/none.gif").status_code == 404
    style = pair.client.get("/nagios/stylesheets/common.css")
    assert (style.status_code, style.headers["Content-Type"].split(";")[0]) == (200, "text/css")
