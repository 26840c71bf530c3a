"""The file itself, the pollers in it, their health, and the public ids and configuration a scan brings."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest

from engine.model import ContactConfig, CoreKind, GroupConfig, ObjectCache, ObjectKey, PollerView
from engine.state.frames import Begin, End, Failed, Frame, Rows, Unchanged
from engine.state.mirror import Mirror
from engine.state.scope import EVERYTHING
from engine.state.tables import CONFIG_TABLES, STATUS_TABLES
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
    service_config,
    service_row,
)

FILE = StatusFile(
    hosts=(host_row("a"), host_row("b")),
    services=(service_row("a", "x"),),
    downtimes=(downtime("a", None, 1), downtime("a", "x", 1)),
    comments=(comment("a", None, 1), comment("a", "x", 1)),
)
CACHE = ObjectCache(
    hosts=(host_config("a", parents=("b",), contacts=("ann", "bob")), host_config("b")),
    services=(service_config("a", "x", contact_groups=("admins",), notes="n"),),
    groups=(
        GroupConfig("hostgroup", "g", "group", (("a", None), ("b", None))),
        GroupConfig("servicegroup", "sg", "", (("a", "x"),)),
        GroupConfig("contactgroup", "admins", "", (("ann", None),)),
    ),
    contacts=(ContactConfig("ann", "Ann", "ann@example.org", 1),),
)


def view(reader: Reader, number: int = 1) -> PollerView:
    found = reader.poller(EVERYTHING, number)
    assert found is not None
    return found


# --- the file ------------------------------------------------------------------------------------------------


def test_the_file_is_quick_to_write_and_readable_while_written(mirror: Mirror) -> None:
    connection = mirror._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (0,)
    assert 0 < connection.execute("PRAGMA journal_size_limit").fetchone()[0] <= 64 * 2**20


def test_the_file_is_kept_when_it_is_sound(tmp_path: Path, mirror: Mirror, mint: CountingMint) -> None:
    mirror.apply(scan(FILE))
    mirror.close()
    again = Mirror.open(tmp_path / "state.db", mint)
    reader = Reader.open(tmp_path)
    assert reader.hosts(EVERYTHING)[1] == 2
    assert not reader.is_replaced()
    reader.close()
    again.close()


def test_a_file_that_is_removed_or_replaced_is_known_to_be_lost(tmp_path: Path, mirror: Mirror) -> None:
    path = tmp_path / "state.db"
    assert not mirror.is_lost()
    path.rename(tmp_path / "old")
    assert mirror.is_lost()
    path.write_bytes(b"another")
    assert mirror.is_lost()


def _damage(path: Path) -> None:
    """Spoil one page that nobody reads before a host is asked for."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'host'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    blob = bytearray(path.read_bytes())
    blob[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(bytes(blob))


def _other_schema(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET schema_version = -1")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [
        _damage,
        _other_schema,
        lambda path: path.write_bytes(b"not a database at all" * 500),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
    ids=["damaged", "other schema", "no database", "empty", "missing"],
)
def test_an_unsound_file_is_made_anew(tmp_path: Path, mirror: Mirror, mint: CountingMint, spoil: object) -> None:
    mirror.apply(scan(FILE, cache=CACHE))
    path = tmp_path / "state.db"
    old = Reader.open(tmp_path)
    mirror._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    mirror.close()
    spoil(path)  # type: ignore[operator]

    again = Mirror.open(path, mint)
    again.configure([poller(1)])
    assert old.is_replaced()
    old.close()
    assert again.apply(scan(FILE, cache=CACHE)).generation == 1
    reader = Reader.open(tmp_path)
    assert reader.hosts(EVERYTHING)[1] == 2
    assert again._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    reader.close()
    again.close()


# --- pollers ------------------------------------------------------------------------------------------------


def _rows_of(mirror: Mirror, number: int) -> int:
    count = "SELECT count(*) FROM {} WHERE poller = ?"
    tables = (*STATUS_TABLES, *CONFIG_TABLES)
    return sum(mirror._connection.execute(count.format(table), (number,)).fetchone()[0] for table in tables)


def test_pollers_no_longer_configured_leave_nothing(mirror: Mirror, reader: Reader) -> None:
    for number in (1, 2):
        mirror.apply(scan(FILE, poller=number, cache=CACHE))
    kept = _rows_of(mirror, 1)
    mirror.configure([poller(1)])
    assert (_rows_of(mirror, 1), _rows_of(mirror, 2)) == (kept, 0)
    assert [found.number for found in reader.pollers(EVERYTHING)] == [1]
    assert reader.poller_generation(1)[0] == 1


def test_a_number_given_to_another_core_does_not_show_the_old_ones_rows(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE, cache=CACHE))
    from dataclasses import replace

    mirror.configure([replace(poller(1), status_file=Path("/elsewhere/status.dat"))])
    assert _rows_of(mirror, 1) == 0
    assert reader.poller_generation(1) == (0, 0.0, 0.0)


