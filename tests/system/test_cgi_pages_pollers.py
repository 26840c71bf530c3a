"""The pages of the CGIs over several pollers: added up, side by side, merged by time; and what a limited user is told."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.cores import until
from tests.system.conftest import Site

pytestmark = pytest.mark.core

CELL = re.compile(r"<td class='pollers'><a href='([^']+)'>([^<]+)</a></td>")
HEADS = re.compile(r"^<td class='(host|service)Header' width=125><a href='[^']+' class='\w+'>(\d+) (\w+)</a></td>$", re.M)
ENTRY = re.compile(
    r"^<img align='left' [^>]*>\[(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\] (.*?)(?:&nbsp;.*<span class='poller'>(\w+)</span>)?<br", re.M
)


def page(site: Site, query: str, client: httpx.Client | None = None) -> str:
    answer = (client or site.box.api).get(f"/nagios/cgi-bin/{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_overview_adds_up_what_each_poller_has(site: Site) -> None:
    """Pages are of moments of their own, and cores that were just started go on checking: once, all of them agree."""
    until(lambda: _adds_up(site), "the overview is the sum of its pollers, and its links lead to as many")


def _adds_up(site: Site) -> bool:
    text = page(site, "tac.cgi")
    rows = [CELL.findall(row) for row in re.findall(r"<tr>(<td class='pollers'>.*)</tr>", text)]
    assert [row[0][1] for row in rows] == ["north", "south", "east"]
    sums = [sum(int(row[at][1]) for row in rows) for at in range(1, 10)]
    agree = [sums == [int(count) for _, count, _ in HEADS.findall(text)]]
    for row in rows:
        alone = page(site, row[0][0])
        agree.append([int(number) for _, number in row[1:]] == [int(count) for _, count, _ in HEADS.findall(alone)])
        for link, number in row[1:5]:  # what a number leads to is so many
            results = re.search(r"Results \d+ - \d+ of (\d+) Matching Hosts", page(site, f"{link}&limit=1"))
            assert results is not None
            agree.append(results[1] == number)
    return all(agree)


def test_processes_stand_side_by_side(site: Site) -> None:
    text = page(site, "extinfo.cgi?type=0")
    assert re.findall(r"<DIV CLASS='pollerTitle'><A NAME='\w+'></A>(\w+)</DIV>", text) == ["north", "south", "east"]
    links = re.findall(r"href='(cmd\.cgi\?[^']+)'", text)
    assert len(links) == 36 and all(re.search(r"&poller=(north|south|east)$", link) for link in links)
    alone = page(site, "extinfo.cgi?type=0&poller=south")
    assert "CLASS='pollerTitle'" not in alone and "&poller=south'" in alone and "&poller=north'" not in alone
    assert "errorMessage" in page(site, "extinfo.cgi?type=0&poller=west")


def test_logs_are_merged_by_time(site: Site) -> None:
    newest, oldest = (ENTRY.findall(page(site, f"showlog.cgi?{order}")) for order in ("", "oldestfirst"))
    times = [re.sub(r"(\d\d)-(\d\d)-(\d{4})", r"\3-\1-\2", at) for at, _, _ in oldest]
    assert times == sorted(times)
    assert {"north", "south"} <= {poller for _, _, poller in oldest}
    assert {text for _, text, _ in oldest[:20]} <= {text for _, text, _ in newest}
    alone = ENTRY.findall(page(site, "showlog.cgi?poller=north&oldestfirst&limit=5"))
    assert len(alone) == 5 and {poller for _, _, poller in alone} == {""}


def test_who_sees_a_hostgroup_only_sees_no_core(site: Site) -> None:
    """Logs, processes and the queue are about everything; performance and totals are of what is seen."""
    client = site.box.client(site.box.add_user("groupie", "reader", "--hostgroup", "web"))
    for query in ("showlog.cgi", "extinfo.cgi?type=0", "extinfo.cgi?type=7"):
        assert "you do not have permission to view" in page(site, query, client)
    heads = HEADS.findall(page(site, "tac.cgi", client))
    assert sum(int(count) for kind, count, _ in heads if kind == "host") == 12
    assert "N/A" in re.findall(r"class='outageHeader'>([^<]+)<", page(site, "tac.cgi", client))
    assert "errorMessage" in page(site, "extinfo.cgi?type=5&hostgroup=central", client)
    assert "Hostgroup Commands" in page(site, "extinfo.cgi?type=5&hostgroup=web", client)
    overview = page(site, "status.cgi?hostgroup=all&style=overview", client)
    assert re.findall(r"\(<a href='extinfo\.cgi\?type=5&hostgroup=([^']+)'", overview) == ["web"]


def test_a_link_leads_to_the_object_it_stands_beside(site: Site) -> None:
    """`shared` is on two pollers: its rows, pages, comments and commands name the one they are about; other hosts' need not."""
    for query, link in (
        ("status.cgi?host=shared&limit=0", r"<a href='(extinfo\.cgi\?type=[12]&host=shared[^']*)'"),
        ("status.cgi?hostgroup=shared&style=hostdetail", r"<a href='((?:extinfo|status)\.cgi\?(?:type=1&)?host=shared[^'#]*)'"),
        ("status.cgi?hostgroup=shared&style=overview", r"<a href='((?:extinfo|status)\.cgi\?(?:type=1&)?host=shared[^']*)'"),
        ("status.cgi?hostgroup=shared&style=grid", r"<a href='((?:extinfo|status)\.cgi\?(?:type=[12]&)?host=shared[^']*)'"),
    ):
        links = re.findall(link, page(site, query))
        named = {found[1] if (found := re.search(r"&poller=(\w+)", link)) else "" for link in links}
        assert named == {"north", "south"}, (query, links)
    for poller in ("north", "south"):
        text = page(site, f"extinfo.cgi?type=2&host=shared&service=PING&poller={poller}")
        commands = re.findall(r"<a href='(cmd\.cgi[^']+)'", text)
        assert len(commands) > 10 and all(command.endswith(f"&poller={poller}") for command in commands)
    others = page(site, "extinfo.cgi?type=1&host=n-central")  # ids of its comments and downtimes are its core's own
    assert "poller=" not in re.sub(r"class='pollers'.*|(?:com|down)_id=\d+&poller=north", "", others)
    assert "permission" in page(site, "extinfo.cgi?type=1&host=shared&poller=east")
