"""cmd.cgi beside the original: the same request gives the same external command, and the same people may ask for it.

The original writes into a FIFO of the test's; ours goes the whole way to the core. Where ours differs on purpose, the test says so.
"""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import pytest

from api.cgi.asked import NO_COMMENT
from api.cgi.commands import TABLE, CgiCommand, Form
from engine.commands.catalogue import CATALOGUE
from engine.commands.row import Subject
from tests.support import cores, plain_http
from tests.support.box import Box
from tests.support.cgi_core import ADMIN, HOSTS, CgiCore
from tests.support.cgi_pair import beside
from tests.support.cgi_programs import Original, message_of, query_of
from tests.support.cores import PATIENCE_S, until, until_same
from tests.support.events import reading

pytestmark = pytest.mark.core

USERS = (ADMIN, "ann", "bob", "carl", "watcher", "commander", "reader", "nobody", "member")
PASSWORD = "pass"
CGI_CFG = f"""use_authentication=1
authorized_for_all_hosts=admin,{ADMIN},watcher,commander
authorized_for_all_services=admin,{ADMIN},commander
authorized_for_all_host_commands={ADMIN},commander
authorized_for_all_service_commands={ADMIN},commander,bob
authorized_for_system_commands={ADMIN},reader
authorized_for_system_information={ADMIN}
authorized_for_configuration_information={ADMIN}
authorized_for_read_only=reader
authorized_contactgroup_for_all_hosts=admins
"""
DANGEROUS = [row.name for row in TABLE.values() if CATALOGUE[row.name].danger]
SUCCESS = "Your command request was successfully submitted to Nagios for processing."
REFUSED = "Sorry, but you are not authorized to commit the specified command."


@dataclass
class Pair:
    """The original and ours over one core."""

    core: CgiCore
    original: Original
    box: Box

    def ours(self, parameters: list[tuple[str, str]], user: str = ADMIN, method: str = "GET") -> httpx.Response:
        url, auth = f"{self.box.url}/nagios/cgi-bin/cmd.cgi", (user, PASSWORD)
        query = query_of([("cmd_mod", "2"), *parameters])
        if method == "GET":
            return plain_http.get(f"{url}?{query}", auth=auth, timeout=PATIENCE_S)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return plain_http.post(url, content=query, headers=form, auth=auth, timeout=PATIENCE_S)

    def lines(self, answer: httpx.Response) -> tuple[str, ...]:
        """What ours wrote, by the core's own log."""
        ids = answer.headers.get("Signalbox-Command", "").split(", ")
        found = [self.box.api.get(f"/v1/commands/{id}").json()["line"] for id in ids if id]
        log = self.core.log_file.read_text("utf-8", "replace")
        lines = tuple(line.partition("] ")[2].rstrip("\n") for line in found)
        missing = [line for line in lines if not re.search(rf"EXTERNAL COMMAND: {re.escape(line)};?\n", log)]
        assert not missing, (missing, log[-2000:])
        return lines


@pytest.fixture(scope="module")
def pair(_cores_are_there: None) -> Iterator[Pair]:
    with cores.core_folder() as folder:
        core = CgiCore(folder / "core", HOSTS, 1)
        dangerous = ", ".join(f'"{name}"' for name in DANGEROUS)
        with beside(core, CGI_CFG, USERS, f"dangerous_commands = [{dangerous}]\n") as (original, box):
            yield Pair(core, original, box)


# --- the same line ----------------------------------------------------------------------------------------------------------------


def clock(at: float) -> str:
    return time.strftime("%m-%d-%Y %H:%M:%S", time.localtime(at))


def requests_for(row: CgiCommand, number: int) -> list[tuple[str, str]]:
    """One request: 0 with what must be there, 1 with every option, 2 with others. Nothing of it begins while this file runs."""
    full, soon = number > 0, time.time() + 2 * 3600
    given = [("cmd_typ", str(row.number)), ("host", "web01"), ("service", "Disk /var")]
    given += [("hostgroup", "web"), ("servicegroup", "disks")]
    if row.has_author:
        given.append(("com_data", f"{number}: ünder; <b>work</b> & more, {row.number}"))
    options = {
        Form.COMMENT: [("persistent", "off")],
        Form.ACKNOWLEDGE: [("sticky_ack", ""), ("send_notification", "off")] + [("persistent", "1")] * (number > 1),
        Form.CHECK: [("force_check", "on")],
        Form.CHECKS: [("force_check", "0"), ("sched_dly", "3")],
        Form.NOTIFICATION: [("force_notification", "1")] + [("broadcast_notification", "")] * (number > 1),
        Form.DOWNTIME: [("childoptions", str(number)), ("ahas", "on")],
        Form.PLAIN: [("ahas", "on"), ("ptc", "on")],
    }
    given += options.get(row.form, []) if full else []
    match row.form:
        case Form.DELAY:
            given.append(("not_dly", "15"))
        case Form.CHECK | Form.CHECKS:
            given.append(("start_time", clock(soon)))
        case Form.RESULT:
            given += [("plugin_state", "2" if row.subject is Subject.SERVICE else "1"), ("plugin_output", "so; it | is")]
            given += [("performance_data", "a=1;2;3")] * full
        case Form.DOWNTIME:
            given += [("start_time", clock(soon + row.number)), ("end_time", clock(soon + 3940 + row.number))]
            given += [("fixed", "1")] if number == 2 else [("hours", "1"), ("minutes", "30")]
    return given