def test_a_poller_can_be_renamed(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    mirror.configure([poller(1, "berlin", CoreKind.NAEMON)])
    assert (view(reader).name, view(reader).kind, view(reader).generation) == ("berlin", "naemon", 1)
    assert reader.hosts(EVERYTHING)[0][0].poller_name == "berlin"


def test_a_poller_before_its_first_scan(reader: Reader) -> None:
    assert view(reader) == PollerView(1, "core1", "nagios", "", 0.0, 0.0, 0, 0.0, 0.0, 15.0, "unknown", "unknown", "")


def test_a_generation_is_told_with_its_head(mirror: Mirror, reader: Reader) -> None:
    mirror.command_file_health(1, "reading", "")
    mirror.apply(scan(FILE))
    assert view(reader) == PollerView(1, "core1", "nagios", "4.4.6", 500.0, 1000.0, 1, 1000.5, 0.0, 15.0, "reading", "fresh", "")
    assert reader.poller_generation(1) == (1, 1000.0, 500.0)


def test_health_is_told_with_its_reason_and_rows_stay(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    failed = mirror.apply([Failed(1, "missing", "No status file: is the core running?")])
    assert (failed.health, failed.changed, failed.generation, failed.resync) == ("missing", True, 1, False)
    mirror.command_file_health(1, "no_reader", "Nobody reads the FIFO.")
    assert (view(reader).status_file_health, view(reader).command_file_health) == ("missing", "no_reader")
    assert view(reader).detail == "No status file: is the core running? Nobody reads the FIFO."
    assert reader.hosts(EVERYTHING)[1] == 2
    assert not mirror.apply([Failed(1, "missing", "No status file: is the core running?")]).changed
    assert mirror.apply([Unchanged(1)]).health == "fresh"
    assert view(reader).detail == "Nobody reads the FIFO."
    mirror.configure([poller(1)])
    assert (view(reader).status_file_health, view(reader).command_file_health, view(reader).detail) == ("unknown", "unknown", "")


def test_health_that_is_no_news_writes_nothing(mirror: Mirror) -> None:
    mirror.apply(scan(FILE))
    mirror.command_file_health(1, "reading", "")
    before = mirror._connection.total_changes
    mirror.command_file_health(1, "reading", "")
    mirror.apply([Unchanged(1)])
    assert mirror._connection.total_changes == before


def _generation(created: float, read_at: float, first: bool) -> list[Frame]:
    begin, *rest = scan(FILE, None if first else FILE)
    assert isinstance(begin, Begin)
    from msgspec.structs import replace

    return [replace(begin, generation=replace(begin.generation, created=created, read_at=read_at)), *rest]


def test_the_clock_offset_is_taken_only_from_a_file_seen_being_replaced(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(_generation(1000.0, 9000.0, first=True))  # an old file of a dead core is not a clock 8000 s behind
    assert view(reader).clock_offset_s == 0.0
    mirror.apply(_generation(1000.0, 9100.0, first=False))  # the same file, read again
    assert view(reader).clock_offset_s == 0.0
    mirror.apply(_generation(9108.0, 9110.0, first=False))  # a whole second and the slow poll
    assert view(reader).clock_offset_s == 0.0
    mirror.apply(_generation(9060.0, 9120.0, first=False))
    assert view(reader).clock_offset_s == -60.0
    mirror.apply(_generation(9050.0, 9999.0, first=True))  # a restarted scanner knows no better
    assert view(reader).clock_offset_s == -60.0


# --- configuration ------------------------------------------------------------------------------------------------


def test_configuration_comes_back_as_it_was_sent(mirror: Mirror, reader: Reader) -> None:
    applied = mirror.apply(scan(FILE, cache=CACHE))
    assert applied.objects_reread
    assert [found.config for found in reader.hosts(EVERYTHING)[0]] == list(CACHE.hosts)
    (found,) = reader.services(EVERYTHING)[0]
    assert found.config == CACHE.services[0]
    assert (found.host_alias, found.host_display_name, found.host_address) == ("alias of a", "a", "127.0.0.1")
    assert reader.host_groups_of(1, "a") == ("g",)
    assert reader.host_groups_of(2, "a") == ()


def test_a_new_object_cache_replaces_the_old_one_whole(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE, cache=CACHE))
    applied = mirror.apply(scan(FILE, FILE, cache=ObjectCache(hosts=(host_config("b", alias="new"),))))
    assert applied.objects_reread and applied.changed
    assert [found.config.alias for found in reader.hosts(EVERYTHING)[0]] == ["a", "new"]
    assert reader.host_groups_of(1, "a") == ()
    assert not mirror.apply(scan(FILE, FILE)).objects_reread
    assert [found.config.alias for found in reader.hosts(EVERYTHING)[0]] == ["a", "new"]


def test_a_failed_scan_leaves_the_old_configuration(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE, cache=CACHE))
    mirror.apply(list(scan(FILE, FILE, cache=ObjectCache()))[:-1])
    assert reader.hosts(EVERYTHING)[0][0].config == CACHE.hosts[0]


def test_without_an_object_cache_the_status_file_speaks(mirror: Mirror, reader: Reader) -> None:
    status = host_row("a", check_command="ping", check_interval=2.5, max_check_attempts=4, custom_variables='{"X": "1"}')
    mirror.apply(scan(StatusFile(hosts=(status,), services=(service_row("a", "x", check_period="24x7"),))))
    config = reader.hosts(EVERYTHING)[0][0].config
    assert (config.name, config.alias, config.display_name, config.address) == ("a", "a", "a", "")
    assert (config.check_command, config.check_interval, config.max_check_attempts) == ("ping", 2.5, 4)
    assert (config.custom_variables, config.parents) == ('{"X": "1"}', ())
    service = reader.services(EVERYTHING)[0][0]
    assert (service.config.description, service.config.display_name, service.config.check_period) == ("x", "x", "24x7")
    assert (service.host_alias, service.host_display_name, service.host_address) == ("a", "a", "")


def test_a_core_that_writes_nan_is_read_as_zero(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(StatusFile(hosts=(host_row("a", latency=math.nan),))))
    assert reader.hosts(EVERYTHING)[0][0].status.latency == 0.0


# --- public ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", ['{"HOST_ID": "12"}', '{"OTHER": "1", "host_id": " 12 "}'])
@pytest.mark.parametrize("told_by", ["status file", "object cache"])
def test_an_id_the_configuration_asks_for_is_honoured(mirror: Mirror, reader: Reader, variables: str, told_by: str) -> None:
    said = variables if told_by == "status file" else "{}"
    cache = ObjectCache(hosts=(host_config("a", custom_variables=variables),)) if told_by == "object cache" else None
    mirror.apply(scan(StatusFile(hosts=(host_row("a", custom_variables=said),)), cache=cache))
    assert reader.object_ids(1, [ObjectKey(1, "a")]) == {ObjectKey(1, "a"): 12}
    assert reader.host_by_id(EVERYTHING, 12) is not None


@pytest.mark.parametrize(
    "value",
    ["", "0", "-1", "1.5", "x", "4294967296", "99999999999999999999999", "\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT ONE}"],
)
def test_what_cannot_be_an_id_is_not_asked_for(mirror: Mirror, mint: CountingMint, value: str) -> None:
    """From 2^32 on ids belong to the minting pollers: one asked for there could meet one minted later."""
    variables = f'{{"SERVICE_ID": "{value}", "HOST_ID": "{value}"}}'
    cache = ObjectCache(services=(service_config("a", "x", custom_variables=variables),))
    file = StatusFile(hosts=(host_row("a", custom_variables=variables),), services=(service_row("a", "x"),))
    mirror.apply(scan(file, cache=cache))
    assert sorted(mint.ids.values()) == [2**32 + 1, 2**32 + 2]


def test_an_id_asked_for_later_is_taken_over_with_the_next_object_cache(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE, cache=CACHE))
    asked = ObjectCache(
        hosts=(host_config("a", custom_variables='{"HOST_ID": "7"}'),),
        services=(service_config("a", "x", custom_variables='{"SERVICE_ID": "8"}'),),
    )
    mirror.apply(scan(FILE, FILE, cache=asked))
    keys = [ObjectKey(1, "a"), ObjectKey(1, "b"), ObjectKey(1, "a", "x")]
    assert reader.object_ids(1, keys) == {keys[0]: 7, keys[1]: 2**32 + 2, keys[2]: 8}
    assert reader.services_of_hosts(EVERYTHING, [7])[7][0].id == 8


