"""Wake-ups between processes: datagrams on Unix sockets in the data folder. Hints only: losing one costs milliseconds, never data.

The engine listens on `engine.sock` for numbers of pollers that have new work; each desk listens on a `desk-*.sock` of its own
for ids of commands whose life went on, and for the word that there are new events.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENGINE_SOCKET = "engine.sock"
DESK_PREFIX = "desk-"
NEW_EVENTS = "events"
_LARGEST = 60_000  # bytes of a datagram that every kernel takes


def listen(data: Path, name: str) -> socket.socket:
    """A non-blocking socket bound in the data folder; what a dead process left under that name is removed."""
    (data / name).unlink(missing_ok=True)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    with _short(data) as folder:
        receiver.bind(f"{folder}/{name}")
    return receiver


def poke_engine(data: Path, pollers: set[int]) -> None:
    """Tell the engine which pollers have new work."""
    _send(data, [ENGINE_SOCKET], ",".join(map(str, sorted(pollers))).encode())


def tell_desks(data: Path, command_ids: list[str]) -> None:
    """Tell every desk which commands moved. The sockets of desks that died are removed."""
    try:
        names = [entry.name for entry in os.scandir(data) if entry.name.startswith(DESK_PREFIX) and entry.name.endswith(".sock")]
    except OSError:
        return  # as with _send: no descriptor is left
    chunk = _LARGEST // 40
    for start in range(0, len(command_ids), chunk):
        _send(data, names, ",".join(command_ids[start : start + chunk]).encode())


def is_listening(data: Path, name: str) -> bool:
    """Does a living process listen under that name? An empty hint is sent to find out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender, _short(data) as folder:
        try:
            sender.sendto(b"", f"{folder}/{name}")
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True  # it has not read for a while
    return True


def received(receiver: socket.socket) -> list[str]:
    """Every word that has come in, [] when none has."""
    words: list[str] = []
    while True:
        try:
            datagram = receiver.recv(1 << 16)
        except BlockingIOError:
            return words
        words += [word for word in datagram.decode("ascii", "replace").split(",") if word]


def _send(data: Path, names: list[str], payload: bytes) -> None:
    """Never raises: what was stored stands, and the receiver looks by itself soon."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender, _short(data) as folder:
            for name in names:
                _send_one(sender, folder, name, payload)
    except OSError:
        return  # no descriptor is left


def _send_one(sender: socket.socket, folder: str, name: str, payload: bytes) -> None:
    try:
        sender.sendto(payload, f"{folder}/{name}")
    except ConnectionRefusedError:
        if name != ENGINE_SOCKET:
            Path(folder, name).unlink(missing_ok=True)
    except OSError:
        return  # full or gone


@contextmanager
def _short(data: Path) -> Iterator[str]:
    """A short name of the folder: socket addresses end at 108 bytes, data folders do not."""
    descriptor = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
