"""A front for each test, over a world made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import Config
from tests.api.support_desk import Front, make_world, open_front


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def front(_world: Config, tmp_path: Path) -> Iterator[Front]:
    data = tmp_path / "data"
    shutil.copytree(_world.data, data)
    with open_front(replace(_world, data=data)) as opened:
        yield opened
