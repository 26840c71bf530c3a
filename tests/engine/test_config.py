"""The configuration: every mistake at once with its line and remedy, what `--core` derives, and the way between processes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import config, config_file
from engine.config import Config, Poller, Settings, decode_config, default_data_folder, encode_config
from engine.config_file import load_config
from engine.errors import ConfigError
from engine.model import CoreKind

POLLER = """
[[poller]]
name = "north"
kind = "nagios"
command_file = "rw/nagios.cmd"
status_file = "/var/status.dat"
log_file = "nagios.log"
"""


def main_config(folder: Path, name: str = "nagios.cfg", **values: object) -> Path:
    known = {
        "log_file": "nagios.log",
        "status_file": "status.dat",
        "command_file": "rw/nagios.cmd",
        "object_cache_file": "objects.cache",
    }
    path = folder / name
    path.write_text("".join(f"{key}={value}\n" for key, value in (known | values).items()), encoding="utf-8")
    return path


def toml(folder: Path, text: str) -> Path:
    path = folder / "signalbox.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(*arguments: object, **overrides: object) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(*arguments, **overrides)  # type: ignore[arg-type]
    return list(refused.value.mistakes)


def test_core_derives_everything_from_the_main_configuration(tmp_path: Path) -> None:
    path = main_config(
        tmp_path,
        status_update_interval=7,
        log_external_commands=0,
        log_passive_checks=0,
        check_external_commands=0,
        temp_file="/t/x",
    )
    (poller,) = load_config(None, [str(path)]).pollers
    assert poller == Poller(
        number=1,
        name="nagios",
        kind=CoreKind.NAGIOS,
        command_file=tmp_path / "rw/nagios.cmd",
        status_file=tmp_path / "status.dat",
        log_file=tmp_path / "nagios.log",
        object_cache_file=tmp_path / "objects.cache",
        main_config=path,
        status_update_interval_s=7.0,
        log_external_commands=False,
        log_passive_checks=False,
        check_external_commands=False,
        temp_file=Path("/t/x"),
    )


def test_what_naemon_includes_counts(tmp_path: Path) -> None:
    """A folder's `.cfg` files, no others and no hidden ones; a missing one is named."""
    folder = tmp_path / "conf.d"
    folder.mkdir()
    for name, seconds in (("a.cfg", 5), ("b.cfg", 6), ("c.cfg.old", 7), (".d.cfg", 8)):
        (folder / name).write_text(f"status_update_interval={seconds}\n")
    path = main_config(tmp_path, "naemon.cfg", include_dir="conf.d")
    assert load_config(None, [str(path)]).pollers[0].status_update_interval_s == 6.0
    (mistake,) = mistakes(None, [str(main_config(tmp_path, "naemon.cfg", include_file="gone.cfg"))])
    assert str(tmp_path / "gone.cfg") in mistake


def test_cores_can_be_named_and_count_from_one_behind_the_file(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    first, second = main_config(tmp_path), main_config(tmp_path / "a=b", command_file="other.cmd")
    loaded = load_config(toml(tmp_path, POLLER.replace("rw/", "north/")), [f"east={first}", str(second)])
    assert [(poller.number, poller.name) for poller in loaded.pollers] == [(1, "north"), (2, "east"), (3, "nagios")]


def test_given_numbers_are_kept_and_the_others_fill_up(tmp_path: Path) -> None:
    second = POLLER.replace("north", "south").replace("rw/", "rw2/")
    loaded = load_config(toml(tmp_path, POLLER + second + "number = 1\n"), [])
    assert [(poller.number, poller.name) for poller in loaded.pollers] == [(2, "north"), (1, "south")]


@pytest.mark.parametrize(
    ("name", "extra", "kind"),
    [
        ("nagios.cfg", {}, CoreKind.NAGIOS),
        ("naemon.cfg", {}, CoreKind.NAEMON),
        ("main.cfg", {"naemon_user": "naemon"}, CoreKind.NAEMON),
        ("icinga.cfg", {}, CoreKind.ICINGA1),
        ("main.cfg", {"icinga_user": "icinga"}, CoreKind.ICINGA1),
        ("centengine.cfg", {}, CoreKind.CENTREON),
        ("main.cfg", {"broker_module": "/usr/lib64/centreon-engine/externalcmd.so"}, CoreKind.CENTREON),
    ],
)
def test_the_kind_is_seen_in_the_main_configuration(tmp_path: Path, name: str, extra: dict[str, str], kind: CoreKind) -> None:
    assert load_config(None, [str(main_config(tmp_path, name, **extra))]).pollers[0].kind is kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("########\n#          NAGIOS STATUS FILE\n#\ninfo {\n\tversion=4.4.6\n", CoreKind.NAGIOS),
        ("#          NAEMON STATUS FILE\ninfo {\n\tversion=1.5.2\n", CoreKind.NAEMON),
        ("#          ICINGA STATUS FILE\ninfo {\n\tversion=1.14.2\n", CoreKind.ICINGA1),
        ("# Icinga status file\n# This file is auto-generated.\n\ninfo {\n\tcreated=1\n\tversion=r2.13.6-1\n", CoreKind.ICINGA2),
        ("#  CENTREON ENGINE STATUS FILE\n", CoreKind.CENTREON),
        ("hoststatus {\n\thost_name=NAGIOS\n", None),
        ("", None),
    ],
)
def test_the_kind_is_seen_in_the_status_file(tmp_path: Path, head: str, kind: CoreKind | None) -> None:
    (tmp_path / "status.dat").write_text(head, encoding="utf-8")
    assert config_file.detected_kind(tmp_path / "status.dat") is kind
    text = POLLER.replace('kind = "nagios"\n', "").replace("/var/status.dat", "status.dat") + 'main_log = "icinga2.log"\n' * (
        kind is CoreKind.ICINGA2
    )
    if kind is None:
        (mistake,) = mistakes(toml(tmp_path, text), [])
        assert "add kind = one of nagios, naemon, icinga1, icinga2, centreon" in mistake
    else:
        assert load_config(toml(tmp_path, text), []).pollers[0].kind is kind


