"""The pages of the CGIs as programs see them: line by line as the originals', and read with what public programs look for.

The expressions are rewritten from programs that anybody can have; each has its program's name. Both pages must give them the same.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import unified_diff
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import quote_plus

import pytest

from tests.support.cgi_core import ADMIN
from tests.support.cgi_lines import lines_of_page
from tests.support.cgi_pair import LONG, LONG_SERVICE, USERS, Facts, Pair, paired
from tests.support.cores import until, until_same

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def pair(_cores_are_there: None) -> Iterator[Pair]:
    with paired() as found:
        yield found


# --- line by line -----------------------------------------------------------------------------------------------------------------

LISTS = [
    "host=all", "host=gateway", "host=web01", "host=all&servicestatustypes=28", "host=nowhere",
    "host=all&hoststatustypes=6&serviceprops=42&hostprops=2", "host=all&servicestatustypes=20&serviceprops=1048575",
    "hostgroup=all&style=hostdetail", "hostgroup=web&style=hostdetail&hoststatustypes=12&hostprops=1048575",
    "hostgroup=all&style=overview", "hostgroup=web&style=overview&servicestatustypes=16", "hostgroup=all&style=grid",
    "hostgroup=all&style=summary", "servicegroup=all&style=overview", "servicegroup=all&style=grid",
    "servicegroup=all&style=summary", "servicegroup=disks&style=detail", "hostgroup=nowhere",
    "hostgroup=Gr%C3%B6%C3%9Fe&style=grid", f"host={quote_plus(LONG)}", "host=all&serviceprops=1024",
    "host=all&serviceprops=524288",
]  # fmt: skip
TOO_LONG = f"host={quote_plus(LONG)}"
HOSTS = ("gateway", "web01", "web02", "web03", "lonely", "db01", "a%26b+%257", quote_plus(LONG))
SERVICES = ("host=web01&service=HTTP", "host=gateway&service=PING", "host=web02&service=Disk+/var", "host=db01&service=Disk+/var",
            "host=lonely&service=Nobody+looks", "host=a%26b+%257&service=Load", "host=db01&service=PostgreSQL",
            "host=web03&service=HTTP",
            f"{TOO_LONG}&service={quote_plus(LONG_SERVICE)}", f"{TOO_LONG}&service=flaps")  # fmt: skip
ABOUT = ["type=0", "type=3", "type=5&hostgroup=web", "type=6", "type=8&servicegroup=disks",
         "type=1&host=nowhere", "type=2&host=web01&service=nothing", "type=5&hostgroup=nowhere", "type=8&servicegroup=nowhere",
         *(f"type=1&host={host}" for host in HOSTS), *(f"type=2&{service}" for service in SERVICES)]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "query"),
    [*(("status.cgi", query) for query in LISTS), *(("extinfo.cgi", query) for query in ABOUT),
     ("showlog.cgi", "archive=1"), ("showlog.cgi", "archive=1&oldestfirst"), ("tac.cgi", "")],
)  # fmt: skip
def test_lines_letters_and_quotes_are_the_originals(pair: Pair, program: str, query: str) -> None:
    assert len(_same_lines(pair, program, query)) > 3


def _same_lines(pair: Pair, program: str, query: str, user: str = ADMIN) -> list[str]:
    """Those of both, once they are the same: the core may write its files between the two looks."""
    pages: list[list[str]] = []

    def are_same() -> bool:
        pages[:] = [lines_of_page(page(program, query, user)) for page in (pair.theirs, pair.ours)]
        return pages[0] == pages[1]

    try:
        until(are_same, f"{program}?{query}")
    except TimeoutError:
        assert "\n".join(unified_diff(*pages, "the original", "ours", lineterm="", n=0)) == "", (program, query)
    return pages[0]


def test_the_scene_has_what_flaps_and_what_is_soft(pair: Pair) -> None:
    """Else the comparison above would not see how they are shown."""
    assert "(SOFT state)" in pair.theirs("extinfo.cgi", "type=2&host=web03&service=HTTP").replace("&nbsp;", "")
    assert "flapping.gif" in pair.theirs("status.cgi", "host=all&serviceprops=1024")


@pytest.mark.parametrize("user", USERS[1:])
def test_what_others_see_reads_line_by_line_too(pair: Pair, user: str) -> None:
    for program, query in (("tac.cgi", ""), ("extinfo.cgi", "type=0"), ("extinfo.cgi", "type=7")):
        _same_lines(pair, program, query, user)


# --- what programs look for -------------------------------------------------------------------------------------------------------


class Looks(NamedTuple):
    """What a program asks for, and how it reads the answer."""

    tool: str
    program: str
    query: str
    read: Callable[[str], Facts]


def each_line(expression: str, flags: int = 0) -> Callable[[str], Facts]:
    """Line by line, the first match of each."""
    pattern = re.compile(expression, flags)
    return lambda page: [found.groups() for line in page.splitlines() if (found := pattern.search(line))]


def unescaped_lines(expression: str, flags: int = 0) -> Callable[[str], Facts]:
    """The same after entities were replaced and hard blanks removed."""
    return lambda page: each_line(expression, flags)(
        "\n".join(html.unescape(line).replace("\u00a0", "") for line in page.splitlines())
    )


def all_of_it(expression: str, flags: int = 0) -> Callable[[str], Facts]:
    """Over the whole page."""
    pattern = re.compile(expression, flags)
    return lambda page: [tuple(part or "" for part in found.groups()) for found in pattern.finditer(page)]


@dataclass
class Node:
    """An element as the parsers of Python build it: what is not closed holds what follows."""

    tag: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    def elements(self, tag: str) -> list[Node]:
        return [child for child in self.children if isinstance(child, Node) and child.tag == tag]

    def all(self, tag: str, **attributes: str) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                if child.tag == tag and attributes.items() <= child.attributes.items():
                    yield child
                yield from child.all(tag, **attributes)

    def texts(self) -> list[str]:
        found: list[str] = []
        for child in self.children:
            found += [child.strip()] if isinstance(child, str) else child.texts()
        return [text for text in found if text]


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in ("img", "br", "hr", "input", "meta", "link"):
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        at = next((at for at in range(len(self.open) - 1, 0, -1) if self.open[at].tag == tag), 0)
        if at:
            del self.open[at:]

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def tree(page: str) -> Node:
    parser = _Tree()
    parser.feed(page)
    return parser.open[0]


FLAGS = {"ack.gif", "passiveonly.gif", "disabled.gif", "ndisabled.gif", "downtime.gif", "flapping.gif"}


def status_rows(page: str) -> list[list[Node]]:
    """Cells of the rows of the first table of class status, without its head and rows of one cell."""
    table = next(tree(page).all("table", **{"class": "status"}))
    return [cells for row in table.elements("tr")[1:] if len(cells := row.elements("td")) > 1]


def flags(cell: Node) -> tuple[str, ...]:
    return tuple(name for image in cell.all("img") if (name := image.attributes["src"].split("/")[-1]) in FLAGS)


def nagstamon_services(page: str) -> Facts:
    found: Facts = []
    for cells in status_rows(page):
        host = cells[0].texts()[0] if cells[0].texts() else found[-1][0]
        found.append((host, *(cell.texts()[0] for cell in (*cells[1:4], cells[5])), *cells[6].texts()[:1], *flags(cells[1])))
    return found


def nagstamon_hosts(page: str) -> Facts:
    found: Facts = []
    for cells in status_rows(page):
        inner = cells[0].elements("table")[0].elements("tr")[0].elements("td")[0]
        link = next(inner.elements("table")[0].elements("tr")[0].elements("td")[0].all("a"))
        found.append((*link.texts(), *(cell.texts()[0] for cell in cells[1:3]), *cells[4].texts(), *flags(cells[0])))
    return found


def critical_cells(page: str) -> Facts:
    """check_nagios_unhandled: the last values of the links within cells of a class."""
    cells = [inner for cell in tree(page).all("td", **{"class": "statusBGCRITICAL"}) for inner in cell.all("td", align="left")]
    return [tuple(re.split("=", next(cell.all("a")).attributes["href"], maxsplit=4)[-2:]) for cell in cells]


def totals(page: str) -> Facts:
    """Dashboards (Dashing, Bernard): the texts of the cells of these classes."""
    names = re.compile(r"(?:host|service)Totals[A-Z]+")
    return [
        (cell.attributes["class"], *cell.texts())
        for cell in tree(page).all("td")
        if names.fullmatch(cell.attributes.get("class", ""))
    ]


def updated(page: str) -> Facts:
    """A React dashboard: the box has the line and the rows have seven cells."""
    box = next(tree(page).all("table", **{"class": "infoBox"}))
    return [(str("Last Updated" in " ".join(box.texts())), *(str(len(cells)) for cells in status_rows(page)))]


def tactical(page: str) -> Facts:
    """nagios-charts: heads and the bars of health."""
    found = tree(page)
    heads = [tuple(cell.texts()) for css in ("hostHeader", "serviceHeader") for cell in found.all("td", **{"class": css})]
    return heads + [(image.attributes["alt"],) for cell in found.all("td", **{"class": "healthBar"}) for image in cell.all("img")]


def version(page: str) -> Facts:
    """Whoever looks for the core's name before the link to its home."""
    return [tuple(link.texts()) for link in tree(page).all("a", **{"class": "homepageURL"})] + each_line(
        r"^(Nagios&reg; Core&trade; [\d.]+) - "
    )(page)


