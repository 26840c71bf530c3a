"""Which names may stand in `dangerous_commands`: a wrong one would be believed to allow, or to forbid, what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.commands.danger import mistake_in
from engine.config_file import load_config
from engine.errors import ConfigError
from tests.engine.commands.documented import DANGEROUS, DOCUMENTED


@pytest.mark.parametrize("name", sorted(DANGEROUS))
def test_every_dangerous_command_may_be_named(name: str) -> None:
    assert mistake_in(name) == ""


@pytest.mark.parametrize("name", sorted(set(DOCUMENTED) - DANGEROUS))
def test_what_is_not_dangerous_is_said_so(name: str) -> None:
    assert mistake_in(name) == f"{name} is not dangerous, operators may send it anyway: leave it out"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RESTART_PROCES", "did you mean RESTART_PROCESS"),
        ("restart_process", "did you mean RESTART_PROCESS"),
        ("REBOOT", "'REBOOT' is no external command: contrib/commands.md"),
        ("", "is no external command"),
        ("_SIGNALBOX_B1", "a mark of Signalbox's own"),
        ("_SIGNALBOX_", "a mark of Signalbox's own"),
        ("_signalbox_x", "a mark of Signalbox's own"),
    ],
)
def test_what_cannot_be_allowed_is_named_with_its_remedy(name: str, words: str) -> None:
    assert words in mistake_in(name)


def test_an_event_broker_module_s_command_may_be_named() -> None:
    assert mistake_in("_MODULE_DO_IT") == ""


def test_a_configuration_with_a_wrong_name_does_not_start(tmp_path: Path) -> None:
    """An operator would believe that a misspelt command is allowed."""
    path = tmp_path / "signalbox.toml"
    path.write_text('workers = 0\ndangerous_commands = ["RESTART_PROCES", "ENABLE_HOST_CHECK", "SHUTDOWN_PROCESS"]\n')
    with pytest.raises(ConfigError) as told:
        load_config(path, [], mistake_in_dangerous=mistake_in)
    mistakes = told.value.facts["mistakes"]
    assert [one for one in mistakes if one.startswith(f"{path}:2: dangerous_commands: ")] == [
        f"{path}:2: dangerous_commands: {mistake_in(name)}" for name in ("RESTART_PROCES", "ENABLE_HOST_CHECK")
    ]
    assert any("workers" in one for one in mistakes), "every mistake at once"
