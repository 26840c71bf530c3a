"""Status files: the recorded ones against the oracle's reader, cut anywhere, forged, and any bytes at all."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FormatError
from engine.formats.status import BLOCK_END, ObjectIds, StatusRow, blocks_of, cut, is_closed, parse_block, parse_head, parse_row
from engine.model import CommentStatus, ContactStatus, DowntimeStatus, HostStatus, ServiceStatus
from tests.support import oracle

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
FILES = sorted(GOLDEN.glob("*/status-*.dat"))
WORDS = {
    "hoststatus": HostStatus,
    "servicestatus": ServiceStatus,
    "contactstatus": ContactStatus,
    "hostdowntime": DowntimeStatus,
    "servicedowntime": DowntimeStatus,
    "hostcomment": CommentStatus,
    "servicecomment": CommentStatus,
}
# The core's name where the model has another one.
CORE_NAMES = {
    "state": "current_state",
    "perf_data": "performance_data",
    "max_check_attempts": "max_attempts",
    "execution_time": "check_execution_time",
    "latency": "check_latency",
    "acknowledged": "problem_has_been_acknowledged",
    "checks_enabled": "active_checks_enabled",
    "accept_passive_checks": "passive_checks_enabled",
    "description": "service_description",
}
WRITTEN = ("centreon-engine-23.04", "icinga-1.14.2", "naemon-1.5.2", "nagios-3.5.1")  # by hand, from what is known of these cores
# Centreon Engine: the objects of its comments, by host_id and service_id, as its custom variables say.
BY_IDS = {("12", "0"): ("web01", None), ("12", "101"): ("web01", "Disk /var")}
OTHER_NAMES = {"last_time_warning": ["last_time_warn"], "obsess": ["obsess_over_host", "obsess_over_service"]}
OURS = {"block_hash", "custom_variables", "last_update", "long_plugin_output"}


def rows_of(raw: bytes) -> list[StatusRow]:
    """All rows of a whole status file."""
    head = parse_head(raw)
    whole, rest = cut(raw)
    assert rest.strip() == b""
    ids = ObjectIds()
    rows = []
    for block in blocks_of(whole, head.created_text):
        row = parse_row(block, hash(block), head.created, ids)
        if row is not None:
            ids.learn(row)
            rows.append(row)
    return rows


def one(text: str, created: float = 100.0) -> StatusRow | None:
    return parse_row(text.encode(), 7, created)


# --- recorded files -----------------------------------------------------------------------------------------------------------


def test_there_are_golden_files_of_every_kind_of_core_and_each_says_where_it_is_from() -> None:
    assert {path.parent.name for path in FILES} == {"icinga2-2.13.6", "nagios-4.4.6", *WRITTEN}
    assert len(FILES) == 6 + len(WRITTEN)
    for folder in {path.parent for path in FILES}:
        assert (folder / "recorded.json").exists() is not (folder.name in WRITTEN)
        assert (folder / "written.json").exists() is (folder.name in WRITTEN)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_field_is_what_the_oracle_reads(path: Path) -> None:
    expected = [(kind, named(keys)) for kind, keys in oracle.blocks(path) if kind in WORDS]
    expected = [(kind, keys) for kind, keys in expected if "host_id" not in keys]
    rows = rows_of(path.read_bytes())
    assert [type(row) for row in rows] == [WORDS[kind] for kind, _ in expected]
    assert rows
    for row, (kind, keys) in zip(rows, expected, strict=True):
        for name, value in row._asdict().items():
            if name not in OURS:
                _same(value, name, kind, keys)


def named(keys: dict[str, str]) -> dict[str, str]:
    """A block's keys, with names where Centreon Engine gives numbers that are known."""
    names = BY_IDS.get((keys.get("host_id", ""), keys.get("service_id", "")))
    if names is None:
        return keys
    rest = {key: value for key, value in keys.items() if key not in ("host_id", "service_id")}
    return rest | {"host_name": names[0]} | ({"service_description": names[1]} if names[1] is not None else {})


