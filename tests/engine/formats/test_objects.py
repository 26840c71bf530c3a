"""Object caches: the recorded ones, names with commas, files seen half-written, and any bytes at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FormatError
from engine.formats.objects import is_whole, parse_object_cache
from engine.model import ContactConfig, GroupConfig, HostConfig

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
FOLDERS = ("nagios-4.4.6", "icinga2-2.13.6")
_NEWER = {"obsess_over_host": "obsess", "obsess_over_service": "obsess", "hourly_value": "importance"}
WRITTEN = ("nagios-3.5.1", "naemon-1.5.2", "icinga-1.14.2")  # by hand, from what is known of these cores


def golden(folder: str) -> bytes:
    return (GOLDEN / folder / "objects.cache").read_bytes()


def definitions(raw: bytes) -> list[tuple[str, dict[str, str]]]:
    """A slow and plain reader of our own."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in raw.decode("utf-8").split("\n"):
        if line.startswith("define "):
            found.append((line.split(" ")[1], {}))
        elif line.startswith("\t") and line != "\t}":
            key, _, value = line[1:].partition("\t")
            found[-1][1][key] = value
    return found


@pytest.mark.parametrize("folder", (*FOLDERS, *WRITTEN))
def test_every_field_is_what_a_plain_reader_reads(folder: str) -> None:
    raw = golden(folder)
    cache = parse_object_cache(raw)
    for kind, rows in (("host", cache.hosts), ("service", cache.services)):
        expected = [values for found, values in definitions(raw) if found == kind]
        assert len(rows) == len(expected) >= (3 if folder in WRITTEN else 6)
        for row, values in zip(rows, expected, strict=True):
            for name, value in row._asdict().items():  # type: ignore[attr-defined]
                key = {"name": "host_name", "description": "service_description"}.get(name, name)
                if name == "directives":
                    assert json.loads(value).items() <= values.items() | {
                        (_NEWER[key], text) for key, text in values.items() if key in _NEWER
                    }
                elif name == "custom_variables":
                    assert json.loads(value) == {key[1:]: text for key, text in values.items() if key.startswith("_")}
                elif isinstance(value, tuple):
                    assert ",".join(value) == values.get(key, "")
                elif isinstance(value, str):
                    absent = values["host_name"] if kind == "host" else values["service_description"]
                    assert value == values.get(key, absent if name in ("display_name", "alias") else "")
                else:
                    assert value == float(values.get(key, 0))


def test_objects_of_nagios() -> None:
    cache = parse_object_cache(golden("nagios-4.4.6"))
    hosts = {host.name: host for host in cache.hosts}
    assert set(hosts) == {"web01", "a+b", "Größe", "C:\\ 90%", "#1?", "h,1"}
    assert hosts["web01"].alias == "Web server; the first"  # the core's own programs cut here
    assert set(hosts["Größe"].parents) == {"web01", "a+b"}
    assert json.loads(hosts["Größe"].custom_variables) == {"HOST_ID": "4711"}
    assert (hosts["C:\\ 90%"].address, hosts["#1?"].address) == ("192.0.2.7", "2001:db8::1")
    assert (hosts["h,1"].icon_image, hosts["h,1"].icon_image_alt) == ("server.png", "a server")
    assert (hosts["h,1"].notes, hosts["h,1"].action_url) == ("of note", "http://192.0.2.1/$HOSTNAME$")
    assert hosts["web01"].display_name == "web01"
    assert (hosts["web01"].check_interval, hosts["web01"].max_check_attempts) == (5.0, 1)
    assert hosts["web01"].notification_interval == 30.0
    assert hosts["web01"].contacts == ("nobody-in-particular",)
    services = {(service.host_name, service.description): service for service in cache.services}
    assert json.loads(services["a+b", "HTTP"].custom_variables) == {"NOTE": "Bob ; semi = colon"}
    (contact,) = cache.contacts
    assert contact == ContactConfig(
        *("nobody-in-particular", "nobody-in-particular", "", 1, "", "always", "always", "n", "n"),
        *(("tell-nobody",), ("tell-nobody",), 1, 1, "{}"),
    )
    (period,) = cache.timeperiods
    assert (period.name, period.alias, period.exclude) == ("always", "always", ())
    assert sorted(period.ranges) == sorted(
        (f"{day}day", "00:00-24:00") for day in ("sun", "mon", "tues", "wednes", "thurs", "fri", "satur")
    )
    assert [(command.name, command.line.rpartition("/")[2]) for command in cache.commands] == [
        ("answer", "$ARG1$"), ("tell-nobody", "true"),
    ]  # fmt: skip
    groups = {group.name: group for group in cache.groups}
    assert (groups["disks"].notes, groups["disks"].notes_url, groups["web"].notes_url) == ("", "http://192.0.2.1/?a=b", "")


