"""Search and order of downtimes and acknowledgements: every key of the reference finds what it must and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from msgspec.structs import replace
from starlette.datastructures import QueryParams

from api.centreon.listing import KEYS
from api.centreon.searching import parse_list
from engine.desk import Caller, EntryFilter
from engine.desk.entries import page_of_entries
from engine.errors import InvalidSearch
from engine.journal import accounts
from engine.journal.history import EntryRow, insert_entry
from engine.state.scope import EVERYTHING
from engine.state.views import Reader
from tests.engine.desk.scene import LINUX_ONLY, OPERATOR, Scene, host, scene_in

T0 = 1_800_000_000.0
REST = {"proof": "confirmed", "present": 1}
DOWNTIMES = [
    EntryRow(1, "downtime", 1, "web01", "", "olga", "disk swap", entry_time=T0, start_time=T0, end_time=T0 + 60, fixed=1, **REST),
    EntryRow(
        2, "downtime", 1, "web01", "HTTP", "Tom K.", "Reboot", entry_time=T0 + 1, start_time=T0 + 5, end_time=T0 + 90, fixed=0,
        duration=30.0, cancelled=1, deleted_at=T0 + 9, proof="confirmed", present=0,
    ),
    EntryRow(3, "downtime", 2, "both", "", "nobody", "", entry_time=T0 + 2, start_time=T0 + 2, end_time=T0 + 4, fixed=1, **REST),
    EntryRow(4, "downtime", 1, "gone", "", "olga", "x", entry_time=T0 + 3, start_time=T0, end_time=T0 + 9, fixed=1, **REST),
]  # fmt: skip
ACKNOWLEDGEMENTS = [
    EntryRow(7, "acknowledgement", 2, "both", "", "olga", "mine", entry_time=T0, sticky=1, notify=0, persistent=1, object_state=1,
             **REST),
    EntryRow(6, "acknowledgement", 1, "web01", "HTTP", "olga", "old", entry_time=T0, object_state=2, end_time=T0 + 1,
             proof="confirmed", present=0),
    EntryRow(8, "acknowledgement", 1, "web01", "HTTP", "rene", "new", entry_time=T0 + 5, sticky=0, notify=1, persistent=0,
             object_state=3, **REST),
]  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("entries")) as made:
        with made.journal.transaction() as connection:
            for row in [*DOWNTIMES, *ACKNOWLEDGEMENTS]:
                insert_entry(connection, row)
            accounts.add_user(connection, "olga", accounts.Role.OPERATOR, "", T0)
            accounts.add_user(connection, "tom", accounts.Role.OPERATOR, "", T0, author="Tom K.")
        made.scan(2, host("both", 2))
        yield made


def found(scene: Scene, kind: str, search: object = None, sort_by: object = None, caller: Caller = OPERATOR) -> list[int]:
    asked_for = {"search": search, "sort_by": sort_by}
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked_for.items() if value is not None}
    asked = parse_list(QueryParams(query), KEYS[kind], T0, EVERYTHING)
    which = replace(EntryFilter(kind=kind), condition=asked.condition, order=asked.order)
    with closing(Reader.open(scene.data)) as reader:
        page = page_of_entries(reader, caller.scope, which, {})
    assert page.total == len(page.rows)
    return [entry.id for entry in page.rows]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ({"id": 2}, [2]),
        ({"id": {"$ge": 3}}, [4, 3]),
        ({"entry_time": {"$gt": T0 + 1}}, [4, 3]),
        ({"is_cancelled": 0}, [4, 3, 1]),
        ({"is_cancelled": True}, [2]),
        ({"comment": "DISK SWAP"}, [1]),
        ({"comment": {"$nk": "%o%"}}, [4, 3, 1]),
        ({"deletion_time": None}, [4, 3, 1]),
        ({"deletion_time": {"$neq": None}}, [2]),
        ({"deletion_time": T0 + 9}, [2]),
        ({"duration": 60}, [1]),
        ({"duration": {"$in": [30, 2]}}, [3, 2]),
        ({"end_time": {"$lt": T0 + 10}}, [4, 3]),
        ({"is_fixed": False}, [2]),
        ({"start_time": {"$le": "2027-01-15T08:00:00Z"}}, [4, 1]),
        ({"host.id": 10**12}, []),
        ({"host.name": "WEB01"}, [2, 1]),
        ({"host.name": {"$rg": "^go"}}, [4]),
        ({"host.alias": {"$lk": "%o%"}}, [3]),
        ({"host.address": {"$neq": None}}, [3, 2, 1]),
        ({"host.display_name": {"$ni": ["web01"]}}, [3]),
        ({"host.state": 2}, [3]),
        ({"host.state": {"$in": [0, 1]}}, [2, 1]),
        ({"poller.id": 2}, [3]),
        ({"contact.id": 1}, [4, 1]),
        ({"contact.id": None}, [3]),
        ({"contact.name": "tom"}, [2]),
        ({"contact.name": "nobody"}, [3]),
        ({"service.description": "http"}, [2]),
        ({"service.display_name": {"$lk": "ht%"}}, [2]),
        ({"$or": [{"id": 1}, {"$and": [{"poller.id": 2}, {"is_fixed": 1}]}]}, [3, 1]),
        ({"$and": [{"is_cancelled": 0}, {"start_time": {"$le": T0 + 3}}, {"end_time": {"$gt": T0 + 5}}]}, [4, 1]),
    ],
)
def test_downtimes(scene: Scene, search: object, ids: list[int]) -> None:
    assert found(scene, "downtime", search) == ids


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ({"author_id": 1}, [6, 7]),
        ({"comment": "new"}, [8]),
        ({"deletion_time": {"$eq": None}}, [8, 7]),
        ({"deletion_time": T0 + 1}, [6]),
        ({"is_notify_contacts": True}, [8]),
        ({"is_persistent_comment": 1}, [7]),
        ({"is_sticky": 0}, [8]),
        ({"poller_id": 2}, [7]),
        ({"state": {"$gt": 1}}, [8, 6]),
        ({"type": 0}, [7]),
        ({"type": 1}, [8, 6]),
        ({"service_id": 0}, [7]),
        ({"service_id": {"$gt": 0}}, [8, 6]),
        ({"service.display_name": "HTTP"}, [8, 6]),
        ({"host_id": {"$gt": 2**33}}, [7]),
    ],
)
def test_acknowledgements_by_object_and_newest_first(scene: Scene, search: object, ids: list[int]) -> None:
    assert found(scene, "acknowledgement", search) == ids


def test_order(scene: Scene) -> None:
    assert found(scene, "downtime") == [4, 3, 2, 1]
    assert found(scene, "downtime", sort_by={"host.name": "asc", "id": "ASC"}) == [3, 4, 1, 2]
    assert found(scene, "downtime", sort_by={"deletion_time": "ASC"}) == [2, 4, 3, 1], "no value comes last"
    assert found(scene, "downtime", sort_by={"contact.id": "DESC"}) == [2, 4, 1, 3]
    assert found(scene, "acknowledgement", sort_by="comment") == [7, 8, 6]


def test_nothing_out_of_scope_is_found(scene: Scene) -> None:
    assert found(scene, "downtime", {"id": {"$gt": 0}}, caller=LINUX_ONLY) == [2, 1]


@pytest.mark.parametrize("search", [{"host_group": 1}, {"id": {"$like": 1}}, {"id": "abc"}, {"start_time": "yesterday"}])
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_what_it_cannot_mean_is_refused(scene: Scene, kind: str, search: object) -> None:
    with pytest.raises(InvalidSearch):
        found(scene, kind, search)
