"""Two pollers behind the JSON CGIs: nothing may hide behind an equal name, and every key of a list can be asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from api.cgi.json_cgis.ask import ask
from engine.journal.store import Journal
from engine.model import CommandConfig, ContactConfig, GroupConfig, ObjectCache, TimeperiodConfig
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING, Scope
from engine.state.views import Reader
from tests.engine.state.rows import (
    CountingMint,
    StatusFile,
    comment,
    downtime,
    host_config,
    host_row,
    poller,
    scan,
    service_row,
)

NOW = 2000
NORTH = ObjectCache(
    hosts=tuple(map(host_config, ("größe", "shared", "web"))),
    groups=(
        GroupConfig("contactgroup", "staff", "staff", (("boss", None),)),
        GroupConfig("hostgroup", "linux", "linux", (("web", None),)),
    ),
    contacts=(ContactConfig("boss", "Boss", "boss@example.org", 1),),
    timeperiods=(TimeperiodConfig("nights", "nights", (("monday", "00:00-06:00"),), ()),),
    commands=(CommandConfig("secret", "$USER1$/check -p hunter2"),),
)


class Asking:
    """Asks one of the CGIs."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __call__(self, query: str, cgi: str = "statusjson.cgi", scope: Scope = EVERYTHING) -> Any:
        raw = b"".join(ask(self._reader, scope, cgi, f"query={query}".encode(), "ann", NOW))
        answer = json.loads(raw, object_pairs_hook=_strict)
        return answer["data"] if answer["result"]["type_code"] == 0 else answer["result"]["message"]


def _strict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """No key may stand twice."""
    assert len({key for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    north = StatusFile(
        hosts=(host_row("größe"), host_row("shared", state=1), host_row("web")),
        services=(service_row("shared", "PING", state=2), service_row("web", "HTTP")),
        downtimes=(downtime("shared", None, 1),),
        comments=(comment("web", "HTTP", 1, "on north"),),
    )
    south = StatusFile(
        hosts=(host_row("db"), host_row("shared")),
        services=(service_row("db", "SQL", state=1), service_row("shared", "PING"), service_row("shared", "Load")),
        comments=(comment("db", "SQL", 1, "on south"),),
    )
    Journal.open(tmp_path).close()
    mirror = Mirror.open(tmp_path / "state.db", CountingMint())
    with closing(mirror):
        mirror.configure([poller(1, "north"), poller(2, "south")])
        parents = ObjectCache(hosts=(host_config("db", parents=("shared",)), host_config("shared")))
        mirror.apply(scan(north, poller=1, cache=NORTH))
        mirror.apply(scan(south, poller=2, cache=parents))
        with closing(Reader.open(tmp_path)) as reader:
            yield Asking(reader)


def test_a_name_of_two_pollers_is_two_keys(asking: Asking) -> None:
    assert asking("hostlist")["hostlist"] == {"größe": 2, "shared": 4, "web": 2, "db": 2, "shared@south": 2}
    found = asking("servicelist")["servicelist"]
    assert found["shared"] == {"PING": 16}
    assert found["shared@south"] == {"Load": 2, "PING": 2}
    assert asking("hostcount")["count"] == {"up": 4, "down": 1, "unreachable": 0, "pending": 0}
    assert asking("servicecount")["count"] == {"ok": 3, "warning": 1, "critical": 1, "unknown": 0, "pending": 0}


def test_every_key_can_be_asked_for(asking: Asking) -> None:
    for cgi in ("statusjson.cgi", "objectjson.cgi"):
        for key, entry in asking("hostlist&details=true", cgi)["hostlist"].items():
            assert asking(f"host&hostname={quote(key)}", cgi)["host"] == entry
        for host, services in asking("servicelist&details=true", cgi)["servicelist"].items():
            for description, entry in services.items():
                question = f"service&hostname={quote(host)}&servicedescription={quote(description)}"
                assert asking(question, cgi)["service"] == entry


def test_entries_say_their_poller(asking: Asking) -> None:
    found = asking("hostlist&details=true")["hostlist"]
    assert {key: (entry["name"], entry["poller"]) for key, entry in found.items()} == {
        "größe": ("größe", "north"), "shared": ("shared", "north"), "web": ("web", "north"), "db": ("db", "south"),
        "shared@south": ("shared", "south"),
    }  # fmt: skip


def test_one_poller_alone(asking: Asking) -> None:
    assert asking("hostlist&poller=south")["hostlist"] == {"db": 2, "shared": 2}
    assert "poller" not in asking("host&poller=south&hostname=shared")["host"]
    assert asking("hostlist&poller=east") == "The poller 'east' could not be found."
    assert asking("hostlist", scope=Scope(pollers=frozenset({2})))["hostlist"] == {"db": 2, "shared": 2}
    assert asking("host&hostname=shared@south&poller=north") == "The host 'shared@south' could not be found."


def test_selectors_mean_the_host_they_name(asking: Asking) -> None:
    assert asking("hostlist&parenthost=shared")["hostlist"] == {}
    assert asking("hostlist&parenthost=shared@south")["hostlist"] == {"db": 2}
    assert asking("servicelist&hostname=shared@south&servicedescription=PING")["servicelist"] == {"shared@south": {"PING": 2}}


def test_pages_go_through_everything_once(asking: Asking) -> None:
    every = list(asking("hostlist")["hostlist"])
    pages = [list(asking(f"hostlist&start={start}&count=2")["hostlist"]) for start in (0, 2, 4)]
    assert [key for page in pages for key in page] == every


def test_comments_of_equal_numbers_are_told_apart(asking: Asking) -> None:
    """Both cores call theirs number 1: the count is two, and with one poller its own number counts."""
    assert asking("commentcount")["count"] == 2
    for name, text in (("north", "on north"), ("south", "on south")):
        assert asking(f"commentcount&poller={name}")["count"] == 1
        assert asking(f"comment&commentid=1&poller={name}")["comment"]["comment_data"] == text


@pytest.mark.parametrize("format", ["", "&formatoptions=whitespace"])
def test_padding_changes_nothing_but_blanks(asking: Asking, format: str) -> None:
    for query in ("hostlist&details=true", "servicelist", "commentlist", "programstatus", "help"):
        assert asking(query + format) == asking(query)


def test_one_that_lists_do_not_show_is_not_shown_by_its_name(asking: Asking) -> None:
    """A contact's address or a command line (they hold passwords) would be had by whoever knows or guesses a name."""
    named = {
        "contact": "contactname=boss",
        "contactgroup": "contactgroup=staff",
        "timeperiod": "timeperiod=nights",
        "command": "command=secret",
    }
    limited = Scope(hostgroups=frozenset({"linux"}))
    assert list(asking("hostlist", scope=limited)["hostlist"]) == ["web"]
    for noun, option in named.items():
        assert isinstance(asking(f"{noun}&{option}", "objectjson.cgi"), dict), noun
        assert asking(f"{noun}list", "objectjson.cgi", limited)[f"{noun}list"] == []
        answer = asking(f"{noun}&{option}", "objectjson.cgi", limited)
        assert isinstance(answer, str) and "could not be found" in answer, noun
