"""Imports go one way, and the checker that says so is trusted only because each of its contracts has failed once.

Every contract of pyproject.toml has at least one negative control: a copy of the tree with a planted import must break it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# `tests` and `contrib` have no __init__.py: were this tree on the path as well (an editable installation), modules of both trees
# would be parts of one package, and which of two of a name is looked at would be chance.
_LINTER = """
import sys
installed = sys.argv.pop(1)
sys.path[:] = [".", *(folder for folder in sys.path if folder not in ("", installed))]
from importlinter.cli import lint_imports_command
lint_imports_command()
"""

# (contract, file the import is planted in, planted line)
PLANTED = [
    ("the engine has never heard of HTTP", "engine/commands/wire.py", "import api.errors"),
    ("the engine has never heard of HTTP", "engine/journal/store.py", "import starlette"),
    ("inside the engine imports go one way", "engine/formats/status.py", "import engine.journal.store"),
    ("inside the engine imports go one way", "engine/errors.py", "import engine.model"),
    ("inside the engine imports go one way", "engine/pollers/tail.py", "import engine.desk"),
    ("inside the engine imports go one way", "engine/formats/maincfg.py", "import engine.config"),
    ("inside the engine imports go one way", "engine/of_no_layer.py", "import engine.model"),
    ("the pure middle has no clock, file, socket or thread in it", "engine/commands/proof.py", "import time"),
    ("the pure middle has no clock, file, socket or thread in it", "engine/state/changes.py", "import engine.state.views"),
    ("one dialect knows nothing of another", "api/centreon/__init__.py", "import api.native"),
    ("the oracle judges without asking the judged", "tests/support/oracle.py", "import engine.commands.wire"),
    ("the oracle judges without asking the judged", "contrib/demo_cores.py", "import api"),
]


def _contracts() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}


def _broken(tree: Path) -> set[str]:
    """Names of the contracts that do not hold in a tree."""
    words = [sys.executable, "-c", _LINTER, str(ROOT), "--no-cache"]
    run = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False, timeout=120)
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    broken = {line.removesuffix(" BROKEN") for line in run.stdout.splitlines() if line.endswith(" BROKEN")}
    assert (run.returncode != 0) == bool(broken)
    return broken


def test_every_contract_holds() -> None:
    assert _broken(ROOT) == set()


def test_every_contract_has_a_negative_control() -> None:
    assert {contract for contract, _, _ in PLANTED} == _contracts()


@pytest.mark.parametrize(("contract", "file", "line"), PLANTED)
def test_a_planted_import_is_found(tmp_path: Path, contract: str, file: str, line: str) -> None:
    for part in ("engine", "api", "tests", "contrib"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__", "golden", ".*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / file
    with planted.open("a", encoding="utf-8") as file_end:
        file_end.write(f"\n{line}\n")
    assert contract in _broken(tmp_path)