def _same(value: object, name: str, kind: str, keys: dict[str, str]) -> None:
    core_name = CORE_NAMES.get(name, name)
    if core_name not in keys:
        core_name = next((other for other in OTHER_NAMES.get(name, ()) if other in keys), core_name)
    core_name = {
        ("name", kind): "contact_name" if kind == "contactstatus" else "host_name",
        ("core_id", kind): "downtime_id" if kind.endswith("downtime") else "comment_id",
        ("actual_start", kind): "trigger_time" if "trigger_time" in keys else "flex_downtime_start",
        ("comment", "hostcomment"): "comment_data",
        ("comment", "servicecomment"): "comment_data",
    }.get((name, kind), core_name)
    text = keys.get(core_name)
    where = f"{kind} {keys.get('host_name')} {name}"
    if keys.get("has_been_checked") == "1" and "check_type" not in keys:  # Icinga 2
        if name == "check_type":
            assert value == 1, where  # every result of the recording was passive
            return
        if name == "last_check" and text == "-1":
            text = max(keys[key] for key in keys if key.startswith("last_time_"))
            assert float(text) > 0, where
    if text is None:
        assert value in (None, "", 0, -1) or (name, value) == ("state_type", 1), where
    elif isinstance(value, str):
        # The oracle keeps bytes that are no UTF-8 as surrogates, we cannot store those.
        assert value == text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), where
    else:
        # Icinga 2 repeats some times with more digits, and says -1 for never.
        assert value == pytest.approx(max(float(text), 0 if isinstance(value, float) else -1), abs=1), where


@pytest.mark.parametrize("folder", ["nagios-4.4.6", "icinga2-2.13.6"])
def test_head_and_hand_picked_values(folder: str) -> None:
    path = GOLDEN / folder / "status-2.dat"
    raw = path.read_bytes()
    head = parse_head(raw)
    facts = json.loads((GOLDEN / folder / "recorded.json").read_text())
    assert head.version == facts["version"]
    assert head.created == oracle.created(path)
    assert 0 < head.program_start < head.created
    assert head.program["enable_notifications"] == "1"
    rows = rows_of(raw)
    services = {(row.host_name, row.description): row for row in rows if isinstance(row, ServiceStatus)}
    hosts = {row.name: row for row in rows if isinstance(row, HostStatus)}
    assert set(hosts) == {"web01", "a+b", "Größe", "C:\\ 90%", "#1?", "h,1"}
    assert {name for host, name in services if host == "web01"} == {
        *("Disk /var", "/", "C:\\ 90%", "a+b", "Größe", "#1?", "..", "{", "}", "x = y", "hoststatus {"),
    }
    disk = services["web01", "Disk /var"]
    assert (disk.state, disk.state_type, disk.has_been_checked, disk.acknowledged, disk.acknowledgement_type) == (2, 1, 1, 1, 2)
    assert disk.plugin_output == "DISK CRITICAL = full"
    assert disk.long_plugin_output == "second line\nthird ; line"
    assert disk.perf_data == "/var=1MB;2;3"
    assert services["web01", "#1?"].plugin_output == "}"
    assert services["web01", "x = y"].plugin_output == "latin-1 \ufffd\ufffd\ufffd and \ufffd broken"
    assert services["web01", "Größe"].acknowledged == 0
    assert services["a+b", "HTTP"].has_been_checked == 0
    assert hosts["web01"].scheduled_downtime_depth == 1
    comments = {row.comment: row for row in rows if isinstance(row, CommentStatus)}
    assert comments["hoststatus {"].host_name == "web01"
    assert comments["author=forged"].author == "operator"
    assert comments["tab\there, bell\x07, cr\rhere"].author == "op\ufffdrateur"
    assert comments["}"].entry_type == 4
    downtimes = [row for row in rows if isinstance(row, DowntimeStatus)]
    fixed = next(row for row in downtimes if row.comment == "fixed and active")
    assert (fixed.service_description, fixed.fixed, fixed.is_in_effect) == (None, 1, 1)
    assert fixed.end_time - fixed.start_time == 3600
    kept = "to come" if folder.startswith("nagios") else "to come; cut here?"
    assert next(row for row in downtimes if row.author == "Jörg Müller").comment == kept


