"""The originals' words and their numbers: what an option may say, and how an enumeration or a bit mask is written out. Data only.

Source: Nagios 4.4.6, the answers of its JSON CGIs to `query=help` and with `formatoptions=enumerate bitmask`.
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, int]

# --- what objects are like (enumerations of the answers) ----------------------------------------------------------------------

HOST_STATUS: Words = {"up": 2, "down": 4, "unreachable": 8, "pending": 1}
SERVICE_STATUS: Words = {"ok": 2, "warning": 4, "critical": 16, "unknown": 8, "pending": 1}
HOST_STATE: Words = {"up": 0, "down": 1, "unreachable": 2}
SERVICE_STATE: Words = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
CHECK_OPTIONS: Words = {"force_execution": 1, "freshness_check": 2, "orphan_check": 4}
CHECK_TYPE: Words = {"active": 0, "passive": 1}
STATE_TYPE: Words = {"soft": 0, "hard": 1}
ACKNOWLEDGEMENT: Words = {"none": 0, "normal": 1, "sticky": 2}
COMMENT_TYPE: Words = {"host": 1, "service": 2}
ENTRY_TYPE: Words = {"user": 1, "downtime": 2, "flapping": 3, "acknowledgement": 4}
DOWNTIME_TYPE: Words = {"service": 1, "host": 2, "any": 3}
OPTION_TYPES: Words = {
    "up": 1, "down": 2, "unreachable": 4, "ok": 1, "unknown": 8, "warning": 2, "critical": 4, "recovery": 1, "pending": 1024,
    "flapping": 2048, "downtime": 4096,
}  # fmt: skip
ARCHIVE_OBJECT: Words = {"host": 1, "service": 2}
ARCHIVE_STATE_TYPE: Words = {"hard": 1, "soft": 2}
ARCHIVE_STATE: Words = {
    "nodata": 0, "up": 1, "down": 2, "unreachable": 4, "ok": 8, "warning": 16, "critical": 32, "unknown": 64,
}  # fmt: skip
NOTIFICATION: Words = {
    "nodata": 0, "down": 1, "unreachable": 2, "recovery": 4, "hostcustom": 8, "hostack": 16, "hostflapstart": 32,
    "hostflapstop": 64, "critical": 128, "warning": 256, "custom": 1024, "serviceack": 2048, "serviceflapstart": 4096,
    "serviceflapstop": 8192, "unknown": 16384,
}  # fmt: skip
SERVICE_RECOVERY = 512
DOUBLED = {SERVICE_RECOVERY: "recovery"}  # a word that stands for two numbers: its second one

# --- what options may say -----------------------------------------------------------------------------------------------------

YES, NO = 1, 2
CURRENT = 1 << 11  # an assumed state: the one the object is in now

OF_OPTIONS: Mapping[str, Words] = {
    "none": {"none": 0},
    "format": {"whitespace": 1, "enumerate": 2, "bitmask": 4, "duration": 8},
    "host_status": HOST_STATUS,
    "service_status": SERVICE_STATUS,
    "comment_type_mask": {"host": 1, "service": 2},
    "entry_type_mask": {"user": 1, "downtime": 2, "flapping": 4, "acknowledgement": 8},
    "yes_no": {"yes": YES, "no": NO},
    "downtime_kind_mask": {"fixed": 1, "flexible": 2},
    "host_time": {
        "lastupdate": 1, "lastcheck": 2, "nextcheck": 3, "laststatechange": 4, "lasthardstatechange": 5, "lasttimeup": 6,
        "lasttimedown": 7, "lasttimeunreachable": 8, "lastnotification": 13, "nextnotification": 14,
    },
    "service_time": {
        "lastupdate": 1, "lastcheck": 2, "nextcheck": 3, "laststatechange": 4, "lasthardstatechange": 5, "lasttimeok": 9,
        "lasttimewarning": 10, "lasttimecritical": 11, "lasttimeunknown": 12, "lastnotification": 13, "nextnotification": 14,
    },
    "comment_time": {"entrytime": 15, "expiretime": 16},
    "downtime_time": {"entrytime": 15, "starttime": 17, "flexdowntimestart": 18, "endtime": 19},
    "archive_object": ARCHIVE_OBJECT,
    "availability_object": {"hosts": 1, "hostgroups": 4, "services": 2, "servicegroups": 8},
    "archive_state_type": ARCHIVE_STATE_TYPE,
    "archive_host_state": {"up": 1, "down": 2, "unreachable": 4},
    "archive_service_state": {"ok": 8, "warning": 16, "critical": 32, "unknown": 64},
    "assumed_host_state": {"up": 1, "down": 2, "unreachable": 4, "current": CURRENT},
    "assumed_service_state": {"ok": 8, "warning": 16, "critical": 32, "unknown": 64, "current": CURRENT},
    "host_notification": {
        "nodata": 0, "down": 1, "unreachable": 2, "recovery": 4, "hostcustom": 8, "hostack": 16, "hostflapstart": 32,
        "hostflapstop": 64,
    },
    "service_notification": {
        "nodata": 0, "critical": 128, "warning": 256, "recovery": SERVICE_RECOVERY, "custom": 1024, "serviceack": 2048,
        "serviceflapstart": 4096, "serviceflapstop": 8192, "unknown": 16384,
    },
}  # fmt: skip

# The columns behind the time fields.
TIME_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "hosttimefield": {
        "lastcheck": "last_check", "nextcheck": "next_check", "laststatechange": "last_state_change",
        "lasthardstatechange": "last_hard_state_change", "lasttimeup": "last_time_up", "lasttimedown": "last_time_down",
        "lasttimeunreachable": "last_time_unreachable", "lastnotification": "last_notification",
        "nextnotification": "next_notification",
    },
    "servicetimefield": {
        "lastcheck": "last_check", "nextcheck": "next_check", "laststatechange": "last_state_change",
        "lasthardstatechange": "last_hard_state_change", "lasttimeok": "last_time_ok", "lasttimewarning": "last_time_warning",
        "lasttimecritical": "last_time_critical", "lasttimeunknown": "last_time_unknown",
        "lastnotification": "last_notification", "nextnotification": "next_notification",
    },
    "commenttimefield": {"entrytime": "entry_time", "expiretime": "expire_time"},
    "downtimetimefield": {
        "entrytime": "entry_time", "starttime": "start_time", "flexdowntimestart": "actual_start", "endtime": "end_time",
    },
}  # fmt: skip

# The letters of options in the object cache, and their bits.
HOST_LETTERS: Words = {"o": 1, "r": 1, "d": 2, "u": 4, "f": 2048, "s": 4096, "p": 1024}
SERVICE_LETTERS: Words = {"o": 1, "r": 1, "w": 2, "c": 4, "u": 8, "f": 2048, "s": 4096, "p": 1024}