def known(line: str, asked_at: float) -> str:
    """A line without what may differ: moments that depend on when it was asked, and what ours leaves out on purpose."""
    name, _, rest = line.partition(";")
    fields = rest.split(";") if rest else []
    if name in ("ENABLE_NOTIFICATIONS", "DISABLE_NOTIFICATIONS", "RESTART_PROCESS", "SHUTDOWN_PROCESS"):
        return name.rstrip(";")  # they take no time, or need none: ours writes none
    if "_DOWNTIME" in name and "DEL_" not in name:
        at = 2 if "SVC_DOWNTIME" in name and "GROUP" not in name and "HOST_SVC" not in name else 1
        if fields[at + 2] == "1":
            fields[at + 4] = str(int(fields[at + 1]) - int(fields[at]))  # a fixed one lasts from start to end, whatever is said
    if name.startswith("DELAY_") or ("HOST_SVC_CHECKS" in name and name.startswith("SCHEDULE")):
        minutes = (int(fields[-1]) - asked_at) / 60  # they are asked one after the other
        fields[-1] = next((f"in {about} min" for about in (0, 3, 15) if abs(minutes - about) < 0.5), fields[-1])
    return ";".join([name, *fields])


def test_every_command_writes_the_originals_line(pair: Pair) -> None:
    for host, service in (("web01", None), ("web01", "Disk /var"), ("web01", "HTTP")):
        row = TABLE[87 if service is None else 30]
        given = [
            ("cmd_typ", str(row.number)),
            ("host", host),
            ("service", service or ""),
            ("plugin_state", "1"),
            ("plugin_output", "x"),
        ]
        answer = pair.ours(given)
        assert SUCCESS in answer.text, answer.text
    for output in (r"C:\temp and \\ more", r"a\\nb", r"two\nlines"):
        given = [("cmd_typ", "87"), ("host", "db01"), ("plugin_state", "0"), ("plugin_output", output)]
        theirs, ours = pair.original.commit(given), pair.lines(pair.ours(given))
        assert list(map(unescaped, ours)) == list(map(unescaped, theirs.lines)), (output, ours)
        assert "temp" in output or ours == theirs.lines
    wrong = []
    # Results first: a core that was told to take none refuses them.
    for row in sorted(TABLE.values(), key=lambda row: (row.form is not Form.RESULT, row.number)):
        if row.form in (Form.DELETE_COMMENT, Form.DELETE_DOWNTIME) or row.number in (13, 14):  # see below
            continue
        for number in range(3 if row.form is not Form.PLAIN or row.also or row.instead else 1):
            given, asked_at = requests_for(row, number), time.time()
            theirs, ours = pair.original.commit(given), pair.ours(given, method="POST" if number else "GET")
            wanted, found = (sorted(known(line, asked_at) for line in lines) for lines in (theirs.lines, pair.lines(ours)))
            if theirs.message != message_of(ours.text) or found != wanted:
                wrong.append(
                    (row.number, number, theirs.message, theirs.lines, message_of(ours.text), pair.lines(ours), ours.text[-600:])
                )
    assert not wrong, "\n".join(repr(one)[:700] for one in wrong)


def unescaped(line: str) -> str:
    """As a core reads a result's output."""
    return re.sub(r"\\([n\\])", lambda found: "\n" if found[1] == "n" else found[1], line)


def test_ids_lead_to_what_they_are_about(pair: Pair) -> None:
    """The ids that pages show are the core's; a wrong kind, like an unknown one, is not authorised."""
    for asked in ([("cmd_typ", "1"), ("host", "web02")], [("cmd_typ", "3"), ("host", "web02"), ("service", "HTTP")]):
        answer = pair.ours([*asked, ("com_data", "to be deleted")])
        life = f"/v1/commands/{answer.headers['Signalbox-Command']}"
        until(lambda life=life: pair.box.api.get(life).json()["state"] == "confirmed", "the comment is confirmed")
    text = pair.core.status_file.read_text()
    for block, number, other, parameter in (
        ("hostdowntime", 78, 79, "down_id"), ("servicedowntime", 79, 78, "down_id"), ("hostcomment", 2, 4, "com_id"),
    ):  # fmt: skip
        kind = "downtime" if "downtime" in block else "comment"
        blocks = re.findall(block + r" \{(.*?)\n\t\}", text, re.DOTALL)
        ids = [re.search(rf"\t{kind}_id=(\d+)", found) for found in blocks if kind != "comment" or "entry_type=1" in found]
        id = next(found[1] for found in ids if found)
        page = f"{pair.box.url}/nagios/cgi-bin/extinfo.cgi?type={6 if kind == 'downtime' else 3}"
        until(
            lambda page=page, word=rf"\b{parameter}={id}\b": re.search(word, plain_http.get(page, auth=(ADMIN, PASSWORD)).text),
            "ours has read of it",
        )
        for typ, given in ((other, id), (number, "999999"), (number, "0")):
            asked = [("cmd_typ", str(typ)), (parameter, given)]
            theirs = pair.original.commit(asked)
            assert (theirs.message, theirs.lines) == (REFUSED, ()), (theirs, asked)
            assert message_of(pair.ours(asked).text) == REFUSED
        theirs, ours = (
            pair.original.commit([("cmd_typ", str(number)), (parameter, id)]),
            pair.ours([("cmd_typ", str(number)), (parameter, id)]),
        )
        assert theirs.lines == pair.lines(ours) and theirs.message == message_of(ours.text), ours.text


def test_a_page_of_success_has_no_word_of_failure(pair: Pair) -> None:
    """Programs look for these in the whole page, however it is written."""
    page = pair.ours([("cmd_typ", "24"), ("host", "web01")]).text
    assert SUCCESS in page
    assert [word for word in ("errormessage", "error:", "csrf", "not authorized", "an error") if word in page.lower()] == []


