"""Our own API under /v1: names instead of ids, honest words, one module per noun. `OPERATIONS` is the whole of it."""

from __future__ import annotations

from api.native import (
    acknowledgements,
    catalogue,
    check_commands,
    checks,
    commands,
    comments,
    contactgroups,
    contacts,
    downtimes,
    features,
    history,
    hostgroups,
    hosts,
    pollers,
    problems,
    results,
    servicegroups,
    services,
    tactical,
    timeperiods,
)

OPERATIONS = (
    *hosts.OPERATIONS,
    *services.OPERATIONS,
    *problems.OPERATIONS,
    *history.OPERATIONS,
    *tactical.OPERATIONS,
    *hostgroups.OPERATIONS,
    *servicegroups.OPERATIONS,
    *contacts.OPERATIONS,
    *contactgroups.OPERATIONS,
    *timeperiods.OPERATIONS,
    *check_commands.OPERATIONS,
    *pollers.OPERATIONS,
    *downtimes.OPERATIONS,
    *acknowledgements.OPERATIONS,
    *comments.OPERATIONS,
    *checks.OPERATIONS,
    *results.OPERATIONS,
    *features.OPERATIONS,
    *catalogue.OPERATIONS,
    *commands.OPERATIONS,
)
