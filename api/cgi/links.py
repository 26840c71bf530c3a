"""Links to hosts and services, which lead to the very object they stand beside, also where two pollers have one of that name.

They stand in pages with bare `&`, as programs look for them: names in them are percent-encoded, so that nothing can break out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote_plus

from markupsafe import Markup

from api.cgi.visit import Visit
from engine.state.scope import all_of
from engine.state.views import Reader

_NAMES_AT_HAND = 256  # a list names a host once for each of its services


def twins(reader: Reader, visit: Visit) -> frozenset[str]:
    """Names of hosts that the caller sees on more than one poller: links to these name the poller."""
    if len(visit.desk.config.pollers) < 2:
        return frozenset()
    where, values = all_of([visit.caller.scope.sql("h.poller", "h.name")])
    query = f"SELECT h.name FROM state.host h WHERE {where} GROUP BY h.name HAVING count(*) > 1"
    return frozenset(name for (name,) in reader.connection.execute(query, values))


def target(host: str, service: str | None = None, poller: str = "") -> str:
    """The parameters that name an object; `poller` "" where its host's name is enough."""
    named = f"host={quote_plus(host)}" + (f"&service={quote_plus(service)}" if service is not None else "")
    return named + (f"&poller={quote_plus(poller)}" if poller else "")


@lru_cache(_NAMES_AT_HAND)
def host_link(host: str, poller: str = "") -> Markup:
    return Markup(f"extinfo.cgi?type=1&{target(host, None, poller)}")


def service_link(host: str, service: str, poller: str = "") -> Markup:
    return Markup(f"extinfo.cgi?type=2&{target(host, service, poller)}")


def status_link(host: str, poller: str = "") -> Markup:
    return Markup(f"status.cgi?{target(host, None, poller)}")


def expanded(url: str, macros: Mapping[str, str]) -> str:
    """A URL of the configuration with the macros that name the object; others stay as they are."""
    for macro, value in macros.items():
        url = url.replace(f"${macro}$", quote_plus(value))
    return url
