"""For every test: real cores are asked for by the marker `core`, and nothing but loopback is talked to."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator

import pytest

from tests.support.cores import require_cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first: with several processes one long test at the end would keep all others waiting."""
    items.sort(key=lambda item: "system" not in item.path.parts)


@pytest.fixture(scope="session")
def _cores_are_there() -> None:
    require_cores()


@pytest.fixture(autouse=True)
def _core_marker(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("core"):
        request.getfixturevalue("_cores_are_there")


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    """The command line narrows it for good; what runs it in the process of the tests must not do so for those after it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            assert address[0] == "localhost" or ipaddress.ip_address(address[0]).is_loopback, f"a test talks to {address}"
        connect(self, address)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()