def test_a_file_has_its_own_folder_for_relative_names(tmp_path: Path) -> None:
    (poller,) = load_config(toml(tmp_path, POLLER), []).pollers
    assert poller.command_file == tmp_path / "rw/nagios.cmd"
    assert poller.status_file == Path("/var/status.dat")


def test_a_table_may_take_the_rest_from_a_main_configuration(tmp_path: Path) -> None:
    main_config(tmp_path)
    (poller,) = load_config(toml(tmp_path, '[[poller]]\nmain_config = "nagios.cfg"\nstatus_file = "/ram/status.dat"\n'), []).pollers
    assert (poller.status_file, poller.log_file) == (Path("/ram/status.dat"), tmp_path / "nagios.log")


def test_every_mistake_is_told_at_once_with_its_line_and_remedy(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        "listen_port = 99999\n"  # 1
        "workres = 2\n"
        'data = "/x"\n'
        'token_idle_s = "soon"\n'
        "scan_poll_s = nan\n"  # 5
        'behind_proxy = ["proxy.example", "0.0.0.0/0"]\n'
        'tls_cert = "c.pem"\n'
        "[[poller]]\n"
        'name = "a"\n'
        'statusfile = "x"\n'  # 10
        'command_file = ""\n'
        "[[poller]]\n"
        'kind = "nagios5"\n'
        'number = "1"\n'
        "[[poller]]\n"  # 15
        'kind = "icinga2"\n'
        'command_file = "a"\nstatus_file = "b"\nlog_file = "c"\n',
    )
    found = mistakes(path, ["/nowhere/nagios.cfg"], listen="8080", workers=0)
    for line, words in (
        (1, "listen_port is 99999: make it from 0 to 65535"),
        (2, "workres is no setting: did you mean workers?"),
        (3, "use --data or the environment variable SIGNALBOX_DATA"),
        (4, "token_idle_s is 'soon': make it a number"),
        (5, "scan_poll_s is nan: make it from 0.1 to 3600"),
        (6, "'proxy.example' is no address"),
        (6, "'0.0.0.0/0' is no address"),
        (7, "tls_cert without tls_key: give both"),
        (10, "statusfile is no key of [[poller]]: did you mean status_file?"),
        (11, "command_file is '': make it the path of a file"),
        (13, "kind is 'nagios5': make it one of nagios, naemon, icinga1, icinga2, centreon"),
        (14, "number is '1': make it a whole number"),
        (15, 'add main_log = "/var/log/icinga2/icinga2.log"'),
    ):
        assert [mistake for mistake in found if mistake.startswith(f"{path}:{line}: ") and words in mistake], (line, words, found)
    assert any(mistake.startswith("--listen: '8080' is not HOST:PORT") for mistake in found)
    assert any(mistake.startswith("--workers: workers is 0: make it from 1 to 64") for mistake in found)
    assert any(mistake.startswith("--core /nowhere/nagios.cfg: /nowhere/nagios.cfg: No such file") for mistake in found)


@pytest.mark.parametrize(("seconds", "told"), [(0, False), (5, False), (4, True), (-1, True)])
def test_a_worker_is_not_killed_for_a_short_stall_but_may_never_be(tmp_path: Path, seconds: int, told: bool) -> None:
    path = toml(tmp_path, f"worker_silent_s = {seconds}\n{POLLER}")
    if told:
        assert mistakes(path, []) == [f"{path}:1: worker_silent_s is {seconds}: make it from 5 to 3600, or 0"]
    else:
        assert load_config(path, []).settings.worker_silent_s == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = \n", "not TOML: Invalid value (at line 1"),
        ("poller = 1\n", "begin each with [[poller]]"),
        ("[poller]\n", "begin each with [[poller]]"),
        (POLLER.replace("north", "12"), "a name of digits only"),
        (POLLER + "number = 0\n", "number is 0: make it from 1 to 1048576"),
        (POLLER + "number = 2097152\n", "make it from 1 to 1048576"),
        (POLLER + POLLER, "two pollers have the name north: name them"),
        (POLLER + POLLER, "two pollers have the command_file"),
        (POLLER + "number = 3\n" + POLLER + "number = 3\n", "two pollers have the number 3"),
        (POLLER.replace("north", "a\\nb"), "make it a printable text"),
        ("", "no core is named: give --core"),
    ],
)
def test_single_mistakes(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in mistake for mistake in mistakes(toml(tmp_path, text), []))