def test_long_output_of_nagios_is_unescaped_and_the_first_line_left_alone() -> None:
    rows = rows_of((GOLDEN / "nagios-4.4.6" / "status-2.dat").read_bytes())
    row = next(row for row in rows if isinstance(row, ServiceStatus) and (row.host_name, row.description) == ("web01", "C:\\ 90%"))
    assert row.plugin_output == "C:\\temp and \\server"
    assert row.long_plugin_output == "C:\\temp and \\server\nlast"


def test_custom_variables() -> None:
    rows = rows_of((GOLDEN / "nagios-4.4.6" / "status-1.dat").read_bytes())
    found = {
        (row.name if isinstance(row, HostStatus) else row.description): json.loads(row.custom_variables)
        for row in rows
        if isinstance(row, HostStatus | ServiceStatus) and row.custom_variables != "{}"
    }
    assert found == {"Größe": {"HOST_ID": "4711"}, "HTTP": {"NOTE": "Bob ; semi = colon"}}


@pytest.mark.parametrize("folder", ["nagios-4.4.6", "icinga2-2.13.6"])
def test_two_generations_without_news_differ_only_in_the_head(folder: str) -> None:
    seen = []
    for name in ("status-2.dat", "status-3.dat"):
        raw = (GOLDEN / folder / name).read_bytes()
        blocks = blocks_of(cut(raw)[0], parse_head(raw).created_text)
        words = {block.word for block in map(parse_block, blocks) if block}
        assert {"info", "programstatus", "hoststatus"} <= words
        seen.append({block for block in blocks if b"info {" not in block and b"programstatus {" not in block})
        assert all(b"last_update=" not in block for block in seen[-1])
    assert seen[0] == seen[1]
    assert len(seen[0]) > 15


# --- cut anywhere --------------------------------------------------------------------------------------------------------------


