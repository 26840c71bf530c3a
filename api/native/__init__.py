"""Our own API under /v1: names instead of ids, honest words, one module per noun. `OPERATIONS` is the whole of it."""

from __future__ import annotations

from api.native import (
    acknowledgements,
    catalogue,
    checks,
    commands,
    comments,
    downtimes,
    features,
    hosts,
    operations,
    pollers,
    problems,
    results,
    services,
)

OPERATIONS = (
    *hosts.OPERATIONS,
    *services.OPERATIONS,
    *problems.OPERATIONS,
    *pollers.OPERATIONS,
    *downtimes.OPERATIONS,
    *acknowledgements.OPERATIONS,
    *comments.OPERATIONS,
    *checks.OPERATIONS,
    *results.OPERATIONS,
    *features.OPERATIONS,
    *catalogue.OPERATIONS,
    *commands.OPERATIONS,
    *operations.OPERATIONS,
)