@pytest.mark.parametrize("folder", FOLDERS)
def test_members_whose_names_hold_commas(folder: str) -> None:
    groups = {(group.kind, group.name): group for group in parse_object_cache(golden(folder)).groups}
    assert set(groups) == {("hostgroup", "all of them"), ("hostgroup", "web"), ("servicegroup", "disks")}
    assert set(groups["servicegroup", "disks"].members) == {("#1?", "C:, D:"), ("#1?", "C:")}
    assert groups["servicegroup", "disks"].alias == "Disks of all kinds"
    assert set(groups["hostgroup", "all of them"].members) == {(name, None) for name in ("web01", "a+b", "Größe", "#1?", "h,1")}
    assert groups["hostgroup", "web"].members == (("web01", None),)


@pytest.mark.parametrize("folder", WRITTEN)
def test_objects_of_cores_that_are_not_installed_here(folder: str) -> None:
    cache = parse_object_cache(golden(folder))
    groups = {(group.kind, group.name): group for group in cache.groups}
    assert groups["hostgroup", "web"].members == (("web01", None), ("a,b", None))
    assert groups["servicegroup", "disks"].members == (("web01", "C:, D:"), ("web01", "Disk /var"), ("a,b", "PING"))
    hosts = {host.name: host for host in cache.hosts}
    assert (hosts["a,b"].parents, hosts["gate"].parents) == (("gate",), ())
    assert json.loads(hosts["web01"].custom_variables) == {"RACK": "B 12 ; left"}
    assert hosts["web01"].notes_url == "https://wiki.example.net/?h=1;x"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_part_of_it_is_never_taken_for_the_whole(folder: str) -> None:
    """Nagios writes it in place: a reader may see any beginning of it. Those that end with a block cannot be told."""
    raw = golden(folder)
    assert is_whole(raw)
    whole = parse_object_cache(raw)
    for end in range(0, len(raw), 7):
        part = raw[:end]
        assert is_whole(part) == (re.search(rb"\n\t?}\n+\Z", part) is not None)
        if not is_whole(part):
            with pytest.raises(FormatError, match="being written"):
                parse_object_cache(part)
        else:
            assert len(parse_object_cache(part).hosts) <= len(whole.hosts)


def cache_of(*blocks: str) -> bytes:
    return "".join(f"define {block}\n\t}}\n\n" for block in blocks).encode()


def test_a_blank_behind_values_is_dropped() -> None:
    """Nagios >= 4.4.7 writes one."""
    cache = parse_object_cache(
        cache_of(
            "host {\n\thost_name\th \n\taddress\t192.0.2.1 \n\tcheck_interval\t5.000000\n\t_X\ta b ",
            "hostgroup {\n\thostgroup_name\tg \n\tmembers\th ",
        )
    )
    assert (cache.hosts[0].name, cache.hosts[0].address, cache.hosts[0].custom_variables) == ("h", "192.0.2.1", '{"X":"a b"}')
    assert cache.groups == (GroupConfig("hostgroup", "g", "g", (("h", None),)),)


def test_lists_contacts_and_empty_lines() -> None:
    cache = parse_object_cache(
        cache_of(
            "contactgroup {\n\tcontactgroup_name\tadmins\n\talias\tThe admins\n\tmembers\talice,bob",
            "contact {\n\tcontact_name\talice\n\talias\tAlice\n\temail\talice@example.org\n\tcan_submit_commands\t0",
            "contact {\n\tcontact_name\tbob",
            "host {\n\thost_name\th\n\t\n\tparents\tp, q\n\tcontacts\talice,bob\n\tcontact_groups\tadmins",
        )
    )
    assert cache.groups == (GroupConfig("contactgroup", "admins", "The admins", (("alice", None), ("bob", None))),)
    assert cache.contacts == (ContactConfig("alice", "Alice", "alice@example.org", 0), ContactConfig("bob", "bob", "", 1))
    host = cache.hosts[0]
    assert (host.parents, host.contacts, host.contact_groups) == (("p", "q"), ("alice", "bob"), ("admins",))


def test_members_of_unknown_names_are_taken_as_they_stand() -> None:
    cache = parse_object_cache(
        cache_of(
            "servicegroup {\n\tservicegroup_name\tg\n\tmembers\th,s,i,t,odd",
            "hostgroup {\n\thostgroup_name\tempty",
        )
    )
    assert cache.groups[0].members == (("h", "s"), ("i", "t"))
    assert cache.groups[1] == GroupConfig("hostgroup", "empty", "empty", ())