@pytest.mark.parametrize("text", ['object Host "a" {\n', "nonsense\n", "status_file=status.dat\n"])
def test_what_is_no_main_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.cfg"
    path.write_text(text, encoding="utf-8")
    (mistake,) = mistakes(None, [str(path)])
    assert str(path) in mistake


def test_a_file_that_cannot_be_read_is_one_mistake(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path / "absent.toml", [])
    assert mistake == f"{tmp_path}/absent.toml: No such file or directory: name a file this user may read"


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "::1:80", "localhost:80"])
def test_loopback_needs_nothing(tmp_path: Path, listen: str) -> None:
    settings = load_config(toml(tmp_path, POLLER), [], listen=listen).settings
    assert (settings.listen_host, settings.listen_port) == (listen.rpartition(":")[0].strip("[]"), 80)


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "monitor.example:80", "localhost.example:80"])
def test_beyond_loopback_needs_tls_or_a_proxy(tmp_path: Path, listen: str) -> None:
    plain = toml(tmp_path, POLLER)
    (mistake,) = mistakes(plain, [], listen=listen)
    assert "--tls-cert and --tls-key, or behind_proxy" in mistake
    assert load_config(plain, [], listen=listen, tls_cert=Path("c"), tls_key=Path("k")).settings.tls_key == Path.cwd() / "k"
    proxied = toml(tmp_path, 'behind_proxy = ["127.0.0.1", "2001:db8::/64"]\n' + POLLER)
    assert load_config(proxied, [], listen=listen).settings.behind_proxy == ("127.0.0.1", "2001:db8::/64")


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, "workers = 2\nlisten_port = 1\n" + POLLER)
    assert load_config(path, []).settings.workers == 2
    settings = load_config(path, [], workers=3, listen=None, tls_cert=None).settings
    assert (settings.workers, settings.listen_port) == (3, 1)


def test_the_data_folder_is_named_or_the_environments_or_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toml(tmp_path, POLLER)
    monkeypatch.setenv("SIGNALBOX_DATA", str(tmp_path / "env"))
    assert load_config(path, []).data == tmp_path / "env"
    assert load_config(path, [], data=tmp_path / "named").data == tmp_path / "named"
    monkeypatch.delenv("SIGNALBOX_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "is_dir", lambda self: False)
    assert default_data_folder() == tmp_path / ".local/state/signalbox"
    monkeypatch.setattr(Path, "is_dir", lambda self: self == Path("/var/lib/signalbox"))
    assert default_data_folder() == Path("/var/lib/signalbox")
    assert not (tmp_path / "env").exists()


_paths = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=1).map(lambda text: Path("/") / text.strip("/."))
_pollers = st.builds(
    Poller,
    number=st.integers(1, 99),
    name=st.text(st.characters(min_codepoint=65, max_codepoint=90), min_size=1),
    kind=st.sampled_from(CoreKind),
    command_file=_paths,
    status_file=_paths,
    log_file=_paths,
    object_cache_file=st.none() | _paths,
    log_archive_path=st.none() | _paths,
    main_log=st.none() | _paths,
    main_config=st.none() | _paths,
    status_update_interval_s=st.floats(0, 1e6),
    log_external_commands=st.booleans(),
    log_passive_checks=st.booleans(),
    check_external_commands=st.booleans(),
    temp_file=st.none() | _paths,
)


@given(pollers=st.lists(_pollers, max_size=3), workers=st.integers(1, 64), proxies=st.lists(st.just("127.0.0.1"), max_size=2))
def test_the_way_between_processes_changes_nothing(pollers: list[Poller], workers: int, proxies: list[str]) -> None:
    settings = Settings(workers=workers, behind_proxy=tuple(proxies), tls_cert=Path("/c"))
    config = Config(Path("/data"), tuple(pollers), settings)
    line = encode_config(config)
    assert "\n" not in line
    assert decode_config(line) == config


def test_every_setting_and_poller_key_survives_and_is_typed() -> None:
    """A field of a type the loader cannot convert would only be noticed by whoever sets it."""
    for declared in (*dataclasses.fields(Settings), *dataclasses.fields(Poller)):
        kind = str(declared.type).removesuffix(" | None")
        sample: dict[str, object] = {
            "int": 1, "float": 1.0, "bool": True, "str": "a", "Path": "/a", "tuple[str, ...]": ["a"], "CoreKind": "nagios",
            "tuple[tuple[str, int], ...]": {"admin": 1},
        }  # fmt: skip
        assert config.typed(kind, sample[kind], Path("/")) is not None, declared.name