LATER = "01-02-2037 00:00:00"
MISTAKES: tuple[list[tuple[str, str]], ...] = (
    [("cmd_typ", "1"), ("host", "web01")],
    [("cmd_typ", "33"), ("host", "web01"), ("com_data", "")],
    [("cmd_typ", "10"), ("host", "web01")],
    [("cmd_typ", "10"), ("host", "web01"), ("not_dly", "-5")],
    [("cmd_typ", "96"), ("host", "web01")],
    [("cmd_typ", "96"), ("host", "web01"), ("start_time", "2037-01-01 00:00:00")],
    [("cmd_typ", "7"), ("host", "web01"), ("service", "HTTP"), ("start_time", "soon")],
    [("cmd_typ", "17"), ("host", "web01"), ("start_time", "")],
    [("cmd_typ", "87"), ("host", "web01"), ("plugin_state", "1")],
    [("cmd_typ", "55"), ("host", "web01"), ("com_data", "x")],
    [("cmd_typ", "55"), ("host", "web01"), ("com_data", "x"), ("start_time", LATER), ("end_time", "01-01-2037 00:00:00")],
    [("cmd_typ", "84"), ("hostgroup", "web"), ("com_data", "x"), ("start_time", LATER)],
    [("cmd_typ", "56"), ("host", "web01"), ("service", "HTTP")],
    [("cmd_typ", "159"), ("host", "web01")],
    [("cmd_typ", "96"), ("host", "nowhere"), ("start_time", LATER)],
    [("cmd_typ", "63"), ("hostgroup", "nowhere")],
    [("cmd_typ", "24")],
    [("cmd_typ", "24"), ("host", "web01;x")],
    [("cmd_typ", "22"), ("host", "web01"), ("service", "HTTP\nx")],
    [("cmd_typ", "65"), ("hostgroup", "")],
    [("cmd_typ", "98"), ("host", "web01"), ("start_time", LATER)],
    [("cmd_typ", "31")],
    [("cmd_typ", "165"), ("host", "web01")],
    [("cmd_typ", "0")],
    [],
)  # fmt: skip


COMMENTS = """CMT_ENABLE_HOST_NOTIFICATIONS=2
CMT_DISABLE_HOST_NOTIFICATIONS=1,hello <there>, "you"
CMT_SCHEDULE_SVC_CHECK=2
CMT_ENABLE_HOST_CHECK=7
CMT_DISABLE_HOST_CHECK=x
CMT_ENABLE_SVC_CHECK= 2
CMT_DISABLE_SVC_CHECK =2
CMT_ENABLE_NOTIFICATIONS=2
CMT_ENABLE_HOST_SVC_CHECKS=2
CMT_ACKNOWLEDGE_SVC_PROBLEM=1,seen
"""


