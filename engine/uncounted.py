"""SQLite's memory without SQLite's count of it.

By default SQLite counts every piece of memory it takes or gives back, under one lock of the whole process. Threads that read at the
same time, each over a connection of its own, wait for that lock several times a row: two of them took longer than one. Nobody
asks for that count; SQLite's own list of recommended options leaves it out.
"""

from __future__ import annotations

import _sqlite3
import ctypes

_OK = 0
_MEMSTATUS = 9  # SQLITE_CONFIG_MEMSTATUS: https://www.sqlite.org/c3ref/c_config_covering_index_scan.html


def stop_counting() -> bool:
    """Have SQLite not count, for good; at the start of a process, before it opens a database. Whether that could be had.

    False where Python's module hides SQLite's functions: then all is as before, and slower.
    """
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))  # none: the module is a part of the interpreter
    try:
        configure, shut_down, initialize = library.sqlite3_config, library.sqlite3_shutdown, library.sqlite3_initialize
    except AttributeError:
        return False
    configure.argtypes = [ctypes.c_int]  # what follows it is variadic
    shut_down()  # importing the module has started it, and it is configured only while it is not
    try:
        return bool(configure(_MEMSTATUS, 0) == _OK)
    finally:
        initialize()
