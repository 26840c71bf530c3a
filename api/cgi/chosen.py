"""What a request to status.cgi is about: a host, a hostgroup, a servicegroup, or all of these; as conditions over h, s and c.

Source: Nagios 4.4.6 cgi/status.c: of several names the last one counts, a host is also found by its address or alias, and a group
without a style is an overview.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote_plus

import msgspec

from api.cgi.visit import Visit
from engine.state.scope import Condition

_BY = ("host", "hostgroup", "servicegroup")
_STYLES = ("overview", "detail", "summary", "grid", "hostdetail")


class Chosen(msgspec.Struct, frozen=True):
    """`by`: host, hostgroup or servicegroup; `name` "all" for all of them; `style`: one of the original's."""

    by: str
    name: str
    style: str
    has_wildcards: bool = False

    @property
    def is_all(self) -> bool:
        return self.name == "all"

    @property
    def target(self) -> str:
        """As it stands in links."""
        return ("navbarsearch=1&" if self.has_wildcards else "") + f"{self.by}={quote_plus(self.name)}"


def chosen(visit: Visit) -> Chosen:
    """What the parameters are about."""
    by = next((name for name, _ in reversed(visit.parameters) if name in _BY), "host")
    name, style = visit.value(by) or "all", visit.value("style", "overview")
    if by == "host":
        return Chosen(by, name, "detail", visit.has("navbarsearch") and "*" in name)
    return Chosen(by, name, style if style in _STYLES else "detail")


def condition(which: Chosen, kind: str) -> Condition:
    """The hosts (`kind` host) or services of it."""
    if which.is_all:
        return "1", ()
    if which.by == "host":
        test = "GLOB" if which.has_wildcards else "="
        name = which.name.replace("[", "[[]") if which.has_wildcards else which.name
        return f"(h.name {test} ? OR c.address {test} ? OR c.alias {test} ?)", [name] * 3
    keys, members = "h.poller, h.name", "gm.poller, gm.host_name"
    if kind == "service" and which.by == "servicegroup":
        keys, members = "s.poller, s.host_name, s.description", "gm.poller, gm.host_name, gm.service_description"
    return f"({keys}) IN (SELECT {members} FROM state.group_member gm WHERE gm.kind = '{which.by}' AND gm.name = ?)", [which.name]


_ALL = {"host": "All Hosts", "hostgroup": "All Host Groups", "servicegroup": "All Service Groups"}
_ONE = {"host": "Host '{}'", "hostgroup": "Host Group '{}'", "servicegroup": "Service Group '{}'"}
_TITLES = {"detail": "Service Status Details For ", "hostdetail": "Host Status Details For ", "overview": "Service Overview For ",
           "summary": "Status Summary For ", "grid": "Status Grid For "}  # fmt: skip


def title(which: Chosen) -> str:
    """What the page is called."""
    if which.style == "hostdetail" and which.by == "servicegroup":
        return _TITLES["hostdetail"] + _ALL["hostgroup"]
    return _TITLES[which.style] + (_ALL[which.by] if which.is_all else _ONE[which.by].format(which.name))


_WORDS: Mapping[str, Mapping[str, str]] = {
    "hostgroup": {
        "detail": "Service Status Detail", "hostdetail": "Host Status Detail", "overview": "Status Overview",
        "summary": "Status Summary", "grid": "Status Grid",
    },
    "servicegroup": {
        "detail": "Service Status Detail", "overview": "Status Overview", "summary": "Status Summary",
        "grid": "Service Status Grid",
    },
}  # fmt: skip


def links(which: Chosen) -> list[tuple[str, str]]:
    """(query, words) of the other views of the same."""
    if which.by == "host":
        if not which.is_all:
            return [("host=all", "View Service Status Detail For All Hosts")]
        return [("hostgroup=all&style=hostdetail", "View Host Status Detail For All Hosts")]
    groups = "Host Group" if which.by == "hostgroup" else "Service Group"
    words = _WORDS[which.by]
    others = [(style, what) for style, what in words.items() if style != which.style]
    if which.is_all:
        return [(f"{which.by}=all&style={style}", f"View {what} For All {groups}s") for style, what in others]
    this = [(f"{which.target}&style={style}", f"View {what} For This {groups}") for style, what in others]
    every = []
    if which.style in words:
        every.append((f"{which.by}=all&style={which.style}", f"View {words[which.style]} For All {groups}s"))
    return every + this if which.by == "hostgroup" else this + every
