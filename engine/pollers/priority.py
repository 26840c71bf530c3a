"""Who waits where the processor is short: a command lane's wake-up, and an answer, are worth more than a view some moments younger.

Theory of operation. A thread's niceness is its own, and nobody without privileges becomes less nice again. So what steps back
only while it can afford to has two threads: one that stays as it was, and one that stepped back for good.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar, cast

NICE, HALF_AS_NICE = 10, 5  # a tenth of what others get, and a third

T = TypeVar("T")


def step_back(nice: int = NICE) -> None:
    """Let the calling thread, and what it starts, wait for others where the processor is short."""
    os.nice(max(0, nice - os.nice(0)))
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # and nobody waits for a turn of ours to end


class SteppedBack:
    """A thread that stepped back, and does what another one hands it.

    It ends with the process. One of a ThreadPoolExecutor would be waited for at the end, and refuse a scan that begins just then.
    """

    def __init__(self) -> None:
        self._handed: SimpleQueue[tuple[Callable[[], object], Future[object]]] = SimpleQueue()
        threading.Thread(target=self._run, name="stepped back", daemon=True).start()

    def do(self, work: Callable[[], T]) -> T:
        """What `work` returns, or raises."""
        done: Future[object] = Future()
        self._handed.put((work, done))
        return cast("T", done.result())

    def _run(self) -> None:
        step_back()
        while True:
            work, done = self._handed.get()
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the work came from
                done.set_exception(error)
