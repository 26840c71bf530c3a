"""From a query string to an answer: read the question, find what it names, let the subject's module answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from api.cgi.dates import Wall
from api.cgi.json_cgis import archive, notes, objects, program, status
from api.cgi.json_cgis.envelope import Data, Result, answer
from api.cgi.json_cgis.names import Found, Sight, find_named, sight_of
from api.cgi.json_cgis.options import Asked, Code, Mistake, ignored, lacks, parse_options
from api.cgi.json_cgis.output import Output
from api.cgi.json_cgis.surface import help_bytes, surfaces
from engine.state.scope import Scope
from engine.state.views import Reader

_NONE: Mapping[int, Wall] = {}
Answering = Callable[[Sight, Asked, Found, Output], Data]

_STATUS: Mapping[str, Answering] = {
    "hostcount": status.host_count,
    "hostlist": status.host_list,
    "host": lambda sight, asked, found, output: status.one_host(sight, found, output),
    "servicecount": status.service_count,
    "servicelist": status.service_list,
    "service": status.one_service,
    "commentcount": lambda *asked: notes.count(notes.COMMENTS, *asked),
    "commentlist": lambda *asked: notes.listing(notes.COMMENTS, *asked),
    "comment": lambda sight, asked, found, output: notes.one(notes.COMMENTS, sight, asked, output),
    "downtimecount": lambda *asked: notes.count(notes.DOWNTIMES, *asked),
    "downtimelist": lambda *asked: notes.listing(notes.DOWNTIMES, *asked),
    "downtime": lambda sight, asked, found, output: notes.one(notes.DOWNTIMES, sight, asked, output),
    "programstatus": lambda sight, asked, found, output: program.program_status(sight, output),
    "performancedata": lambda sight, asked, found, output: program.performance(sight, asked.now),
}
ANSWERS: Mapping[str, Mapping[str, Answering]] = {
    "statusjson.cgi": _STATUS,
    "objectjson.cgi": objects.ANSWERS,
    "archivejson.cgi": archive.ANSWERS,
}


def ask(
    reader: Reader, scope: Scope, cgi: str, raw: bytes, user: str, now: int, walls: Mapping[int, Wall] = _NONE
) -> Iterator[bytes]:
    """The answer of one CGI to one query string, in pieces.

    `user`: whom the answer calls by name; `now` in seconds; `walls`: how pollers tell the time, else as this machine does.
    """
    surface = surfaces()[cgi]
    try:
        asked = parse_options(surface, raw, now)
        sight = sight_of(reader, scope, asked)
        found, unknown = find_named(sight, asked)
        mistakes = [*lacks(asked), *unknown, *notes.missing(sight, asked)]
        if mistakes:
            raise mistakes[-1]
        output = Output.of(asked, walls, next((view.number for view in sight.pollers), 0))
        data = None if asked.query == "help" else ANSWERS[cgi][asked.query](sight, asked, found, output)
    except Mistake as mistake:
        started = max((view.program_start for view in reader.pollers(scope)), default=0.0)
        result = Result(cgi, None, mistake.query, now, started, None, mistake.code, mistake.message)
        return answer(Output(), result, help_bytes(cgi))
    started = max((view.program_start for view in sight.pollers), default=0.0)
    remark = ignored(asked)
    code = Code.IGNORED if remark else Code.SUCCESS
    result = Result(cgi, None if remark else user, asked.query, now, started, _updated(sight, asked), code, remark)
    return answer(output, result, help_bytes(cgi) if data is None else data)


def _updated(sight: Sight, asked: Asked) -> float:
    """How old what is shown may be: of several pollers the oldest."""
    if asked.surface.name == "archivejson.cgi":
        return archive.updated(sight)
    if asked.surface.name == "objectjson.cgi":
        return min((view.program_start for view in sight.pollers), default=0.0)
    return min((view.created for view in sight.pollers), default=0.0)
