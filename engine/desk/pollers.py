"""Is a poller's core there to read, and is the engine there to write: asked directly, not taken from the mirror."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

from engine.config import Poller
from engine.desk.orders import Order
from engine.errors import PollerAway
from engine.model import PollerView
from engine.pollers.command_file import probe, room

ENGINE_LOCK = "engine.lock"
_GRACE_S = 0.05  # a core that is being reloaded closes its FIFO for a moment
_SHORTEST_RETRY_S = 5


def poller_away(poller: Poller, view: PollerView | None) -> PollerAway | None:
    """The refusal for a core that is not reading now, None when it reads.

    Our own look at the command file is newer than the mirror's word, so it decides; where the mirror says that the core reads, a
    second look rules out a gap of milliseconds. A core that hangs (`stalled`) is away only once its command file takes no more.
    """
    word, detail = probe(poller.command_file)
    if word != "reading" and (view is None or view.command_file_health in ("reading", "stalled", "unknown")):
        time.sleep(_GRACE_S)
        word, detail = probe(poller.command_file)
    if word == "reading" and view is not None and view.command_file_health == "stalled" and not room(poller.command_file).free:
        word, detail = "stalled", f"{poller.command_file} is full, and its core does not read it: see whether it hangs."
    if word == "reading":
        return None
    retry_after_s = max(_SHORTEST_RETRY_S, int(poller.status_update_interval_s))
    return PollerAway(
        f"{poller.name} takes no commands now. {detail} Nothing was accepted and nothing will be sent: ask again then.",
        poller=poller.name,
        number=poller.number,
        health=word,
        retry_after_s=retry_after_s,
    )


def is_engine_alive(data: Path) -> bool:
    """True while an engine process holds the data folder's engine.lock."""
    try:
        descriptor = os.open(data / ENGINE_LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two desks that look at once do not take each other for the engine.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def pollers_away(orders: Iterable[Order], hold: bool) -> dict[int, PollerAway]:
    """Pollers nobody reads for; nothing is looked at when the caller can wait."""
    if hold:
        return {}
    pollers = {order.found.poller.number: order.found for order in orders}
    looked = {number: poller_away(found.poller, found.view) for number, found in pollers.items()}
    return {number: away for number, away in looked.items() if away is not None}
