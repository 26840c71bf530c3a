"""The box that says which masks a page of status.cgi was filtered by.

Source: Nagios 4.4.6 cgi/status.c (show_filters).
"""

from __future__ import annotations

from api.cgi.visit import Visit

_HOSTS = ((1, "Pending"), (2, "Up"), (4, "Down"), (8, "Unreachable"))
_SERVICES = ((1, "Pending"), (2, "Ok"), (8, "Unknown"), (4, "Warning"), (16, "Critical"))
_PROPERTIES = (
    "In Scheduled Downtime", "Not In Scheduled Downtime", "Has Been Acknowledged", "Has Not Been Acknowledged",
    "{}Checks Disabled", "{}Checks Enabled", "Event Handler Disabled", "Event Handler Enabled", "Flap Detection Disabled",
    "Flap Detection Enabled", "Is Flapping", "Is Not Flapping", "Notifications Disabled", "Notifications Enabled",
    "Passive Checks Disabled", "Passive Checks Enabled", "Passive Checks", "Active Checks", "In Hard State", "In Soft State",
)  # fmt: skip
_ALL = {"host": 15, "service": 31}
_PROBLEMS = {"host": 12, "service": 28}


def filterbox(visit: Visit) -> list[tuple[str, str]]:
    """(name, words) of each mask; nothing where none is set."""
    masks = {kind: _number(visit, f"{kind}statustypes", _ALL[kind]) for kind in _ALL}
    properties = {"host": visit.number("hostprops"), "service": visit.number("serviceprops")}
    if masks == _ALL and not any(properties.values()):
        return []
    return [
        row
        for kind, states in (("host", _HOSTS), ("service", _SERVICES))
        for row in (
            (f"{kind.title()} Status Types", _types(kind, masks[kind], states)),
            (f"{kind.title()} Properties", _words(kind, properties[kind])),
        )
    ]


def _number(visit: Visit, name: str, absent: int) -> int:
    return visit.number(name) if visit.has(name) else absent


def _types(kind: str, mask: int, states: tuple[tuple[int, str], ...]) -> str:
    if mask == _ALL[kind]:
        return "All"
    if mask == _PROBLEMS[kind]:
        return "All problems" if kind == "host" else "All Problems"
    return " |".join(f" {word}" for bit, word in states if mask & bit)


def _words(kind: str, mask: int) -> str:
    if not mask:
        return "Any"
    active = "" if kind == "host" else "Active "
    return " &".join(f" {words.format(active)}" for bit, words in enumerate(_PROPERTIES) if mask & (1 << bit))
