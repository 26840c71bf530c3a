"""One API worker process, on a listening socket the supervisor bound.

Started as `python -m api.worker DESCRIPTOR [SIGNS]`; SIGNS is a pipe for signs of life. The configuration is the first line on
standard input, whose end means that the supervisor is gone: the worker then stops as it does on SIGTERM.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.server import Server

SWITCH_S = 0.001  # a reader's thread may keep the loop waiting for the interpreter that long, and there are several

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def main() -> None:
    """Serve until told to stop."""
    gc.disable()  # what is imported stays: looking for cycles in it, again and again, is a sixth of a start
    from api.server import await_first_view, build_server
    from engine import garbage, uncounted
    from engine.config import decode_config

    uncounted.stop_counting()
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # the supervisor says when workers come and go
    sys.setswitchinterval(SWITCH_S)
    config = decode_config(read_first_line())
    listener = socket.socket(fileno=int(sys.argv[1]))
    server = build_server(config, int(sys.argv[2]) if sys.argv[2:] else None)
    garbage.spare_collection()
    await_first_view(config.data)
    threading.Thread(target=_stop_at_end_of_input, args=(server,), name="parent", daemon=True).start()
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


def read_first_line(descriptor: int = 0) -> str:
    """The first line of standard input, read without a buffer that would swallow what follows."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1 << 16)
        if not byte:
            sys.exit("the configuration did not arrive on standard input: start this through `signalbox serve`")
        line += byte
    return line.decode()


def _stop_at_end_of_input(server: Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True


if __name__ == "__main__":
    main()