def test_comments_are_asked_for_as_the_configuration_says(pair: Pair) -> None:
    """On the form and at the commit; an acknowledgement is dropped by the core without one: ours demands it."""
    file, later = pair.original.folder / "cgi.cfg", ("start_time", LATER)
    before, host, service = file.read_text(), ("host", "web01"), ("service", "HTTP")
    numbers = {24: [host], 25: [host], 7: [host, service, later], 47: [host], 48: [host], 5: [host, service], 6: [host, service],
               12: [], 15: [host], 34: [host, service], 96: [host, later]}  # fmt: skip
    try:
        _replace(file, before + COMMENTS)
        for number, target in numbers.items():
            asked = [("cmd_typ", str(number)), *target]
            forms = (
                pair.original.run("cmd.cgi", query_of(asked)),
                plain_http.get(f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?{query_of(asked)}", auth=(ADMIN, PASSWORD)).text,
            )
            assert inputs_of(forms[1]) == inputs_of(forms[0]), number
            for more in ([], [("com_data", "c")], [("ptc", "1")])[:: 2 if number == 34 else 1]:  # nothing is to stay acknowledged
                said = pair.original.commit([*asked, *more]).message, message_of(pair.ours([*asked, *more]).text)
                assert (said[0] == NO_COMMENT or number == 34) == (said[1] == NO_COMMENT), (number, more, said)
    finally:
        _replace(file, before)


def test_a_form_offers_the_downtimes_that_may_begin_it(pair: Pair) -> None:
    """The originals name everybody's to everybody; ours those he may see."""

    def offered(page: str) -> set[tuple[str, str]]:
        (select,) = re.findall(r"<select name='trigger'>(.*?)</select>", page, re.IGNORECASE | re.DOTALL)
        options = re.findall(r"<option value='(\d+)'>([^<\n]*)", select, re.IGNORECASE)
        return {(value, html.unescape(words).strip()) for value, words in options}

    def form(number: int, user: str) -> str:
        query = f"cmd_typ={number}&host=web01&service=HTTP"
        return plain_http.get(f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?{query}", auth=(user, PASSWORD)).text

    def original(number: int) -> set[tuple[str, str]]:
        return offered(pair.original.run("cmd.cgi", f"cmd_typ={number}&host=web01&service=HTTP"))

    before = original(55)
    window = [("start_time", clock(time.time() - 60)), ("end_time", LATER), ("fixed", "1"), ("com_data", "x")]
    for number, target in ((55, [("host", "web01")]), (56, [("host", "db01"), ("service", "Disk /var")])):
        assert SUCCESS in pair.ours([("cmd_typ", str(number)), *target, *window]).text
    until(lambda: len(original(55) - before) == 2, "the core's status file has them")
    for number in (55, 56, 86):  # the file may change between the two looks
        until(lambda number=number: offered(form(number, ADMIN)) == original(number), f"ours offers in {number} what it offers")
    assert offered(form(55, "nobody")) == {("0", "N/A")}
    assert "'trigger'" not in form(84, ADMIN)


@pytest.mark.parametrize("asked", MISTAKES)
def test_mistakes_are_told_in_the_originals_words(pair: Pair, asked: list[tuple[str, str]]) -> None:
    theirs, ours = pair.original.commit(asked), pair.ours(asked)
    assert ours.status_code == 200
    assert (message_of(ours.text), "Signalbox-Command" in ours.headers) == (theirs.message, bool(theirs.lines))


# --- the same people --------------------------------------------------------------------------------------------------------------


def targets() -> list[list[tuple[str, str]]]:
    """Harmless commands on every object, group and the core."""
    found = [[("cmd_typ", "24"), ("host", host.name)] for host in HOSTS]
    found += [[("cmd_typ", "22"), ("host", host.name), ("service", one.description)] for host in HOSTS for one in host.services]
    found += [[("cmd_typ", "65"), ("hostgroup", name)] for name in ("web", "all")]
    return [*found, [("cmd_typ", "111"), ("servicegroup", "disks")], [("cmd_typ", "41")]]


@pytest.mark.parametrize("user", USERS)
def test_who_may_command_what(pair: Pair, user: str) -> None:
    different = []
    for asked in targets():
        theirs, ours = pair.original.commit(asked, user), pair.ours(asked, user)
        if theirs.message != message_of(ours.text):
            different.append((asked, theirs.message, message_of(ours.text), ours.text[-120:]))
    assert not different, "\n".join(map(repr, different))


def test_the_small_variant_says_what_the_original_says(pair: Pair) -> None:
    """content=wml, for phones: its sentences are others than those of the pages."""
    for asked, user in (
        ([("cmd_typ", "24"), ("host", "web01")], ADMIN), ([("cmd_typ", "24"), ("host", "web01")], "nobody"), ([], ADMIN),
        ([("cmd_typ", "1"), ("host", "web01")], ADMIN),
    ):  # fmt: skip
        given = [*asked, ("content", "wml")]
        theirs, ours = pair.original.commit(given, user), pair.ours(given, user)
        said = [re.search(r"<p>(.*?)</p>", page) for page in (theirs.page, ours.text)]
        assert [found and found[1] for found in said] == [said[0] and said[0][1]] * 2, (given, user)
        assert ours.headers["Content-Type"].startswith("text/vnd.wap.wml")


def test_without_locked_names_both_must_be_said(pair: Pair) -> None:
    """And what is missing first is told first."""
    file = pair.original.folder / "cgi.cfg"
    before, target = (
        file.read_text(),
        [("host", "lonely"), ("service", "Nobody looks"), ("hostgroup", "all"), ("servicegroup", "disks")],
    )
    try:
        _replace(file, f"{before}lock_author_names=0\n")
        for number in (row.number for row in TABLE.values() if row.has_author):
            for more in ([], [("com_data", "x")], [("com_author", "x")], [("com_author", ""), ("com_data", "")]):
                asked = [("cmd_typ", str(number)), *target, *more]
                theirs, ours = pair.original.commit(asked), pair.ours(asked)
                assert (message_of(ours.text), theirs.lines) == (theirs.message, ()), asked
        given = [("cmd_typ", "1"), ("host", "lonely"), ("com_data", "unlocked"), ("com_author", "so;me <one>")]
        theirs, ours = pair.original.commit(given), pair.ours(given)
        assert pair.lines(ours) == theirs.lines == ("ADD_HOST_COMMENT;lonely;0;so me one;unlocked",)
        form = plain_http.get(f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?cmd_typ=1&host=lonely", auth=("ann", PASSWORD)).text
        shown = r"<INPUT TYPE='TEXT' NAME='com_author' VALUE='([^']*)' *(READONLY)?"
        by_original = pair.original.run("cmd.cgi", "cmd_typ=1&host=lonely", "ann")
        assert re.findall(shown, form) == re.findall(shown, by_original) == [("Ann A.", "")]
    finally:
        _replace(file, before)


@pytest.mark.parametrize("before", [True, False], ids=["lists-after", "lists-before"])
def test_who_comes_without_a_name_is_whom_the_configuration_names(pair: Pair, before: bool) -> None:
    """What stands before `default_user_name` was read for nobody yet."""
    file = pair.original.folder / "cgi.cfg"
    saved, name = file.read_text(), "default_user_name=watcher\n"
    url = f"{pair.box.url}/nagios/cgi-bin"
    try:
        _replace(file, saved.replace(CGI_CFG, name + CGI_CFG if before else CGI_CFG + name))
        for kind in ("host", "service"):
            theirs = json.loads(pair.original.run("statusjson.cgi", f"query={kind}count", ""))["data"]["count"]
            ours = plain_http.get(f"{url}/statusjson.cgi?query={kind}count").json()["data"]["count"]
            assert ours == theirs and (sum(ours.values()) > 0) == before
        assert plain_http.get(f"{url}/statusjson.cgi?query=hostcount", auth=("watcher", "wrong")).status_code == 401
        asked = f"{url}/cmd.cgi?cmd_typ=24&cmd_mod=2&host=web01"
        assert message_of(plain_http.get(asked).text) == "Error: Invalid or missing CSRF cookie!", "any page could send this"
    finally:
        _replace(file, saved)
    assert plain_http.get(f"{url}/statusjson.cgi?query=hostcount").status_code == 401


OTHERS = {
    "nobody logs in": """use_authentication=0
authorized_for_system_commands=*
""",
    "services only": """authorized_for_all_services=*
authorized_for_all_service_commands=nobody
authorized_for_all_host_commands=*
""",
    "everybody reads": """authorized_for_all_hosts=*
authorized_for_all_host_commands=*
authorized_for_read_only=*
""",
    "groups read": """authorized_for_all_hosts=*
authorized_for_all_host_commands=*
authorized_contactgroup_for_read_only=operators
""",
    "groups command": """authorized_contactgroup_for_all_hosts=operators
authorized_contactgroup_for_all_host_commands=admins,operators
authorized_contactgroup_for_system_commands=operators
""",
    "as it stands": """authorized_for_all_hosts=nobody, commander
authorized_for_all_hosts=ann
 authorized_for_all_host_commands=nobody
authorized_for_all_host_commands =commander
authorized_for_all_host_commands=member,,nobody\t
#authorized_for_system_commands=*
""",
}


@pytest.mark.parametrize("name", OTHERS)
def test_who_may_command_what_by_another_configuration(pair: Pair, name: str) -> None:
    """Read anew at once, by both."""
    file = pair.original.folder / "cgi.cfg"
    before, different = file.read_text(), []
    try:
        _replace(file, before.replace(CGI_CFG, OTHERS[name]))
        for user in (ADMIN, "ann", "bob", "carl", "nobody"):
            for asked in targets()[::2] + targets()[-4:]:
                theirs, ours = pair.original.commit(asked, user), pair.ours(asked, user)
                if theirs.message != message_of(ours.text):
                    different.append((user, asked, theirs.message, message_of(ours.text), ours.text[-120:]))
    finally:
        _replace(file, before)
    assert not different, "\n".join(map(repr, different))


# --- forms and their pairs --------------------------------------------------------------------------------------------------------


def form_of(pair: Pair, user: str = ADMIN) -> httpx.Response:
    return plain_http.get(f"{pair.box.url}/nagios4/cgi-bin/cmd.cgi?cmd_typ=96&host=web01", auth=(user, PASSWORD))


_MOMENT = re.compile(r"\d\d-\d\d-\d{4} \d\d:\d\d:\d\d")


def inputs_of(page: str) -> dict[str, tuple[str, bool]]:
    """A form's fields: what each holds at first, and whether it is ticked. A moment is "a moment"."""
    found = {}
    for tag in re.findall(r"<(?:INPUT|SELECT) [^>]*>", page, re.IGNORECASE):
        name, value = (re.search(rf"{word}='([^']*)'", tag, re.IGNORECASE) for word in ("name", "value"))
        if name is not None and name[1] != "nagFormId":
            found[name[1]] = (_MOMENT.sub("a moment", html.unescape(value[1])) if value else "", "checked" in tag.lower())
    return found


def test_forms_show_the_cores_time_and_a_pair(pair: Pair) -> None:
    """Nagstamon and others read both by regular expressions; what a form does not change is sent as the original's form does."""
    for number in TABLE:
        asked = (
            f"cmd_typ={number}&host=web01&service=HTTP&hostgroup=web&servicegroup=disks&com_id=5&down_id=6&com_data=why&not_dly=7"
        )
        theirs = pair.original.run("cmd.cgi", asked)
        ours = plain_http.get(f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?{asked}", auth=(ADMIN, PASSWORD)).text
        assert inputs_of(ours) == inputs_of(theirs), number
        words = re.findall(r"You are requesting to (.*?)</DIV>", theirs + ours, re.IGNORECASE)
        assert len(words) == 2 and words[0] == words[1], number
        for name in ("start_time", "end_time"):
            shown = re.findall(rf"<INPUT TYPE='TEXT' NAME='{name}' VALUE='([^']*)'>", theirs + ours)
            moments = [time.mktime(time.strptime(text, "%m-%d-%Y %H:%M:%S")) for text in shown]
            assert not moments or (len(moments) == 2 and abs(moments[0] - moments[1]) < 120), (number, name, shown)
    form = form_of(pair)
    token = re.search(r"NAME='nagFormId' VALUE='(\w+)'", form.text)
    assert token is not None and form.cookies["NagFormId"] == token[1]


@pytest.mark.parametrize(
    "header",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"},
     {"Referer": "http://evil.example/x"}, {"Sec-Purpose": "prefetch"}],
)  # fmt: skip
def test_what_another_site_sends_is_refused_even_with_a_pair(pair: Pair, header: dict[str, str]) -> None:
    form = form_of(pair)
    token = form.cookies["NagFormId"]
    asked = f"cmd_typ=24&cmd_mod=2&host=web01&nagFormId={token}"
    headers = {"Cookie": f"NagFormId={token}", **header}
    answer = plain_http.get(f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?{asked}", auth=(ADMIN, PASSWORD), headers=headers)
    assert message_of(answer.text) == "Error: Invalid or missing CSRF cookie!"


def test_a_pair_counts_only_for_whom_it_was_issued(pair: Pair) -> None:
    token, others = (form_of(pair, user).cookies["NagFormId"] for user in (ADMIN, "commander"))
    url, outcome = f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?cmd_typ=24&cmd_mod=2&host=web01", {}
    for given in (token, others, "0" * 56, "x"):
        headers = {"Cookie": f"NagFormId={given}", "Sec-Fetch-Site": "same-origin"}
        answer = plain_http.get(f"{url}&nagFormId={given}", auth=(ADMIN, PASSWORD), headers=headers)
        outcome[given] = SUCCESS in answer.text
    assert list(outcome.values()) == [True, False, False, False]


def test_the_challenge_and_a_wrong_password(pair: Pair) -> None:
    """A Perl library looks credentials up by the realm, and sends them only after a 401."""
    for prefix in ("/nagios/cgi-bin", "/cgi-bin/icinga", "/cgi-bin/nagios4", "/naemon/cgi-bin"):
        answer = plain_http.get(f"{pair.box.url}{prefix}/cmd.cgi")
        assert answer.status_code == 401
        assert 'realm="Nagios Access"' in answer.headers["WWW-Authenticate"]
    assert plain_http.get(f"{pair.box.url}/nagios/cgi-bin/cmd.cgi", auth=("bob", "wrong")).status_code == 401


def test_icingas_forms_take_several_hosts(pair: Pair) -> None:
    url = f"{pair.box.url}/cgi-bin/icinga/cmd.cgi?cmd_typ=24&cmd_mod=2&host=web01&host=web02&host=web01"
    answer = plain_http.get(url, auth=(ADMIN, PASSWORD))
    assert "Your command request(s) was/were successfully submitted to Icinga for processing." in answer.text
    assert [line.partition(";")[2] for line in pair.lines(answer)] == ["web01", "web02"]
    url = f"{pair.box.url}/cgi-bin/icinga/cmd.cgi?cmd_typ=22&cmd_mod=2&hostservice=web01%5EHTTP&hostservice=web02%5EHTTP"
    answer = plain_http.get(url, auth=(ADMIN, PASSWORD))
    assert [line.partition(";")[2] for line in pair.lines(answer)] == ["web01;HTTP", "web02;HTTP"]


@pytest.mark.parametrize(
    "query",
    [
        "cmd_typ=96&host=web01&host=no+such+host&start_time=11-11-2030+11:11:11",
        "cmd_typ=87&host=web01&host=db01&plugin_state=0&plugin_output=fine&performance_data=",
        "cmd_typ=2&com_id=@ID&com_id=999999",
    ],
)
def test_of_several_commands_refused_none_is_carried_out(pair: Pair, query: str) -> None:
    """The first would do; the last is refused, so the whole is: nobody is told no of what is done all the same."""
    added = plain_http.get(
        f"{pair.box.url}/nagios/cgi-bin/cmd.cgi?cmd_typ=1&cmd_mod=2&host=web02&com_data=stays+{len(query)}", auth=(ADMIN, PASSWORD)
    )
    query = query.replace("@ID", added.headers["Signalbox-Entry"])
    before = pair.box.api.get("/v1/commands").json()["total"]
    user = "bob" if "cmd_typ=87" in query else ADMIN  # who is a contact of web01, and not of db01
    answer = plain_http.get(f"{pair.box.url}/cgi-bin/icinga/cmd.cgi?cmd_mod=2&{query}", auth=(user, PASSWORD))
    assert message_of(answer.text) == REFUSED
    assert pair.box.api.get("/v1/commands").json()["total"] == before


def test_rights_hold_in_the_native_dialect_too(pair: Pair) -> None:
    """carl is a contact of a few services only, whatever his role here is."""
    token = pair.box.add_user("carl", "admin")
    with httpx.Client(base_url=pair.box.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S) as carl:
        services = {(one["host"], one["description"]) for one in carl.get("/v1/services?limit=0").json()["items"]}
        hosts = {one["name"] for one in carl.get("/v1/hosts?limit=0").json()["items"]}
        shown = pair.original.run("status.cgi", "host=all&limit=0&style=detail", "carl")
        known = {(host.name, one.description) for host in HOSTS for one in host.services}
        assert services == {one for one in known if link(*one) in shown}
        assert hosts
        refused = carl.post("/v1/checks", json={"host": "gateway"})
        assert refused.status_code in (403, 404)


def centreon_headers(client: httpx.Client, user: str) -> dict[str, str]:
    """Those of a login in Centreon's dialect."""
    body = {"security": {"credentials": {"login": user, "password": PASSWORD}}}
    let_in = client.post("/centreon/api/latest/login", json=body, auth=None)
    assert let_in.status_code == 200, let_in.text
    return {"X-AUTH-TOKEN": let_in.json()["security"]["token"]}


@pytest.mark.parametrize("user", ["member", "ann", "commander", "nobody"])
def test_users_of_the_file_have_their_rights_in_every_dialect(pair: Pair, user: str) -> None:
    """By Basic in our own, by its login in Centreon's: who sees and commands what is what the original says."""
    shown = pair.original.run("status.cgi", "host=all&limit=0&style=detail", user)
    known = {(host.name, one.description) for host in HOSTS for one in host.services}
    seen = {one for one in known if link(*one) in shown}
    with httpx.Client(base_url=pair.box.url, auth=(user, PASSWORD), timeout=PATIENCE_S) as native:
        items = native.get("/v1/services?limit=0").json()["items"]
        assert {(one["host"], one["description"]) for one in items} == seen
        headers = centreon_headers(native, user)
        rows = native.get("/centreon/api/latest/monitoring/services?limit=1000", headers=headers).json()["result"]
        assert {row["description"] for row in rows} == {description for _, description in seen}
        for host in ("web01", "db01", "gateway"):
            may = pair.original.commit([("cmd_typ", "24"), ("host", host)], user).message == SUCCESS
            ours = native.patch(f"/v1/hosts/{host}", json={"notifications_enabled": True})
            assert (ours.status_code < 300) == may, (host, ours.text)
            if not may:
                path = f"/centreon/api/latest/monitoring/hosts/{pair.box.host_id(host)}/check"
                assert native.post(path, json={"is_forced": True}, headers=headers).status_code in (403, 404), host


def test_a_browser_with_a_password_is_believed_from_our_own_pages_only(pair: Pair) -> None:
    """In our own dialect, too: browsers send passwords by themselves."""
    with httpx.Client(base_url=pair.box.url, auth=(ADMIN, PASSWORD), timeout=PATIENCE_S) as browser:
        for headers, is_taken in (
            ({"Sec-Fetch-Site": "cross-site"}, False), ({"Origin": "http://evil.example"}, False), ({"Origin": "null"}, False),
            ({"User-Agent": "Mozilla/5.0"}, False), ({"Origin": pair.box.url, "User-Agent": "Mozilla/5.0"}, True), ({}, True),
        ):  # fmt: skip
            answer = browser.patch("/v1/hosts/web01", json={"notifications_enabled": True}, headers=headers)
            assert (answer.status_code < 300) == is_taken, (headers, answer.text)
            assert browser.get("/v1/hosts/web01", headers=headers).status_code == 200
        assert browser.get("/v1/hosts", auth=("ann", "wrong")).headers["WWW-Authenticate"].startswith("Bearer")


def link(host: str, service: str) -> str:
    return f"extinfo.cgi?type=2&host={quote_plus(host)}&service={quote_plus(service)}"


# --- pages that programs scrape: read by both in a scraper's way ------------------------------------------------------------------

_NAMES = re.compile(
    r"^<td align='?left'? valign=center class='(\w+)'><a href='(extinfo\.cgi\?[^']+)'(?: title='[^']*')?>(.*?)</a>", re.M
)
_ROWS = re.compile(
    r"^<td class='status(\w+)'>(\w+)</td>\n<td class='(\w+)' nowrap>(.*?)</td>\n<td class='\w+' nowrap>.*?</td>\n"
    r"(?:<td class='\w+'>(\d+/\d+)</td>\n)?<td class='(\w+)' valign='center'>(.*?)</td>", re.M,
)  # fmt: skip
_ICONS = re.compile(
    r"<a href='([^']+)'><IMG SRC='(?:\.\./images/)?(\w+\.gif)' border=0 WIDTH=20 HEIGHT=20 ALT='([^']+)' TITLE='([^']+)'"
)
_TOTALS = re.compile(r"^<br /><div class='itemTotalsTitle'>(.*?)</div>", re.M)
_ENTRIES = re.compile(r"^<tr CLASS='(?:comment|downtime)(?:Even|Odd)'>(.*(?:\n<td><a.*)?)", re.M | re.IGNORECASE)
_CELLS = re.compile(r"<td CLASS='\w+'>(.*?)</td>|<a href='([^']+)'><img src='(?:\.\./images/)?(\w+\.gif)'", re.IGNORECASE)
_FACTS = re.compile(
    r"CLASS='dataVar'[^>]*>(.*?)(?:&nbsp;|\xa0)*</td><td CLASS='dataVal'>(?:<DIV CLASS='(\w+)'>)?(.*?)</td>", re.IGNORECASE
)
_COMMANDS = re.compile(r"<a href='(cmd\.cgi\?cmd_typ=[^']+)'>(.*?)</a>")


def read(pattern: re.Pattern[str], page: str) -> list[tuple[str, ...]]:
    return [tuple(html.unescape(re.sub(r"<[^>]+>", "", part or "")) for part in found.groups()) for found in pattern.finditer(page)]


@pytest.mark.parametrize("user", [ADMIN, "bob", "carl"])
@pytest.mark.parametrize(
    "query",
    ["host=all", "host=web01", "hostgroup=web&style=detail", "servicegroup=disks&style=detail", "hostgroup=all&style=hostdetail",
     "host=all&servicestatustypes=28", "host=all&servicestatustypes=28&serviceprops=10", "host=all&hoststatustypes=12",
     "host=all&serviceprops=1",
     "hostgroup=all&style=hostdetail&hoststatustypes=12&hostprops=42", "host=all&sorttype=2&sortoption=3"],
)  # fmt: skip
def test_status_pages_read_the_same(pair: Pair, query: str, user: str) -> None:
    def facts(page: str) -> list[list[tuple[str, ...]]]:
        return [read(pattern, page) for pattern in (_ROWS, _NAMES, _ICONS, _TOTALS)]

    def look() -> tuple[object, object]:
        theirs = pair.original.run("status.cgi", query, user)
        ours = plain_http.get(f"{pair.box.url}/nagios/cgi-bin/status.cgi?{query}", auth=(user, PASSWORD)).text
        return facts(theirs), facts(ours)

    until_same(look, query)


def test_a_limit_is_kept_and_the_rest_can_be_had(pair: Pair) -> None:
    """The original shows one more than it says, and names the first page's last result wrongly."""
    url = f"{pair.box.url}/nagios/cgi-bin/status.cgi?host=all&limit=3"
    first, second = (plain_http.get(url + more, auth=(ADMIN, PASSWORD)).text for more in ("", "&start=4"))
    assert [len(read(_ROWS, page)) for page in (first, second)] == [3, 3]
    assert read(_TOTALS, second) == [("Results 4 - 6 of 14 Matching Services",)]


@pytest.mark.parametrize("user", [ADMIN, "carl"])
@pytest.mark.parametrize("number", [3, 6])
def test_lists_of_comments_and_downtimes_read_the_same(pair: Pair, number: int, user: str) -> None:
    def rows(page: str) -> list[list[tuple[str, ...]]]:
        return sorted(read(_CELLS, found[1]) for found in _ENTRIES.finditer(page))

    def look() -> tuple[object, object]:
        theirs = pair.original.run("extinfo.cgi", f"type={number}", user)
        ours = plain_http.get(f"{pair.box.url}/nagios/cgi-bin/extinfo.cgi?type={number}", auth=(user, PASSWORD)).text
        return rows(theirs), rows(ours)

    until_same(look, f"type={number}")


def test_one_objects_page_reads_the_same(pair: Pair) -> None:
    # Flapping is not shown by the original while the whole core does not look for it: ours says what the object's row says.
    moving = (
        "Is This Host Flapping?",
        "Is This Service Flapping?",
        "Last Update:",
        "Current Status:",
        "Host Status:",
        "Performance Data:",
    )

    def look(query: str) -> tuple[object, object]:
        """The facts that ours shows, and no command of the original's is missing."""
        theirs = pair.original.run("extinfo.cgi", query)
        ours = plain_http.post(f"{pair.box.url}/nagios/cgi-bin/extinfo.cgi", content=query, auth=(ADMIN, PASSWORD)).text
        facts, wanted = ({one[0]: one[1:] for one in read(_FACTS, page) if one[0] not in moving} for page in (ours, theirs))
        missing = {one[0] for one in read(_COMMANDS, theirs)} - {one[0] for one in read(_COMMANDS, ours)}
        return ({name: wanted.get(name) for name in facts}, set()), (facts, missing)

    for query in ("type=1&host=web01", "type=2&host=web01&service=HTTP", "type=1&host=lonely"):
        until_same(lambda query=query: look(query), query)
    for query in ("type=1&host=nowhere", "type=2&host=web01&service=nowhere"):
        assert "errorMessage" in plain_http.get(f"{pair.box.url}/nagios/cgi-bin/extinfo.cgi?{query}", auth=(ADMIN, PASSWORD)).text


def test_events_come_by_the_same_rights_and_end_with_them(pair: Pair) -> None:
    """Last of this file: it changes states and, for a moment, the rights."""
    tokens = {name: pair.box.add_user(name, "reader") for name in ("bob", "watcher")}
    cgi_cfg = pair.original.folder / "cgi.cfg"
    before = cgi_cfg.read_text()
    with (
        reading(pair.box, tokens["bob"], snapshot=1, type="state") as bob,
        reading(pair.box, tokens["watcher"], type="state") as watcher,
    ):
        bob.wait(lambda one: one.named("snapshot_ends"), "the snapshot's end")
        told = {(event.data["host"], event.data["service"]) for event in bob.named("state")}
        headers = {"Authorization": f"Bearer {tokens['bob']}"}
        with httpx.Client(base_url=pair.box.url, headers=headers, timeout=PATIENCE_S) as client:
            listed = {(one["name"], None) for one in client.get("/v1/hosts?limit=0").json()["items"]}
            listed |= {(one["host"], one["description"]) for one in client.get("/v1/services?limit=0").json()["items"]}
        assert told == listed and ("db01", "PostgreSQL") in told and ("lonely", None) not in told
        pair.core.send("START_ACCEPTING_PASSIVE_HOST_CHECKS", "START_ACCEPTING_PASSIVE_SVC_CHECKS")  # the tests above end both
        pair.core.send("PROCESS_HOST_CHECK_RESULT;lonely;1;not his", "PROCESS_SERVICE_CHECK_RESULT;db01;PostgreSQL;2;his")
        bob.wait_for(output="his")
        watcher.wait_for(output="his")
        watcher.wait_for(output="not his")
        assert {event.data["host"] for event in bob.named("state")} <= {host for host, _ in listed}
        try:
            _replace(cgi_cfg, before.replace(",watcher", ""))
            watcher.wait(lambda one: one.ended, "the stream of who sees less now ends")
            assert watcher.seen[-1].name == "end" and not bob.ended
        finally:
            _replace(cgi_cfg, before)


def test_a_contact_of_a_service_alone_commands_it_in_every_dialect(pair: Pair) -> None:
    """Its host he does not see. Last, with the one before: checks change states."""
    asked = [("cmd_typ", "7"), ("host", "web02"), ("service", "Load"), ("start_time", clock(time.time())), ("force_check", "on")]
    assert pair.original.commit(asked, "carl").message == SUCCESS
    assert message_of(pair.ours(asked, "carl").text) == SUCCESS
    with httpx.Client(base_url=pair.box.url, auth=("carl", PASSWORD), timeout=PATIENCE_S) as carl:
        assert carl.get("/v1/hosts/web02").status_code == 404
        taken = carl.post("/v1/checks", json={"host": "web02", "service": "Load"})
        assert taken.status_code < 300, taken.text
        headers = centreon_headers(carl, "carl")
        rows = carl.get("/centreon/api/latest/monitoring/services?limit=1000", headers=headers).json()["result"]
        (row,) = [one for one in rows if (one["host"]["name"], one["description"]) == ("web02", "Load")]
        path = f"/centreon/api/latest/monitoring/hosts/{row['host']['id']}/services/{row['id']}"
        assert carl.get(path, headers=headers).status_code == 200
        answer = carl.post(f"{path}/check", json={"is_forced": True}, headers=headers)
        assert answer.status_code == 204, answer.text
        assert carl.get(path.partition("/services")[0], headers=headers).status_code == 404


def test_a_command_that_reaches_further_names_nothing_out_of_sight(pair: Pair) -> None:
    """carl may have downtime set below his host, as by the original; which hosts stand there he is not told."""
    now = time.time()
    asked = [("cmd_typ", "55"), ("host", "web01"), ("com_data", "below"), ("fixed", "1"), ("childoptions", "2")]
    asked += [("start_time", clock(now + 60)), ("end_time", clock(now + 600))]
    assert pair.original.commit(asked, "carl").message == SUCCESS
    answer = pair.ours(asked, "carl")
    assert message_of(answer.text) == SUCCESS
    with httpx.Client(base_url=pair.box.url, auth=("carl", PASSWORD), timeout=PATIENCE_S) as carl:
        seen = {one["name"] for one in carl.get("/v1/hosts?limit=0").json()["items"]}
        assert "web01" in seen and "web03" not in seen
        body = {
            "host": "web01",
            "start": "now",
            "duration": 600,
            "comment": "below",
            "with_children": "independent",
            "dry_run": True,
        }
        arguments = {"host": "web01", "start": now + 60, "end": now + 600, "fixed": True, "duration": 0, "comment": "x"}
        word = {"command": "SCHEDULE_AND_PROPAGATE_HOST_DOWNTIME", "arguments": arguments}
        told = [
            carl.get(f"/v1/commands/{answer.headers['Signalbox-Command']}").text,
            carl.post("/v1/downtimes", json=body).text,
            carl.post("/v1/commands", json=word).text,
            carl.get("/v1/downtimes?limit=1000").text,
        ]
    assert [text[:300] for text in told if "web01" not in text] == []
    assert [text for text in told if "web03" in text] == []


def test_what_is_out_of_sight_is_refused_like_what_is_not_there(pair: Pair) -> None:
    """By the words of a refusal nobody learns which groups and contacts there are."""
    window = [("com_data", "x"), ("fixed", "1"), ("start_time", clock(time.time())), ("end_time", clock(time.time() + 600))]
    for number, kind, name in ((84, "hostgroup", "web"), (121, "servicegroup", "disks")):
        asked = [[("cmd_typ", str(number)), (kind, word), *window] for word in (name, "no such one")]
        texts = [pair.ours(one, "nobody").text.replace(name, "NAME").replace("no such one", "NAME") for one in asked]
        assert texts[0] == texts[1] and REFUSED in texts[0]
    with httpx.Client(base_url=pair.box.url, auth=("bob", PASSWORD), timeout=PATIENCE_S) as bob:
        for kind, name in (("contact", "ann"), ("contactgroup", "admins")):
            asked = [
                {"command": f"ENABLE_{kind.upper()}_HOST_NOTIFICATIONS", "arguments": {kind: word}} for word in (name, "none-such")
            ]
            answers = [bob.post("/v1/commands", json=one) for one in asked]
            assert answers[0].status_code == answers[1].status_code == 403 and answers[0].json() == answers[1].json()


def test_an_objects_page_names_no_parent_out_of_sight(pair: Pair) -> None:
    """carl sees web01 by an escalation, and not the gateway above it."""
    url = f"{pair.box.url}/nagios/cgi-bin/extinfo.cgi?type=1&host=web01"
    pages = [plain_http.get(url, auth=(user, PASSWORD)).text for user in (ADMIN, "carl")]
    assert ["host=gateway" in page for page in pages] == [True, False]
    assert "Host State Information" in pages[1]


def _replace(path: Path, text: str) -> None:
    """At once: half a file would be other rights for everybody."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)
