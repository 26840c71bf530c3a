"""Short random stories on real cores, one that is always the same and one that is new each time; see contrib/fuzz."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from contrib.fuzz.story import evidence, site

pytestmark = pytest.mark.core

SECONDS = 12


@pytest.mark.parametrize("seed", [1, None])
def test_journal_and_cores_agree_after_a_random_story(
    seed: int | None, tell: Callable[[str], None], _cores_are_there: None
) -> None:
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    lines: list[str] = []
    with site(seed, lines.append, icinga2=seed != 1) as story:
        story.run(SECONDS)
        wrong = story.judge()
        tell(f"random story {seed}: {story.done} acts, {len(story.accepted)} commands, {len(wrong)} disagreements")
        assert not wrong, "\n".join([f"seed {seed}", *lines, *wrong, evidence(story.box.folder, wrong)])
        assert story.accepted