PERL = re.S | re.M | re.I
SCRAPERS = (
    Looks("Nagstamon", "status.cgi", "host=all&servicestatustypes=253&serviceprops=262144", nagstamon_services),
    Looks("Nagstamon", "status.cgi", "hostgroup=all&style=hostdetail&hoststatustypes=12&hostprops=262144", nagstamon_hosts),
    Looks("Nagios::Scrape", "status.cgi", "host=all&noheader=yes&servicestatustypes=28", all_of_it(
        r"(?:<td\s+align=left\s+valign=center\s+class='status(?:even|odd|host[a-z]+)'><a\s+href='extinfo.cgi.+?'>([^<]+)</a>|<td></td>)"
        r".+?>([^<]+)</a>.+?class='status[a-z]+'>([a-z]+)</td>.+?nowrap>([^<]+)</td>.+?nowrap>[^<]+</td>.+?>([^<]+)</td>"
        r".+?>([^<]+)</td>.+?", PERL)),
    Looks("Nagios::Scrape", "status.cgi", "hostgroup=all&noheader=yes&style=hostdetail&hoststatustypes=12", all_of_it(
        r"<td\s+align=left\s+valign=center\s+class='statushost[a-z]+'>.+?>([^<]+)</a>.+?<td\s+class='statushost[a-z]+'>([^<]+)</td>"
        r".+?nowrap>([^<]+)</td>.+?nowrap>[^<]+</td>.+?>([^<]+)</td>.+?", PERL)),
    Looks("nagnu", "status.cgi", "host=all", each_line(
        r"<td align='left' valign=center class='(.*)'><a href='extinfo.cgi\?type=2&host=(.*)&service=(.*)'>(.*)</a></td></tr>")),
    Looks("nagnu", "status.cgi", "host=all", each_line(
        r"('status(?:HOSTDOWN|Even|Odd)'><A HREF='extinfo\.cgi\?type=1).*host=(.*)' ", re.I)),
    Looks("nagnu", "status.cgi", "host=all", each_line(r"(statusBG(?:WARNING|CRITICAL|UNKNOWN)')(?!.*#comments)")),
    Looks("nagios-rest-api", "status.cgi", "hostgroup=all&style=hostdetail", each_line(r"host=(.*?)'")),
    Looks("nagios-rest-api", "status.cgi", "host=web02", each_line(r"&service=(.*?)'")),
    *(Looks("nagios-rest-api", "extinfo.cgi", query, unescaped_lines(expression)) for query, expression in (
        ("type=1&host=lonely", r"(Host Status).*'>(.*?)</DIV>.*(acknowledged)"),
        ("type=1&host=web01", r"Host Status.*'>(.*?)</DIV>"),
        ("type=1&host=web01", r"Status Information.*<td CLASS='dataVal'>(.*?)</TD></TR>"),
        ("type=1&host=web01", r"Last Check Time.*'>(.*?)</td></tr>"),
        ("type=1&host=web01", r"In Scheduled Downtime.*'>(.*?)</DIV></td></tr>$"),
        ("type=1&host=gateway", r"Notifications:.*'>(.*?)</DIV></td></tr>$"),
        ("type=6", r"extinfo.cgi\?type=1&host=web01.*>(.*)</td>(?:.*)</td>"),
    )),
    *(Looks("NagVis 0", "extinfo.cgi", "type=2&host=db01&service=Disk+/var", each_line(expression)) for expression in (
        r".*Current Status:</TD><TD CLASS='dataVal'><DIV CLASS='(.*?)'>",
        r".*Status Information:</TD><TD CLASS='dataVal'>(.*)</TD>")),
    Looks("NagVis 0", "status.cgi", "hostgroup=nowhere", each_line(
        r"<DIV CLASS='errorMessage'>(Sorry, but host group.*)</DIV>", re.I)),
    Looks("nagios-notify", "status.cgi", "hostgroup=all&style=overview", each_line(
        r"^(.*(?:hostgroup=(?!all)|miniStatusCRITICAL|miniStatusWARNING|miniStatusOK).*)$")),
    Looks("check_nagios_unhandled", "status.cgi", "host=all&servicestatustypes=16&sorttype=2&sortoption=3", critical_cells),
    Looks("Dashing", "status.cgi", "host=all", totals),
    Looks("nagios-dashboard", "status.cgi", "host=all", updated),
    Looks("nagios-charts", "tac.cgi", "", tactical),
    Looks("homepageURL", "tac.cgi", "", version),
    Looks("homepageURL", "status.cgi", "host=all", version),
    Looks("check_external_commands", "extinfo.cgi", "type=0", each_line(
        r"<TR><TD CLASS='dataVar'>(Program (?:Version|Start Time)):</TD><TD CLASS='dataVal'>([^<]*)</TD></TR>")),
    Looks("mail filters", "showlog.cgi", "archive=1&oldestfirst", each_line(
        r"^<img align='left' src='[^']*/([^'/]+)' alt='([^']*)' title='[^']*'>\[([\d: -]+)\] (.*)<br clear='all'>$")),
)  # fmt: skip


