"""Readers do not wait for one another where SQLite counts its memory: in our processes it does not, and works as before."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASKED = """
import _sqlite3, ctypes, sqlite3, sys
from engine.uncounted import stop_counting
if sys.argv[1] == "stop":
    assert stop_counting()
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE t AS SELECT zeroblob(100000) AS b")
assert connection.execute("SELECT length(b) FROM t").fetchone() == (100000,)
used = ctypes.CDLL(getattr(_sqlite3, "__file__", None)).sqlite3_memory_used
used.restype = ctypes.c_int64
print(used())
"""


@pytest.mark.parametrize(("word", "is_counted"), [("stop", False), ("leave", True)])
def test_memory_is_counted_unless_it_was_stopped(word: str, is_counted: bool) -> None:
    asked = subprocess.run([sys.executable, "-c", _ASKED, word], capture_output=True, text=True, check=True)
    assert (int(asked.stdout) > 0) is is_counted


@pytest.mark.parametrize("module", ["api.worker", "engine.runtime"])
def test_processes_with_several_connections_do_not_count(module: str) -> None:
    """Each says so first: afterwards, with a database open, it is too late."""
    told = (
        "import importlib, sqlite3, sys\n"
        "def told():\n"
        "    sys.exit(7)\n"
        "def opened(*arguments, **more):\n"
        "    sys.exit('a database was opened before')\n"
        "import engine.uncounted\n"
        "engine.uncounted.stop_counting, sqlite3.connect = told, opened\n"
        f"importlib.import_module({module!r}).main()\n"
    )
    asked = subprocess.run([sys.executable, "-c", told], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert asked.returncode == 7, asked.stderr