def pieces(raw: bytes, randomly: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        size = randomly.choice((1, 2, 3, 10, 100, 1000, 5000))
        yield raw[at : at + size]
        at += size


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_cut_anywhere_the_blocks_are_the_same(path: Path) -> None:
    raw = path.read_bytes()
    text = parse_head(raw).created_text
    at_once = blocks_of(cut(raw)[0], text)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    for _ in range(10):
        found: list[bytes] = []
        rest = b""
        for piece in pieces(raw, random.Random(seed)):
            whole, rest = cut(rest + piece)
            found += blocks_of(whole, text)
        assert found == at_once
        seed += 1
    assert rest.strip() == b""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_only_a_file_that_ends_behind_a_block_is_closed(path: Path) -> None:
    raw = path.read_bytes()
    assert is_closed(raw)
    assert is_closed(raw[-64:])
    for end in range(len(raw)):
        tail = raw[max(0, end - 64) : end]
        assert is_closed(tail) == (re.search(rb"\n\t}\n+\Z", tail) is not None)


def test_the_time_of_writing_is_dropped_only_where_it_is_a_line() -> None:
    block = b"hostcomment {\n\thost_name=h\n\tcomment_data=x\tlast_update=100\n\tlast_update=100\n\tauthor=last_update=100\n"
    (found,) = blocks_of(block + b"\t}\n", b"100")
    assert found == b"hostcomment {\n\thost_name=h\n\tcomment_data=x\tlast_update=100\n\tauthor=last_update=100"


def test_a_time_of_change_of_its_own_is_kept() -> None:
    """Naemon's last_update is the object's own."""
    raw = b"hoststatus {\n\thost_name=h\n\tlast_update=99.123456\n\t}\n"
    (found,) = blocks_of(raw, b"100")
    row = parse_row(found, 1, 100.0)
    assert isinstance(row, HostStatus)
    assert row.last_update == 99.123456


def test_icinga2_takes_a_new_time_for_each_block() -> None:
    raw = b"hoststatus {\n\thost_name=h\n\tlast_update=101\n\tx=1\n\t}\n"
    assert blocks_of(raw, b"100.25") == [b"hoststatus {\n\thost_name=h\n\tx=1"]


# --- forged, odd and other cores' ------------------------------------------------------------------------------------------------


def test_first_key_wins_in_comments_and_downtimes_last_in_status() -> None:
    comment = one("hostcomment {\n\thost_name=h\n\tauthor=real\n\tcomment_data=said\n\tauthor=forged\n\tcomment_data=never")
    assert isinstance(comment, CommentStatus)
    assert (comment.author, comment.comment) == ("real", "said")
    downtime = one("servicedowntime {\n\thost_name=h\n\tservice_description=s\n\tdowntime_id=3\n\tcomment=said\n\tdowntime_id=4")
    assert isinstance(downtime, DowntimeStatus)
    assert (downtime.core_id, downtime.comment, downtime.service_description) == (3, "said", "s")
    host = one("hoststatus {\n\thost_name=h\n\tlast_time_up=5\n\tlast_time_up=5.25")
    assert isinstance(host, HostStatus)
    assert host.last_time_up == 5.25


def test_what_is_left_of_a_newline_in_a_value_is_no_block() -> None:
    assert one("rest of a comment") is None
    assert one("\n\nhoststatus {{\n\thost_name=h") is None
    assert one("hoststatus {\n\tno equals sign\n\thost_name=h") is not None


@pytest.mark.parametrize(
    ("block", "field", "value"),
    [
        ("hoststatus {\n\thost_name=h\n\tobsess_over_host=1", "obsess", 1),  # Nagios 3, Icinga 1, Centreon
        ("servicestatus {\n\thost_name=h\n\tservice_description=s\n\tobsess_over_service=1", "obsess", 1),
        ("servicestatus {\n\thost_name=h\n\tservice_description=s\n\tobsess=1", "obsess", 1),
        ("servicestatus {\n\thost_name=h\n\tservice_description=s\n\tlast_time_warn=9", "last_time_warning", 9.0),  # Icinga 2
        ("hoststatus {\n\thost_name=h\n\tlast_check=-1", "last_check", 0.0),  # Icinga 2: never
        ("hoststatus {\n\thost_name=h\n\tacknowledgement_end_time=77", "acknowledgement_end_time", 77.0),  # Naemon, Icinga
        ("hoststatus {\n\thost_name=h\n\tpercent_state_change=nan", "percent_state_change", 0.0),
        ("hoststatus {\n\thost_name=h\n\tcurrent_state=1.000000", "state", 1),
        ("hostdowntime {\n\thost_name=h\n\tdowntime_id=1\n\ttrigger_time=8", "actual_start", 8.0),  # Icinga 1 and 2
        ("hostdowntime {\n\thost_name=h\n\tdowntime_id=1", "is_in_effect", -1),  # Nagios ≤ 3.2, Centreon
        ("hostcomment {\n\thost_name=h\n\tcomment_id=12", "core_id", 12),
    ],
)
def test_names_and_values_of_other_cores(block: str, field: str, value: object) -> None:
    assert getattr(one(block), field) == value


@pytest.mark.parametrize(
    "block",
    [
        "hostcomment {\n\thost_id=1\n\tservice_id=0\n\tcomment_id=1",  # Centreon Engine names no object
        "servicestatus {\n\thost_name=h",
        "hoststatus {\n\thost_name=",
        "contactstatus {\n\tcontact_name=",
        "info {\n\tcreated=1",
        "hoststatus {",
        "",
    ],
)
def test_blocks_that_make_no_row(block: str) -> None:
    assert one(block) is None


def test_a_contact_has_a_row() -> None:
    row = one(
        "contactstatus {\n\tcontact_name=c\n\thost_notifications_enabled=1\n\tmodified_service_attributes=65536\n\t_PAGER=0;7"
    )
    assert isinstance(row, ContactStatus)
    assert (row.name, row.host_notifications_enabled, row.service_notifications_enabled) == ("c", 1, 0)
    assert (row.modified_service_attributes, row.custom_variables) == (65536, '{"PAGER":"7"}')


@pytest.mark.parametrize("value", ["x", "", "9223372036854775808", "1e30x", "0x10"])
def test_a_number_that_is_none_names_its_block(value: str) -> None:
    with pytest.raises(FormatError, match="servicestatus of h / s") as caught:
        one(f"servicestatus {{\n\thost_name=h\n\tservice_description=s\n\tcurrent_state={value}")
    assert caught.value.facts["value"] == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        b"info {\n\tcreated=1\n\t}\n",
        b"info {\n\tversion=4\n\t}\nprogramstatus {\n\tprogram_start=1\n\t}\n",
        b"info {\n\tcreated=1\n\t}\nprogramstatus {\n\tprogram_start=1\n\t",
        b"info {\n\tcreated=soon\n\t}\nprogramstatus {\n\tprogram_start=1\n\t}\n",
    ],
)
def test_what_is_no_status_file_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(FormatError):
        parse_head(raw)