@pytest.mark.parametrize("looks", SCRAPERS, ids=[f"{number}-{one.tool}" for number, one in enumerate(SCRAPERS)])
def test_programs_read_the_same(pair: Pair, looks: Looks) -> None:
    def look() -> tuple[Facts, Facts]:
        theirs, ours = pair.theirs(looks.program, looks.query), pair.ours(looks.program, looks.query)
        wanted, found = ([tuple(map(html.unescape, one)) for one in looks.read(page)] for page in (theirs, ours))
        return wanted, found

    assert until_same(look, looks.tool), "the expression finds nothing in the original either"


def test_without_flap_detection_nobody_is_said_not_to_flap(pair: Pair) -> None:
    """The core's own switch counts, whatever the objects' say. Last here: it ends what flaps."""
    queries = (("tac.cgi", ""), ("extinfo.cgi", "type=1&host=gateway"), ("extinfo.cgi", "type=2&host=web02&service=HTTP"))
    with pair.core.command_file.open("w") as pipe:
        pipe.write(f"[{int(time.time())}] DISABLE_FLAP_DETECTION\n")
    off = "featureDisabledFlapDetection"
    until(lambda: off in pair.theirs("tac.cgi"), "the core carried it out")
    until(lambda: off in pair.ours("tac.cgi"), "ours read what came of it")
    for program, query in queries:
        assert "N/A" in "".join(_same_lines(pair, program, query))
