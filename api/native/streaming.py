"""A stream of server-sent events on its way to one client: who goes away, or does not take what is sent, holds nothing.

The client's going is seen while we wait for something to happen, and while a send waits for the client.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.connection import ENDLESS
from api.native.operation import Stream
from engine.errors import SignalboxError

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx, which would hold events back

log = logging.getLogger(__name__)


class EventStream(Response):
    """Sends a Stream until it ends or the client is gone."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: Stream) -> None:
        super().__init__(b"", 200, HEADERS)
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        scope[ENDLESS] = True
        async with aclosing(self._stream.rest):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send(_body(b"", more=False))
                return
            writer = asyncio.create_task(self._write(send), name="event stream")
            gone = asyncio.create_task(_until_gone(receive), name="event stream's client")
            try:
                await asyncio.wait([writer, gone], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (writer, gone):
                    task.cancel()
                await asyncio.wait([writer, gone])
            if not writer.cancelled():
                writer.result()

    async def _write(self, send: Send) -> None:
        await send(_body(self._stream.first))
        try:
            async for blob in self._stream.rest:
                await send(_body(blob))
        except SignalboxError as error:
            log.warning("a stream of events ends: %s", error)
            await send(_body(self._stream.end(str(error))))
        await send(_body(b"", more=False))


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
