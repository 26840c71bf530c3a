"""Rows of the catalogue: the core's process, its saved state, files of commands, its log."""

from __future__ import annotations

from typing import Any

from engine.commands.parts import ICINGA1, NAEMON, NAGIOS, NOT_ICINGA2, PROCESS, STATE, WHEN, Rows, row
from engine.commands.row import ALL, Effect, Field, FieldType, Members, Subject


def process() -> Rows:
    """The core's process, state and log."""
    once: dict[str, Any] = {"idempotent": False, "resend_when_absent": False, "on": Members.NOBODY, "ttl": "ttl_process_s"}
    ends: dict[str, Any] = {
        "log": ("PROGRAM_SHUTDOWN event encountered, shutting down...*", "Received request to shut down.", "Shutting down*")
    }
    starts: dict[str, Any] = {
        "log": ("PROGRAM_RESTART event encountered, restarting...*", "Caught SIGHUP, restarting...", "'*' started.")
    }
    for name in ("SHUTDOWN_PROCESS", "SHUTDOWN_PROGRAM"):
        kinds = ALL if name.endswith("PROCESS") else NOT_ICINGA2
        yield row(
            name, Subject.GLOBAL, Effect.LOGGED, *WHEN, kinds=kinds, danger=PROCESS, effect_deadline_s=30.0, doc="End the core.",
            **once, **ends,
        )  # fmt: skip
    for name in ("RESTART_PROCESS", "RESTART_PROGRAM"):
        kinds = ALL if name.endswith("PROCESS") else NOT_ICINGA2
        yield row(
            name, Subject.GLOBAL, Effect.LOGGED, *WHEN, kinds=kinds, danger=PROCESS, effect_deadline_s=30.0,
            doc="Restart the core.", **once, **starts,
        )  # fmt: skip
    yield row(
        "SAVE_STATE_INFORMATION", Subject.GLOBAL, Effect.UNSEEN, *WHEN, kinds=NOT_ICINGA2, on=Members.NOBODY,
        doc="Write the retention file now.",
    )  # fmt: skip
    yield row(
        "READ_STATE_INFORMATION", Subject.GLOBAL, Effect.UNSEEN, *WHEN, kinds=NOT_ICINGA2, danger=STATE,
        doc="Read the retention file over the live state.", **once,
    )  # fmt: skip
    yield row(
        "SYNC_STATE_INFORMATION", Subject.GLOBAL, Effect.UNSEEN, kinds=frozenset({ICINGA1}), danger=STATE,
        doc="Merge the retention file for synchronisation into the live state.", **once,
    )  # fmt: skip
    yield row(
        "FLUSH_PENDING_COMMANDS", Subject.GLOBAL, Effect.UNSEEN, kinds=frozenset({NAGIOS, ICINGA1}), until={NAGIOS: (4,)},
        danger="it drops commands of everybody", doc="Drop the commands the core has not executed yet.", **once,
    )  # fmt: skip
    yield row(
        "PROCESS_FILE", Subject.GLOBAL, Effect.UNSEEN, Field("path", FieldType.PATH, "of a file of external commands"),
        Field("delete", FieldType.BOOL, "remove it afterwards", False),
        danger="it runs commands from any file and may delete it", doc="Execute the external commands in a file.", **once,
    )  # fmt: skip
    yield row(
        "LOG", Subject.GLOBAL, Effect.LOGGED, Field("text", FieldType.TEXT, "the line"), kinds=frozenset({NAEMON}), log=("{text}",),
        danger="it can forge any line of the log", doc="Write a line into the core's log.", **once,
    )  # fmt: skip
