"""Every list of state takes the same: search, plain fields, order, pages, members, lines, tags; within the caller's scope."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.api.support_desk import NOW, Front

LINES = "application/x-ndjson"
HOST_LISTS = ("hosts", "services", "problems")
CONFIGURED = ("hostgroups", "servicegroups", "contactgroups", "contacts", "timeperiods", "check-commands")
ENTRIES = ("downtimes", "acknowledgements", "comments")
EVERY = (*HOST_LISTS, *CONFIGURED, *ENTRIES, "pollers")
OBJECTS = {"view", "custom_variables", "hosts", "services"}  # members that hold members


@pytest.fixture
def full(front: Front) -> Front:
    """With something in every list."""
    of_all = (("web01", None, "Größe 100%"), ("db01", "SQL", "a_b"), ("web01", "HTTP", 'x"; --'), ("db01", None, "again"))
    for host, service, comment in of_all:
        of = {"host": host} | ({"service": service} if service else {})
        assert front.post("/v1/comments", of | {"comment": comment}).status == 202
        assert front.post("/v1/downtimes", of | {"comment": comment, "duration": 600}).status == 202
        if (host, service) != ("web01", None):
            assert front.post("/v1/acknowledgements", of | {"comment": comment}).status == 202
    return front


def _found(front: Front, noun: str, query: str = "") -> Any:
    reply = front.get(f"/v1/{noun}?{query}")
    assert reply.status == 200, reply.body
    return reply.json["items"]


def _search(search: object) -> str:
    return f"search={quote(orjson.dumps(search))}"


@pytest.mark.parametrize("noun", EVERY)
def test_every_list_takes_the_whole_language(full: Front, noun: str) -> None:
    everything = _found(full, noun, "limit=0")
    assert everything, "a list of nothing shows nothing"
    for name in everything[0].keys() - OBJECTS:
        assert len(_found(full, noun, f"limit=0&sort=-{name}")) == len(everything), name
        both = {"$or": [{name: None}, {name: {"$neq": None}}]}
        assert _found(full, noun, f"limit=0&{_search(both)}") == everything, name
    only = _found(full, noun, "limit=0&fields=poller,poller") if "poller" in everything[0] else []
    assert all(list(item) == ["poller"] for item in only)
    assert _found(full, noun, "limit=1&page=2") == everything[1:2]
    lines = full.get(f"/v1/{noun}?limit=0", accept=LINES)
    assert lines.headers["content-type"] == LINES and int(lines.headers["signalbox-total"]) == len(everything)
    assert [orjson.loads(line) for line in lines.body.splitlines()] == everything
    refused = full.get(f"/v1/{noun}?nope=1").problem(400, "invalid_search")
    assert refused["field"] == "nope"
    full.get(f"/v1/{noun}?sort=nope").problem(400, "invalid_search")
    full.get(f"/v1/{noun}?fields=nope").problem(400, "invalid_search")
    name = "host" if noun in ENTRIES or noun in HOST_LISTS else "name"
    assert full.get(f"/v1/{noun}?{_search({name: {'$foo': 1}})}").problem(400, "invalid_search")["operator"] == "$foo"


@pytest.mark.parametrize("noun", EVERY)
def test_what_did_not_change_is_not_sent_again(full: Front, noun: str) -> None:
    for query in ("limit=2", "limit=0", "sort=-poller", "poller=north"):
        target = f"/v1/{noun}?{query}"
        first = full.get(target)
        again = full.get(target, if_none_match=first.headers["etag"])
        assert (again.status, again.body) == (304, b""), target
        assert full.by("wim").get(target, if_none_match=first.headers["etag"]).status == 200, "a tag is of who asked"


@pytest.mark.parametrize("noun", ENTRIES)
def test_a_tag_of_entries_is_another_when_one_of_them_is(full: Front, noun: str) -> None:
    """They change in the journal, of which state.db knows nothing."""
    target = f"/v1/{noun}?present=any&limit=2"
    before = full.get(target)
    oldest = full.get(f"/v1/{noun}?sort=id").json["items"][0]["id"]
    assert full.delete(f"/v1/{noun}/{oldest}").status == 200
    assert full.get(target, if_none_match=before.headers["etag"]).status == 304, "beyond the page, and as many as before"
    newest = before.json["items"][0]["id"]
    assert full.delete(f"/v1/{noun}/{newest}").status == 200
    after = full.get(target, if_none_match=before.headers["etag"])
    assert after.status == 200 and after.json["items"][0]["present"] is False
    page = f"/v1/{noun}?sort=id&limit=1"
    first = full.get(page).headers["etag"]
    assert (
        full.post(f"/v1/{noun}", {"host": "db01", "comment": "new"} | ({"duration": 60} if noun == "downtimes" else {})).status
        == 202
    )
    assert full.get(page, if_none_match=first).status == 200, "the same row, of one more"
    all_before = full.get(f"/v1/{noun}?limit=0").headers["etag"]
    assert full.delete(f"/v1/{noun}/{full.get(f'/v1/{noun}').json['items'][-1]['id']}").status == 200
    assert full.get(f"/v1/{noun}?limit=0", if_none_match=all_before).status == 200


def test_an_item_is_what_the_object_is_when_asked_for_alone(full: Front) -> None:
    """Lists are made of columns, single objects of rows: every member must come out the same."""
    for noun in ENTRIES:
        for item in _found(full, noun, "limit=0&present=any"):
            assert item == full.get(f"/v1/{noun}/{item['id']}").json
    for item in _found(full, "contacts", "limit=0"):
        assert item == full.get(f"/v1/contacts/{item['name']}?poller={item['poller']}").json["contact"]
    for item in _found(full, "pollers", "limit=0"):
        assert item == full.get(f"/v1/pollers/{item['name']}").json
    for noun in ("timeperiods", "check-commands"):
        for item in _found(full, noun, "limit=0"):
            assert item == full.get(f"/v1/{noun}/{item['name']}?poller={item['poller']}").json
    for user in ("anna", "wim"):
        for poller in ("poller=south", "limit=7"):
            for noun in ("hostgroups", "servicegroups"):
                for item in _found(full.by(user), noun, poller):
                    assert item == full.by(user).get(f"/v1/{noun}/{item['name']}?{poller}").json["group"]
    for item in _found(full, "contactgroups"):
        alone = full.get(f"/v1/contactgroups/{item['name']}").json
        assert (item["alias"], item["member_count"]) == (alone["alias"], alone["total"])


def test_groups_are_found_by_what_stands_in_them(front: Front) -> None:
    def names(noun: str, query: str, user: str = "anna") -> list[str]:
        return [item["name"] for item in _found(front.by(user), noun, query)]

    assert names("hostgroups", "host=db01") == ["data"]
    assert names("hostgroups", "sort=-hosts.down") == ["data", "web"]
    assert names("hostgroups", _search({"service.state": "UNKNOWN"})) == ["web"]
    assert names("hostgroups", f"poller=north&{_search({'service.state': 'UNKNOWN'})}") == [], "of that poller's part"
    assert names("servicegroups", "host.name=web01&pollers=south&services.critical=1") == ["sites"]
    assert names("contactgroups", "contact=ann&member_count=2") == ["staff"]
    assert names("contacts", "contactgroup=staff&can_submit_commands=false") == ["bob"]
    assert names("timeperiods", _search({"ranges.day": {"$lk": "december%"}})) == ["holidays"]
    assert names("check-commands", _search({"line": {"$rg": "check_p.ng"}})) == ["ping"]


HIDDEN = ("db01", "no such host")


@pytest.mark.parametrize("noun", [*CONFIGURED, *ENTRIES])
def test_what_is_out_of_scope_answers_as_what_was_made_up(full: Front, noun: str) -> None:
    """wim sees the group `web`: db01 with all that stands on it answers to him as a name that nobody ever gave."""
    wim = full.by("wim")
    for field in ("host", "host.name", "hostgroup", "service", "name", "author", "comment", "contact", "contactgroup", "alias"):
        hidden = {"host": "db01", "host.name": "db01", "hostgroup": "data", "service": "SQL", "name": "data"}.get(field, "a_b")
        for operator in ("$eq", "$lk", "$in", "$neq", "$gt"):
            hid, made_up = (
                wim.get(f"/v1/{noun}?limit=0&{_search({field: {operator: name}})}") for name in (hidden, f"{hidden}~never")
            )
            assert hid.status == made_up.status
            if hid.status == 200:
                assert hid.json == made_up.json, (field, operator)
            else:
                assert hid.json["detail"].replace(hidden, "") == made_up.json["detail"].replace(f"{hidden}~never", "")
    seen = _found(wim, noun, "limit=0")
    assert len(seen) < len(_found(full, noun, "limit=0")) or noun == "servicegroups"
    for name in _found(full, noun)[0].keys() - OBJECTS:
        assert sorted(map(str, _found(wim, noun, f"limit=0&sort={name}"))) == sorted(map(str, seen))


@pytest.mark.parametrize("noun", ["comments", "contacts", "timeperiods", "check-commands", "hosts", "services", "problems"])
def test_poller_means_that_poller_alone(full: Front, noun: str) -> None:
    assert full.post("/v1/comments", {"host": "branch01", "comment": "far"}).status == 202
    everything = _found(full, noun, "limit=0&sort=id" if noun in (*HOST_LISTS, *ENTRIES) else "limit=0")
    for poller in ("north", "south"):
        shown = _found(full, noun, f"limit=0&poller={poller}" + ("&sort=id" if noun in (*HOST_LISTS, *ENTRIES) else ""))
        assert shown == [item for item in everything if item["poller"] == poller]
    assert [item["name"] for item in _found(full, "contactgroups", "poller=south")] == []


def test_pollers_are_found_by_how_they_are(front: Front) -> None:
    front.clock.at += 5  # between their limits: both are 10 s old
    assert [item["name"] for item in _found(front, "pollers", "sort=-name&fields=name")] == ["south", "north"]
    assert _found(front, "pollers", _search({"version": {"$lk": "4.4.%"}, "number": 2, "stale": False}))[0]["age_s"] == 10
    assert _found(front, "pollers", "age_s=10&created_at_older_than=9s&poller=north")[0]["name"] == "north"
    assert _found(front, "pollers", "health=ok") == []


def test_old_parameters_of_entries_keep_their_meaning(full: Front) -> None:
    """`host=` is exact and with its case, as it always was; in a search it is as every text."""
    assert {item["host"] for item in _found(full, "comments", "host=db01")} == {"db01"}
    assert _found(full, "comments", "host=DB01") == []
    assert len(_found(full, "comments", _search({"host": "DB01"}))) == 2
    assert len(_found(full, "comments", f"host=db01&service=SQL&{_search({'author': 'ANNA'})}")) == 1
    full.get("/v1/comments?service=SQL").problem(422, "invalid_field")
    full.get("/v1/comments?present=perhaps").problem(422, "invalid_field")


def test_ages_are_searched_and_sorted_by(front: Front) -> None:
    for noun in HOST_LISTS:
        for sort in ("age_s", "-age_s"):
            items = _found(front, noun, f"limit=0&sort={sort},id")
            assert [item["id"] for item in items] == sorted(item["id"] for item in items), "all of one age here"
    ages = {item["age_s"] for item in _found(front, "problems")}
    assert len(ages) == 1
    (age,) = ages
    for operator, wanted, count in (("$eq", age, 4), ("$gt", age, 0), ("$ge", age, 4), ("$lt", age + 1, 4), ("$in", [age, 7], 4)):
        reply = front.get(f"/v1/problems?{_search({'age_s': {operator: wanted}})}")
        assert reply.json["total"] == count, operator
        assert "etag" not in reply.headers, "another moment, another answer"
    front.get("/v1/hosts?age_s_older_than=1h").problem(400, "invalid_search")
    assert front.clock.at == NOW


def test_a_caller_without_a_poller_gets_empty_lists(front: Front) -> None:
    """Of no poller there is no view to show, and no name to find."""
    from engine.journal import accounts
    from engine.journal.store import Journal
    from engine.state.scope import Scope

    journal = Journal.open(front.desk.config.data)
    with journal.transaction() as connection:
        user = accounts.add_user(connection, "nil", accounts.Role.READER, "none", NOW, scope=Scope(pollers=frozenset()))
        accounts.add_token(connection, "nil-token", user, "secret-of-nil", NOW)
    journal.close()
    for noun in EVERY:
        assert _found(front.by("nil"), noun, "limit=0") == [], noun
