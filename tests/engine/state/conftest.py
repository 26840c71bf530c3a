"""A mirror of two pollers in a folder of its own, and a reader of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.state.mirror import Mirror
from engine.state.views import Reader
from tests.engine.state.rows import CountingMint, poller


@pytest.fixture
def mint() -> CountingMint:
    return CountingMint()


@pytest.fixture
def mirror(tmp_path: Path, mint: CountingMint) -> Iterator[Mirror]:
    made = Mirror.open(tmp_path / "state.db", mint)
    made.configure([poller(1), poller(2)])
    yield made
    made.close()


@pytest.fixture
def reader(mirror: Mirror, tmp_path: Path) -> Iterator[Reader]:
    opened = Reader.open(tmp_path)
    yield opened
    opened.close()
