"""Where a real core is missing: CI fails, everybody else is told what to install."""

from __future__ import annotations

import pytest

from tests.support import cores


@pytest.fixture
def _without_icinga2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "missing_programs", lambda: ["/usr/sbin/icinga2"])


@pytest.mark.usefixtures("_without_icinga2")
def test_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match=r"icinga2 not installed: apt-get install .*icinga2-bin"):
        cores.require_cores()


@pytest.mark.usefixtures("_without_icinga2")
def test_elsewhere_it_is_skipped_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"icinga2 not installed: apt-get install .*icinga2-bin"):
        cores.require_cores()