def test_an_id_two_objects_ask_for_goes_to_one(mirror: Mirror, reader: Reader) -> None:
    both = '{"HOST_ID": "7"}'
    mirror.apply(scan(StatusFile(hosts=(host_row("a", custom_variables=both), host_row("b", custom_variables=both)))))
    ids = reader.object_ids(1, [ObjectKey(1, "a"), ObjectKey(1, "b")])
    assert sorted(ids.values()) == [7, 2**32 + 1]


def test_a_name_that_comes_back_has_its_own_id_back(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    before = reader.object_ids(1, FILE.objects(1))
    without = StatusFile(1010.0, hosts=FILE.hosts[1:])
    mirror.apply(scan(without, FILE))
    assert reader.object_ids(1, FILE.objects(1)).keys() == {ObjectKey(1, "b")}
    mirror.apply(scan(FILE, without))
    assert reader.object_ids(1, FILE.objects(1)) == before


# --- downtimes and comments ------------------------------------------------------------------------------------------------


def test_hosts_and_services_blocks_of_one_core_id_are_two(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    assert set(reader.downtime_blocks(1)) == set(FILE.downtimes)
    assert reader.comments_of(1, "a", None) == FILE.comments[:1]
    assert reader.comments_of(1, "a", "x") == FILE.comments[1:]
    assert reader.comments_of(2, "a", "x") == ()


def test_a_restarted_core_that_reuses_ids_shows_the_new_blocks(mirror: Mirror, reader: Reader) -> None:
    mirror.apply(scan(FILE))
    reused = StatusFile(
        1100.0, 1090.0, FILE.hosts, FILE.services, (downtime("b", None, 1, "other"), FILE.downtimes[1]), (comment("b", None, 1),)
    )
    mirror.apply(scan(reused, FILE))
    assert set(reader.downtime_blocks(1)) == set(reused.downtimes)
    assert reader.comment_blocks(1) == reused.comments
    assert reader.poller_generation(1) == (2, 1100.0, 1090.0)


def test_a_service_is_not_a_host_without_a_description(mirror: Mirror, reader: Reader) -> None:
    begin, *_, end = scan(FILE)
    assert isinstance(end, End)
    mirror.apply([begin, Rows(FILE.hosts, FILE.services), end])
    assert reader.object_row(1, "a", "") is None
    assert reader.object_row(1, "a", None) == FILE.hosts[0]
