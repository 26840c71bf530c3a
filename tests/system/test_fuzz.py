"""Short random stories on real cores, one that is always the same and one that is new each time; see contrib/fuzz."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from contrib.fuzz.judge import Claims, second_ones
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


@pytest.mark.parametrize("told_of", ["", "host", "services"])
def test_the_judge_knows_a_second_one_that_was_told_of_by_whichever_command_made_the_first(told_of: str) -> None:
    """A host's downtime with its services' is two commands of one text: what one of them told was looked for in the other."""
    fields = ("name", "host", "service", "state", "reason", "entry_id", "epoch", "cause")
    commands = [dict.fromkeys(fields, "") | {"id": name, "arguments": {"comment": "work"}} for name in ("host", "services")]
    told = {told_of: "\ndowntime_id=8 equals what this command made"} if told_of else {}
    blocks = [{"host_name": "h", "service_description": "", "comment": "work", "downtime_id": number} for number in ("7", "8")]
    found = list(second_ones(Claims(commands, [], [], told), "downtime", blocks, "comment"))
    assert len(found) == (0 if told_of else 1), found
