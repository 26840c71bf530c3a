"""How often a long-lived process looks for cyclic garbage: more rarely than Python would by itself.

Every process of ours makes very many containers that live, and next to no cycles; looking for those took a tenth of a request's
time, and as much of a lane's.
"""

from __future__ import annotations

import gc

AFTER = 20_000  # new containers before cycles among them are looked for: a request leaves none, and makes hundreds


def spare_collection() -> None:
    """Look more rarely, and not among what is there from the start, of which next to nothing is garbage."""
    gc.freeze()
    gc.set_threshold(AFTER, 50, 100)
    gc.enable()