def test_types_that_are_not_ours_and_blocks_without_a_name_are_passed_over() -> None:
    cache = parse_object_cache(
        cache_of("command {\n\tcommand_name\tx\n\tcommand_line\t/bin/sh -c '{ a; }'", "host {\n\talias\tx", "timeperiod {\n\tx\ty")
    )
    assert (cache.hosts, cache.services, cache.groups, cache.contacts) == ((), (), (), ())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\t}\n",
        b"hello\n\t}\n",
        b"define host\n\thost_name\th\n\t}\n",
        b"host {\n\thost_name\th\n\t}\n",
        b"define host {\n\thost_name\th\n\tcheck_interval\tfive\n\t}\n",
        b"define host {\n\thost_name\th\n\tmax_check_attempts\t1e300\n\t}\n",
        b"define host {\n\thost_name\th\n\tmax_check_attempts\tnan\n\t}\n",
    ],
)
def test_what_is_no_object_cache_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(FormatError):
        parse_object_cache(raw)


keys = st.sampled_from(["host_name", "service_description", "members", "servicegroup_name", "parents", "check_interval", "_X", ""])
lines = st.tuples(keys.map(str.encode), st.one_of(st.sampled_from([b"h", b"h,s,h", b"1"]), st.binary(max_size=8)))
blocks = st.tuples(
    st.sampled_from([b"host", b"service", b"hostgroup", b"servicegroup", b"contact", b"command", b"\xff"]),
    st.lists(lines.map(lambda line: b"\t" + b"\t".join(line)), max_size=6).map(b"\n".join),
).map(lambda block: b"define " + block[0] + b" {\n" + block[1] + b"\n\t}\n")


@given(st.one_of(st.binary(max_size=100), st.lists(st.one_of(blocks, st.binary(max_size=5)), max_size=5).map(b"".join)))
def test_any_bytes_give_objects_or_a_format_error(raw: bytes) -> None:
    try:
        cache = parse_object_cache(raw)
    except FormatError:
        return
    assert all(isinstance(host, HostConfig) and host.name for host in cache.hosts)
    repr(cache).encode("utf-8")


names = st.text(st.sampled_from("ab,"), min_size=1, max_size=5).filter(lambda name: name.strip(",") == name and ",," not in name)


@given(st.sets(names, min_size=1, max_size=6))
def test_members_found_are_never_invented(hosts: set[str]) -> None:
    """However commas stand, nothing is lost: joined again, the members are the list."""
    blocks = [f"host {{\n\thost_name\t{name}" for name in sorted(hosts)]
    group = f"hostgroup {{\n\thostgroup_name\tg\n\tmembers\t{','.join(sorted(hosts))}"
    (found,) = parse_object_cache(cache_of(*blocks, group)).groups
    assert ",".join(name for name, _ in found.members) == ",".join(sorted(hosts))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/objects*.cache")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_definition_is_read_otherwise_for_those_before_it(path: Path) -> None:
    raw = path.read_bytes()
    whole = parse_object_cache(raw * 2)
    alone = [parse_object_cache(block + b"\n\t}\n") for block in raw.replace(b"\n}\n", b"\n\t}\n").split(b"\n\t}\n")[:-1]]
    assert whole.hosts == 2 * tuple(host for one in alone for host in one.hosts)
    assert whole.services == 2 * tuple(service for one in alone for service in one.services)


_LINKS = b"""define service {
\thost_name\ta,b
\tservice_description\tC:, D:
\tparents\tPING
\tretry_interval\t1.500000
\tinitial_state\to
\t}

define service {
\thost_name\ta,b
\tservice_description\tPING
\t}

define service {
\thost_name\tdb
\tservice_description\tSQL
\tparents\ta,b,C:, D:,a,b,PING
\t}

define hostescalation {
\thost_name\tdb
\tfirst_notification\t2
\tlast_notification\t0
\tnotification_interval\t30.500000
\tescalation_options\tr,d
\tcontacts\tcarl
\tcontact_groups\tadmins,night
\t}

define servicedependency {
\thost_name\ta,b
\tservice_description\tPING
\tdependent_host_name\tdb
\tdependent_service_description\tSQL
\tinherits_parent\t1
\tnotification_failure_options\tw,u
\texecution_failure_options\tc
\t}

"""


def test_what_objects_hang_on() -> None:
    """Escalations give rights, dependencies and parents explain silence: a name with commas must not break them."""
    cache = parse_object_cache(_LINKS)
    assert cache.service_parents == (
        ("a,b", "C:, D:", "a,b", "PING"),
        ("db", "SQL", "a,b", "C:, D:"),
        ("db", "SQL", "a,b", "PING"),
    )
    assert cache.escalations == (("db", "", 2, 0, 30.5, "", "r,d", ("carl",), ("admins", "night")),)
    assert cache.dependencies == (
        ("notification", "a,b", "PING", "db", "SQL", "", 1, "w,u"),
        ("execution", "a,b", "PING", "db", "SQL", "", 1, "c"),
    )
    assert cache.services[0].directives == '{"retry_interval":"1.500000"}'
