"""The CGIs' own configuration (`cgi.cfg`): who may do what, and how the pages look. Pure: text in, values out.

Rules: the original's reading is followed. A setting is `name=value` from the first column on; a list is cut at commas and its
items are taken as they stand, blanks included; several lists of one name add up; what stands before `default_user_name` was read
for nobody yet, so that the default user is not found in it.

Source: Nagios 4.4.6 cgi/cgiauth.c (get_authentication_information), cgi/cgiutils.c (read_cgi_config_file).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.formats.maincfg import logical_lines

RIGHTS = (
    "all_hosts", "all_services", "all_host_commands", "all_service_commands", "system_commands", "system_information",
    "configuration_information", "read_only",
)  # fmt: skip
_LIST = re.compile(rf"authorized_(contactgroup_)?for_({'|'.join(RIGHTS)})=(.*)", re.DOTALL)
_COMMENT = re.compile(r"CMT_([A-Z_]+)=(\d{1,9})(?:,(.*))?", re.DOTALL)
EVERYBODY = "*"
OPTIONAL, DEMANDED = 1, 2


class Grant(msgspec.Struct, frozen=True):
    """One list: the right it gives, to users or (`to_groups`) to members of contact groups. `*` is every user, never a group."""

    right: str
    names: frozenset[str]
    to_groups: bool
    before_default_user: bool


class CommentRule(msgspec.Struct, frozen=True):
    """What is asked of a command's comment: 0 none, DEMANDED, any other number is OPTIONAL; what the form holds at first."""

    asked: int
    text: str = ""


class CgiConfig(msgspec.Struct, frozen=True):
    """What a cgi.cfg says; the defaults are the original's."""

    main_config_file: Path | None = None
    use_authentication: bool = True
    default_user_name: str = ""
    lock_author_names: bool = True
    use_pending_states: bool = True
    escape_html_tags: bool = False
    result_limit: int = 100
    refresh_rate: int = 60
    url_html_path: str = "/nagios/"
    grants: tuple[Grant, ...] = ()
    comments: Mapping[str, CommentRule] = msgspec.field(default_factory=dict)  # by the command's name


_SWITCHES = ("use_authentication", "lock_author_names", "use_pending_states", "escape_html_tags")
_NUMBERS = ("result_limit", "refresh_rate")


def parse_cgi_config(text: str, path: Path) -> CgiConfig:
    """The values of the `text` that was read from `path`. What is not understood is left out, as the original does."""
    values: dict[str, object] = {}
    lists: list[tuple[int, re.Match[str]]] = []
    comments: dict[str, CommentRule] = {}
    default_at = 0
    for number, line in logical_lines(text):
        name, equals, value = line.partition("=")
        if given := _LIST.fullmatch(line):
            lists.append((number, given))
        elif rule := _COMMENT.fullmatch(line):
            comments[rule[1]] = CommentRule(int(rule[2]), rule[3] or "")
        elif not equals:
            continue
        elif name in _SWITCHES:
            values[name] = _number(value) > 0
        elif name in _NUMBERS:
            values[name] = _number(value)
        elif name == "main_config_file":
            values[name] = path.parent / value
        elif name == "url_html_path":
            values[name] = value if value.endswith("/") else value + "/"
        elif name == "default_user_name" and not default_at:
            values[name], default_at = value.partition(",")[0], number
    grants = (_grant(given, before=number < default_at) for number, given in lists)
    return CgiConfig(grants=tuple(grants), comments=comments, **values)  # type: ignore[arg-type]


def _grant(given: re.Match[str], *, before: bool) -> Grant:
    return Grant(given[2], frozenset(name for name in given[3].split(",") if name), bool(given[1]), before)


def _number(text: str) -> int:
    """As atoi reads it."""
    digits = re.match(r"\s*[+-]?\d{1,9}", text)
    return int(digits[0]) if digits else 0
