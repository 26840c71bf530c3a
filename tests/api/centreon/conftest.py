"""A front for each test over data made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.journal.store import Journal
from tests.api.centreon.canned import Front, make_state, make_users, open_front


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the mirror and the users."""
    data = tmp_path_factory.mktemp("centreon")
    make_state(data)
    journal = Journal.open(data)
    make_users(journal)
    journal.close()
    return data


@pytest.fixture
def front(prepared: Path, tmp_path: Path) -> Iterator[Front]:
    """A front nobody is logged in to."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    with open_front(tmp_path) as opened:
        yield opened


@pytest.fixture
def anna(front: Front) -> Front:
    """The front as an admin sees it."""
    return front.login("anna")
