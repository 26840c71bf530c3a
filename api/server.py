"""What an API worker serves: uvicorn around the application."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import closing, suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from api.app import build_app
from api.connection import BoundedConnection
from engine.config import Config, Settings
from engine.desk import Desk
from engine.errors import PollerError
from engine.state.scope import EVERYTHING
from engine.state.views import Reader

FIRST_VIEW_S = 2.0  # a first start waits that long for a first view; nothing known would read as nothing wrong
_LOOK_S = 0.02
IDLE_S = 75  # of a connection: longer than clients and proxies keep theirs (5 to 60 s), or their next request meets its end
SIGN_S = 0.25  # several times within each look of the supervisor
GRACE_S = 12  # longer than the longest default wait of a request, so that a restart cuts nobody's answer off


class Server(uvicorn.Server):
    """uvicorn's server, which waits for answers to end when it stops: those without an end are ended first."""

    def __init__(self, config: uvicorn.Config, desk: Desk, signs: int | None) -> None:
        super().__init__(config)
        self._desk = desk
        self._signs = signs

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, and tell the supervisor of it again and again, for as long as the loop turns."""
        await super().startup(sockets)
        if self._signs is not None:
            self._give_sign(self._signs)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop: also when nothing can be accepted any more, as the supervisor starts another worker then."""
        return await super().on_tick(counter) or self._desk.is_beyond_writing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        self._desk.end_streams()
        await super().shutdown(sockets)

    def _give_sign(self, pipe: int) -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # of a supervisor that does not look, or is gone
            os.write(pipe, b".")
        asyncio.get_running_loop().call_later(SIGN_S, self._give_sign, pipe)


def build_server(config: Config, signs: int | None = None) -> Server:
    """The server of one worker. `signs`: a pipe for its signs of life, which does not block."""
    app, desk = build_app(config)
    return Server(uvicorn_config(app, config.settings), desk, signs)


def uvicorn_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    """Everything said explicitly: no environment variable changes whom we believe."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.behind_proxy),
        forwarded_allow_ips=list(settings.behind_proxy),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def await_first_view(data: Path) -> None:
    """Come back once something of a core is known, or after FIRST_VIEW_S. Only a first start waits; who connects does, too."""
    end = time.monotonic() + FIRST_VIEW_S
    while not _has_view(data) and time.monotonic() < end:
        time.sleep(_LOOK_S)


def _has_view(data: Path) -> bool:
    try:
        with closing(Reader.open(data)) as reader:
            return any(poller.generation for poller in reader.pollers(EVERYTHING))
    except PollerError:
        return False
