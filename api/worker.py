"""One API worker process: uvicorn around the application, on a listening socket the supervisor bound.

Started as `python -m api.worker DESCRIPTOR`; the configuration is the first line on standard input. The end of standard input
means that the supervisor is gone: the worker then stops as it does on SIGTERM.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading

import uvicorn
from starlette.applications import Starlette

from api.app import build_app
from api.connection import BoundedConnection
from engine import garbage
from engine.config import Config, Settings, decode_config
from engine.desk import Desk

SWITCH_S = 0.001  # a reader's thread may keep the loop waiting for the interpreter that long, and there are several
GRACE_S = 12  # longer than the longest default wait of a request, so that a restart cuts nobody's answer off

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # the supervisor says when workers come and go
    sys.setswitchinterval(SWITCH_S)
    config = decode_config(read_first_line())
    listener = socket.socket(fileno=int(sys.argv[1]))
    server = build_server(config)
    garbage.spare_collection()
    threading.Thread(target=_stop_at_end_of_input, args=(server,), name="parent", daemon=True).start()
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


class Server(uvicorn.Server):
    """uvicorn's server, which waits for answers to end when it stops: those without an end are ended first."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        self._desk.end_streams()
        await super().shutdown(sockets)


def build_server(config: Config) -> Server:
    """The server of one worker."""
    app, desk = build_app(config)
    return Server(uvicorn_config(app, config.settings), desk)


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
        timeout_graceful_shutdown=GRACE_S,
    )


def read_first_line(descriptor: int = 0) -> str:
    """The first line of standard input, read without a buffer that would swallow what follows."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1 << 16)
        if not byte:
            sys.exit("the configuration did not arrive on standard input: start this through `signalbox serve`")
        line += byte
    return line.decode()


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True


if __name__ == "__main__":
    main()
