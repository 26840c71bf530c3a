"""The JSON CGIs over HTTP: a query string (or a form's body) goes in, the answer comes out; long lists go as they are read."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from api.cgi.dates import Wall
from api.cgi.json_cgis.ask import ask
from api.cgi.json_cgis.surface import surfaces
from api.cgi.visit import Handler, Visit
from api.render import Spool, spooled_response
from engine.state.views import Reader

LONGEST_READ_S = 10.0  # everything of the largest networks; the write-ahead log grows as long as anybody reads
MEDIA_TYPE = "application/json; charset=utf-8"
HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache", "Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}


def _handler(cgi: str) -> Handler:
    async def handle(visit: Visit) -> Response:
        raw = visit.body or bytes(visit.request.scope["query_string"])
        now = int(visit.services.clock.now())
        walls = {poller.number: Wall(poller.timezone, poller.date_format) for poller in visit.desk.config.pollers}
        spool = Spool() if b"list" in raw and b"count=" not in raw else None

        def work(reader: Reader) -> Response | None:
            with reader.limited(LONGEST_READ_S):
                pieces = ask(reader, visit.caller.scope, cgi, raw, visit.caller.user, now, walls)
                if spool is None:
                    return Response(b"".join(pieces), headers=HEADERS, media_type=MEDIA_TYPE)
                spool.fill(pieces, HEADERS | {"Content-Type": MEDIA_TYPE})
                return None

        if spool is not None:
            return await spooled_response(spool, visit.desk.read(work))
        answer = await visit.desk.read(work)
        assert answer is not None
        return answer

    return handle


JSON_PAGES: Mapping[str, Handler] = {name: _handler(name) for name in surfaces()}
