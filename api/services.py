"""What the handlers of a dialect may ask, whatever their requests are: the desk, who is at the door, the settings, the time, and
bodies of answers that are kept."""

from __future__ import annotations

import msgspec

from api.auth.doorkeeper import Doorkeeper
from api.kept import KeptAnswers
from engine.clock import Clock
from engine.config import Settings
from engine.desk import Desk


class Services(msgspec.Struct, frozen=True):
    """One set for all requests of a worker."""

    desk: Desk
    doorkeeper: Doorkeeper
    settings: Settings
    clock: Clock
    kept: KeptAnswers[bytes]
