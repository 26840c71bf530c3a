"""Differences between kinds of core, each as measured or read (see the notes on cores)."""

from __future__ import annotations

from engine.commands.profiles import PROFILES
from engine.model import CoreKind


def kinds_where(name: str) -> set[CoreKind]:
    return {kind for kind, profile in PROFILES.items() if getattr(profile, name)}


def test_every_kind_has_a_profile() -> None:
    assert set(PROFILES) == set(CoreKind)


def test_the_differences() -> None:
    others = set(CoreKind) - {CoreKind.ICINGA2}
    assert kinds_where("bracket_is_entry_time") == others
    assert kinds_where("unescapes_output") == others
    assert kinds_where("cuts_downtime_comment") == others - {CoreKind.NAEMON}
    assert kinds_where("whole_numbers_only") == others
    for only_icinga2 in ("echo_has_bracket", "host_services_downtime_includes_host", "persists_at_once"):
        assert kinds_where(only_icinga2) == {CoreKind.ICINGA2}


def test_a_mark_is_overdue_only_when_the_core_would_have_shown_it() -> None:
    """Icinga 2 flushes its log up to 1.1 s late; the others take milliseconds."""
    assert PROFILES[CoreKind.ICINGA2].mark_overdue_s > 1.1
    assert all(PROFILES[kind].mark_overdue_s == 0.25 for kind in CoreKind if kind is not CoreKind.ICINGA2)
