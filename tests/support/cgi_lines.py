"""A page of the CGIs line by line, without what differs on purpose or from second to second, and every reason why it does.

What is listed here is what contrib/cgi-pages.md tells people.
"""

from __future__ import annotations

import html
import re

# What a person sees or a program matches is left alone: only times, addresses of pictures and how a character is written.
_EVEN_OUT = (
    (re.compile(r"<head>.*?</head>\n", re.I | re.S), ""),  # style sheets and scripts of its own
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"<script.*?</script>\n", re.I | re.S), ""),
    (re.compile(r"\d\d-\d\d-\d{4} \d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \w+ \d+"), "TIME"),
    (re.compile(r" *\d+d +\d+h +\d+m +\d+s"), "LASTED"),
    (re.compile(r"&&"), "&"),
    (re.compile(r"(?<=File: )/[^<]*/"), ""),  # a folder that the original forgets now and then
    (re.compile(r"outages\.cgi"), "status.cgi?hostgroup=all&style=hostdetail&hoststatustypes=12"),  # which ours leads to
    (re.compile(r"-1\.00 / -1\.00 / "), "0.00 / 0.00 / "),  # where nothing is checked actively
    (re.compile(r"(?<= / )[\d.]+ sec</a>"), "AVERAGE</a>"),  # which is rounded otherwise
)
_LEFT_OUT = (  # links and pictures of pages that are not served here
    r"<a href='(?:history|notifications|avail)\.cgi[^']*'>.*",
    r"<a href='\.\./(?:trends|histogram)\.html[^']*'>.*",
    r".*Locate Host On Map.*",
    r"<label for='limit'>.*|<select onchange=.*|<option .*|</select></div>|<div id='top_page_numbers'></div>",  # works by a script
    r"<div id='result_limit'>.*",
    r"(?:</?(?:table|div|p|tr|td|br)(?:(?! class=)[^>])* ?/?>)+",  # layout, in itself
    r"<div (?:align=center )?class='groups?'>",
)
_DROPPED = re.compile("|".join(f"(?:{one})" for one in _LEFT_OUT), re.I)
_MENDED = (  # mistakes in the originals' HTML
    (
        re.compile(r"<td class='(status\w+)'>((?:<a href='extinfo\.cgi[^>]*>[^<]*</a> )*)<td class='"),
        r"<td class='\1'>\2</td>\n<td class='",
    ),
    (re.compile(r"</i><font>$", re.M), "</i></font>"),
    (re.compile(r"Services</a></th>"), "Services</th>"),
    (re.compile(r"</a><td>$", re.M), "</a></td>"),
    (re.compile(r"TARGET='blank'"), "TARGET='_blank'"),
    (re.compile(r"^<br />(?=<a )", re.M), ""),
    (re.compile(r"(?<=</a>|</A>)<br>$", re.M | re.I), ""),
    (re.compile(r"<hr>[^<]*</td>(?=.*Scheduled Downtime)"), "</td>"),  # the downtime's comment below its own
)


def lines_of_page(page: str) -> list[str]:
    """What stands in it, line by line."""
    text = page
    for pattern, instead in _EVEN_OUT:
        text = pattern.sub(instead, text)
    text = html.unescape(text).replace("\u00a0", " ")
    for pattern, instead in _MENDED:
        text = pattern.sub(instead, text)
    return [line.rstrip() for line in text.splitlines() if line.strip() and not _DROPPED.fullmatch(line.strip())]
