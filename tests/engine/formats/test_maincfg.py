"""Main configurations: as the core reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FormatError
from engine.formats.maincfg import MainConfig, parse_main_config

PATH = Path("/etc/core/nagios.cfg")


def parsed(text: str) -> MainConfig:
    return parse_main_config(text, PATH)


def test_what_a_poller_needs() -> None:
    main = parsed(
        "# a comment\n"
        "log_file=/var/log/nagios.log\n"
        "cfg_file=/etc/core/objects.cfg\n"
        "  status_file = /var/status.dat  \n"
        "object_cache_file=/var/objects.cache\n"
        "command_file=/var/rw/nagios.cmd\n"
        "log_archive_path=/var/archives\n"
        "temp_file=/tmp/nagios.tmp\n"
        "status_update_interval=10\n"
        "interval_length=1\n"
        "log_external_commands=0\n"
        "log_passive_checks=0\n"
        "check_external_commands=0\n"
        "retain_state_information=1\n"
        "date_format=iso8601\n"
        "query_socket=/var/rw/nagios.qh\r\n"
    )
    assert main == MainConfig(
        command_file=Path("/var/rw/nagios.cmd"),
        status_file=Path("/var/status.dat"),
        log_file=Path("/var/log/nagios.log"),
        object_cache_file=Path("/var/objects.cache"),
        log_archive_path=Path("/var/archives"),
        temp_file=Path("/tmp/nagios.tmp"),
        query_socket=Path("/var/rw/nagios.qh"),
        main_config=PATH,
        status_update_interval_s=10.0,
        interval_length_s=1.0,
        log_external_commands=False,
        log_passive_checks=False,
        check_external_commands=False,
        retain_state_information=True,
        date_format="iso8601",
    )


def test_included_files_are_read_where_they_are_named() -> None:
    """Naemon's: left out, the files and intervals of another core would be taken for its own."""
    files = {
        Path("/etc/core/more.cfg"): "status_file=var/status.dat\nstatus_update_interval=5\ninclude_file=deep.cfg\n",
        Path("/etc/core/deep.cfg"): "log_passive_checks=0\n",
        Path("/etc/core/conf.d"): "status_update_interval=7\n",
    }
    asked: list[str] = []

    def included(name: str, path: Path) -> list[tuple[Path, str]]:
        asked.append(name)
        return [(path, files[path])]

    text = "status_update_interval=3\ninclude_file=more.cfg\nlog_file=/l\ninclude_dir=conf.d\n"
    main = parse_main_config(text, PATH, included)
    assert (main.status_file, main.status_update_interval_s) == (Path("/etc/core/var/status.dat"), 7.0)
    assert (main.log_passive_checks, main.log_file, main.main_config) == (False, Path("/l"), PATH)
    assert asked == ["include_file", "include_file", "include_dir"]


def test_a_mistake_in_an_included_file_names_it() -> None:
    def included(name: str, path: Path) -> list[tuple[Path, str]]:
        return [(path, "log_file=/l\nnothing\n" if path.name == "bad.cfg" else "include_file=nagios.cfg\n")]

    with pytest.raises(FormatError, match=r"line 1, /etc/core/bad.cfg: line 2: 'nothing' is not"):
        parse_main_config("include_file=bad.cfg\n", PATH, included)
    with pytest.raises(FormatError, match=r"/etc/core/nagios\.cfg includes itself"):
        parse_main_config("include_file=round.cfg\n", PATH, included)


def test_what_is_not_said_has_the_cores_default() -> None:
    main = parsed("log_file=/l\n")
    assert (main.status_file, main.command_file, main.object_cache_file) == (None, None, None)
    assert (main.status_update_interval_s, main.interval_length_s) == (60.0, 60.0)
    assert (main.log_external_commands, main.log_passive_checks, main.check_external_commands) == (True, True, True)


def test_relative_names_start_at_the_configurations_folder() -> None:
    assert parsed("status_file=var/status.dat").status_file == Path("/etc/core/var/status.dat")


def test_the_last_of_several_wins() -> None:
    main = parsed("status_file=/a\nstatus_file=/b\nlog_external_commands=0\nlog_external_commands=1\n")
    assert (main.status_file, main.log_external_commands) == (Path("/b"), True)


def test_older_names_of_files() -> None:
    main = parsed("xsddefault_status_file=/s\nxodtemplate_cache_file=/o")
    assert (main.status_file, main.object_cache_file) == (Path("/s"), Path("/o"))


def test_lines_that_go_on() -> None:
    main = parsed("status_file=/var/\\\n    status.dat\n# a comment \\\nlog_file=/part of the comment\ncommand_file=/c\\")
    assert (main.status_file, main.log_file, main.command_file) == (Path("/var/status.dat"), None, Path("/c"))


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parsed("status_file=/a=b").status_file == Path("/a=b")


@pytest.mark.parametrize(
    "line", ["status_update_interval=often", "log_external_commands=yes", "interval_length=", "status_update_interval=-1"]
)
def test_a_number_that_is_none_names_its_line(line: str) -> None:
    with pytest.raises(FormatError, match=r"line 2: ") as caught:
        parsed(f"log_file=/l\n{line}\n")
    assert caught.value.facts["line"] == 2
    assert line in str(caught.value)


@pytest.mark.parametrize(
    "text", ["/**\n * Icinga 2\n */\n", 'include "constants.conf"\n', 'object Host "x" {\n', "const X = 1\ninclude <itl>\n"]
)
def test_icinga2s_configuration_is_recognised(text: str) -> None:
    with pytest.raises(FormatError, match=r"Icinga 2 .*\[\[poller\]\]" if "const" not in text else "Icinga 2"):
        parsed(text)


def test_another_file_is_said_to_be_none() -> None:
    with pytest.raises(FormatError, match="name=value"):
        parsed("define host {\n  host_name x\n}\n")


@pytest.mark.core
def test_the_packages_own_configuration_is_read() -> None:
    path = Path("/etc/nagios4/nagios.cfg")
    main = parse_main_config(path.read_text(), path)
    assert main.command_file == Path("/var/lib/nagios4/rw/nagios.cmd")
    assert main.status_file == Path("/var/lib/nagios4/status.dat")


names = st.sampled_from(["status_file", "log_external_commands", "interval_length", "x", "#", "object"])


@given(st.one_of(st.text(max_size=100), st.lists(st.tuples(names, st.text(max_size=10)).map("=".join)).map("\n".join)))
def test_any_text_gives_values_or_a_format_error(text: str) -> None:
    try:
        assert parsed(text).status_update_interval_s >= 0
    except FormatError as error:
        assert error.facts["line"] >= 1  # type: ignore[operator]
