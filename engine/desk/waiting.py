"""Waiting for commands to move: the engine's hints arrive on a socket of this desk; a slow re-read is the net below them."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.commands.lifecycle import State
from engine.hints import DESK_PREFIX, listen, received

_REREAD_S = 0.25
_numbers = itertools.count(1)


class Standing(msgspec.Struct, frozen=True):
    """Where a command stands. `final`: nothing more will happen to it."""

    state: State
    final: bool


@dataclass(slots=True)
class Waiting:
    """Who waits for which command. Belongs to one event loop."""

    data: Path
    heard: Callable[[], None] = lambda: None  # called on every hint, whatever it says
    name: str = field(default_factory=lambda: f"{DESK_PREFIX}{os.getpid()}-{next(_numbers)}.sock")
    _socket: socket.socket | None = None
    _waiters: dict[str, set[asyncio.Event]] = field(default_factory=dict)

    def open(self) -> None:
        """Listen for hints on the running loop."""
        self._socket = listen(self.data, self.name)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._hinted)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        (self.data / self.name).unlink(missing_ok=True)

    async def until_reached(
        self,
        command_ids: Sequence[str],
        until: str,
        timeout_s: float,
        standings: Callable[[Sequence[str]], Awaitable[dict[str, Standing]]],
    ) -> None:
        """Return when each command has reached what is waited for, or when the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        moved = asyncio.Event()
        pending = list(dict.fromkeys(command_ids))
        for command_id in pending:
            self._waiters.setdefault(command_id, set()).add(moved)
        try:
            while pending:
                moved.clear()
                known = await standings(pending)
                pending = [each for each in pending if each in known and not has_reached(known[each], until)]
                left = deadline - loop.time()
                if left <= 0 or not pending:
                    return
                try:
                    async with asyncio.timeout(min(_REREAD_S, left)):
                        await moved.wait()
                except TimeoutError:
                    continue
        finally:
            for command_id in set(command_ids):
                waiters = self._waiters[command_id]
                waiters.discard(moved)
                if not waiters:
                    del self._waiters[command_id]

    def _hinted(self) -> None:
        assert self._socket is not None
        self.heard()
        for command_id in received(self._socket):
            for waiter in self._waiters.get(command_id, ()):
                waiter.set()


def has_reached(standing: Standing, until: str) -> bool:
    """`processed`: that or any last state. `final`: a last state."""
    return standing.final or (until == "processed" and standing.state is State.PROCESSED)
