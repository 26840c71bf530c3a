"""The README tells the truth: its tables are made from the code, its map is the tree, its examples parse."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from api.cli import main
from api.errors import TABLE
from api.native.downtimes import NewDowntime
from contrib import readme
from engine.commands.catalogue import CATALOGUE
from engine.commands.lifecycle import State
from engine.config_file import load_config
from engine.errors import ConfigError, SignalboxError

ROOT = readme.README.parent
TEXT = readme.README.read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def signalbox_lines() -> Iterator[str]:
    """Every call of `signalbox` in a shell example, those inside $(…) and $`…` included."""
    for line in "".join(blocks("sh")).replace("\\\n", " ").splitlines():
        for part in [line, *re.findall(r"\$\(([^)|]*)", line)]:
            if part.strip().startswith("signalbox "):
                yield part.split("#")[0].strip().removesuffix("&").strip()


@pytest.mark.parametrize("name", list(readme.TABLES))
def test_tables_are_those_of_the_code(name: str) -> None:
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- end of {name} -->", TEXT, re.DOTALL)
    assert found
    assert found[1] == readme.TABLES[name](), "run: python contrib/readme.py"


def test_the_page_of_commands_is_that_of_the_catalogue() -> None:
    assert readme.COMMANDS.read_text("utf-8") == readme.commands_page(), "run: python contrib/readme.py"
    assert readme.JSON_CGIS.read_text("utf-8") == readme.json_cgis_page(), "run: python contrib/readme.py"
    assert set(re.findall(r"^### (.*)$", readme.commands_page(), re.MULTILINE)) == set(CATALOGUE)


def test_the_tables_would_notice_a_change() -> None:
    changed = TEXT.replace("| `workers` | `1` |", "| `workers` | `2` |")
    assert changed != TEXT
    assert readme.with_tables(changed) == TEXT


def test_every_error_stands_in_the_table() -> None:
    def below(kind: type[SignalboxError]) -> Iterator[type[SignalboxError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    codes = set(re.findall(r"^\| `(\w+)` \| \d{3} \|", sections()["Errors"], re.MULTILINE))
    assert codes == {kind.code for kind in TABLE}
    assert {kind.code for kind in below(SignalboxError) if kind.__module__ == "engine.errors"} <= codes


def test_every_state_of_a_command_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", sections()["At three in the morning"], re.MULTILINE)
    assert [row[0] for row in rows] == [str(state) for state in State]
    assert all(len(cell) > 5 for row in rows for cell in row[1:])


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.split(r"[<>=~!\[; ]", entry)[0] for entry in project["dependencies"]]
    rows = re.findall(r"^\| ([\w-]+) \| (.+) \|$", sections()["What it stands on"], re.MULTILINE)
    assert sorted(row[0] for row in rows if row[0] not in ("library", "---")) == sorted(names)


def test_the_map_is_the_tree() -> None:
    (map_,) = re.findall(r"^```\n(.*?)^```", sections()["Map"], re.DOTALL | re.MULTILINE)
    named = [line.split(maxsplit=1) for line in map_.splitlines()]
    assert all(len(line) == 2 for line in named), "each line says what is there"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    folders = {
        "/".join(parts[:depth]) + "/"
        for path in listed.stdout.splitlines()
        for parts in [path.split("/")]
        for depth in (1, 2)
        if len(parts) > depth
    }
    assert {line[0] for line in named if line[0].endswith("/")} == folders
    assert all((ROOT / line[0]).exists() for line in named)


def test_the_first_screen_is_ones_own_core_in_six_lines() -> None:
    assert list(sections())[:2] == ["On your own core", "Without a core of your own"]
    first = blocks("sh")[0].splitlines()
    assert len(first) <= 6
    assert [line.split()[1] for line in first if line.startswith("signalbox")] == ["check", "user", "serve"]
    assert first[0].endswith("pip install .")
    assert first[-1].startswith("curl ")
    assert TEXT.index(blocks("sh")[0]) < 1500


def test_the_two_commands_are_there() -> None:
    for command in re.findall(r"^sh (\S+)", sections()["Without a core of your own"], re.MULTILINE):
        assert (ROOT / command).is_file(), command


@pytest.mark.parametrize("line", list(signalbox_lines()))
def test_every_call_of_signalbox_is_one_the_program_takes(line: str) -> None:
    command: click.Command = main
    words = shlex.split(line)[1:]
    context = click.Context(main, info_name="signalbox")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found, f"no command {name}"
        command = found
    command.make_context(command.name, list(words), parent=context)


def test_calls_are_found() -> None:
    found = list(signalbox_lines())
    assert len(found) >= 9
    assert "signalbox token create first --user admin" in found


def test_toml_examples_load(tmp_path: Path) -> None:
    for number, example in enumerate(blocks("toml")):
        path = tmp_path / f"{number}.toml"
        cores = tmp_path / "nagios.cfg"
        cores.write_text("status_file=s\ncommand_file=c\nlog_file=l\n", encoding="utf-8")
        path.write_text(example.replace("/etc/nagios4/nagios.cfg", str(cores)), encoding="utf-8")
        try:
            loaded = load_config(path, [])
        except ConfigError as error:
            pytest.fail(str(error))
        assert len(loaded.pollers) == example.count("[[poller]]")


def test_json_examples_are_requests() -> None:
    bodies = re.findall(r"--json '(.*?)'", TEXT)
    assert bodies
    for body in bodies:
        msgspec.convert(json.loads(body), NewDowntime)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_unit_file_is_hardened() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    path = ROOT / "contrib/systemd/signalbox.service"
    unit.read_string(path.read_text("utf-8"))
    service = unit["Service"]
    assert service["User"] not in ("root", "0")
    assert service["SupplementaryGroups"] == "nagios"
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute", "RestrictSUIDSGID"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert "Environment=PYTHONSAFEPATH=1\n" in path.read_text("utf-8")
    words = shlex.split(service["ExecStart"])[1:]
    assert words[0] == "serve"
    main.commands["serve"].make_context("serve", words[1:])
