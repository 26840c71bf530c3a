"""A random story of commands, restarts, crashes, rotations, dirt and faults on real cores; in the end journal and cores must agree.

    python -m contrib.fuzz                        one minute, a new seed
    python -m contrib.fuzz --seed 7 --minutes 5   that story for five minutes
    python -m contrib.fuzz --minutes 120          two hours by hand: before a release, and after any change to the lane

Prints the seed first, then the story line by line, in the end what was accepted and whether all of it is true. A seed tells the
same story again as far as chance is ours: the cores and the machine have their own. Exit code 1 and the evidence (lives, blocks,
the last lines of Signalbox) if anything disagrees. Long runs are cut into stories of five minutes, each with a fresh site and its
own seed.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence

from contrib.fuzz.story import evidence, site

STORY_S = 300.0


def main(arguments: Sequence[str]) -> int:
    """Tell stories until the time is over or one comes out wrong."""
    parser = argparse.ArgumentParser(prog="python -m contrib.fuzz")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--minutes", type=float, default=1.0)
    asked = parser.parse_args(arguments)
    left, seed = asked.minutes * 60, asked.seed
    while left > 0:
        if not tell_story(seed, min(left, STORY_S)):
            return 1
        left, seed = left - STORY_S, seed + 1
    return 0


def tell_story(seed: int, seconds: float) -> bool:
    """One story. True when everything agreed."""
    with site(seed, lambda words: print(words, flush=True)) as story:
        story.run(seconds)
        wrong = story.judge()
        print(f"seed {seed}: {story.done} acts, {len(story.accepted)} commands accepted, {len(wrong)} disagreements", flush=True)
        for words in wrong:
            print(f"\n!! {words}", flush=True)
        if wrong:
            print(f"\nWhat Signalbox said:\n{evidence(story.box.folder, wrong)}\nseed {seed}", flush=True)
        return not wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