# --- any bytes -------------------------------------------------------------------------------------------------------------------

keys = st.sampled_from(
    ["host_name", "service_description", "current_state", "last_check", "downtime_id", "comment_id", "author", "comment", "_X", ""]
)
numbers = st.sampled_from(["1", "-1", "nan", "inf", "1e400", "9" * 30, "9" * 5000, "1_0", " 5 ", "٣", "0.5", "", "-"]).map(
    str.encode
)
lines = st.tuples(keys.map(str.encode), st.one_of(numbers, st.binary(max_size=12))).map(lambda pair: b"\t" + b"=".join(pair))
bodies = st.lists(st.one_of(lines, st.binary(max_size=12)), max_size=8).map(b"\n".join)
blocks = st.tuples(st.sampled_from([*WORDS, "info", "programstatus", "x"]), bodies).map(lambda b: b[0].encode() + b" {\n" + b[1])


@given(st.one_of(st.binary(max_size=200), blocks))
def test_any_block_gives_a_row_that_can_be_stored_or_a_format_error(raw: bytes) -> None:
    try:
        row = parse_row(raw, 1, 100.0)
    except FormatError:
        return
    for value in row or ():
        match value:
            case int():
                assert -(1 << 63) <= value < 1 << 63
            case float():
                assert math.isfinite(value)
            case str():
                value.encode("utf-8")


@given(st.one_of(st.binary(max_size=300), st.lists(blocks, max_size=4).map(lambda found: BLOCK_END.join([*found, b""]))))
def test_any_file_gives_a_head_or_a_format_error(raw: bytes) -> None:
    try:
        head = parse_head(raw)
    except FormatError:
        return
    assert math.isfinite(head.created)
    blocks_of(cut(raw)[0], head.created_text)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_cutting_loses_nothing(before: bytes, after: bytes) -> None:
    whole, rest = cut(before + BLOCK_END + after)
    assert whole + rest == before + BLOCK_END + after
    assert whole.endswith(BLOCK_END)
    assert BLOCK_END not in rest


values = st.text(st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=30)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), values, max_size=8))
def test_what_is_written_is_read(written: dict[str, str]) -> None:
    text = "hoststatus {\n" + "".join(f"\t{key}={value}\n" for key, value in written.items()) + "\t}\n"
    (raw,) = blocks_of(text.encode(), b"1")
    block = parse_block(raw)
    assert block is not None
    assert (block.word, dict(block.values)) == ("hoststatus", {k: v for k, v in written.items() if (k, v) != ("last_update", "1")})


def test_icinga_2_parts_a_check_period_from_its_key_by_a_tab() -> None:
    """The period of an Icinga 2 object would be unknown, and a change of it never proven."""
    block = parse_block(b"hoststatus {\n\thost_name=a=b\n\tcheck_period\twork hours\n\tcheck_interval=5")
    assert block is not None
    assert block.values == {"host_name": "a=b", "check_period": "work hours", "check_interval": "5"}
