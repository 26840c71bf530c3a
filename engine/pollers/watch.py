"""Watches the folders of the cores' files, so that a new status file or log line is noticed when it is there.

What belongs here: folders and file names in, pokes out. A poke says "look", nothing else: it may come too often, it may (folder
missing, no more inotify watches, a file system without inotify) not come at all; the slow poll behind it stands for the truth.
Folders are watched, not files: a status file is replaced by rename, so a watch of the file itself would watch the one before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

log = logging.getLogger(__name__)

Poke = Callable[[], None]

# Not opened or read: we ourselves would poke us by looking.
_EVENTS: list[type[FileSystemEvent]] = [FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileModifiedEvent, FileMovedEvent]


class _Folder(FileSystemEventHandler):
    """What is awaited of one folder: who is poked for which file name."""

    def __init__(self) -> None:
        self.pokes: dict[str, list[Poke]] = {}

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.is_directory or not isinstance(event, tuple(_EVENTS)):
            return
        names = {os.path.basename(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path}  # noqa: PTH119
        merged = dict.fromkeys(poke for name in names for poke in self.pokes.get(name, ()))
        for poke in merged:
            poke()


class FolderWatch:
    """Pokes when something happens to a file's name: created, written, replaced, deleted.

    Pokes come from the observer's thread, as often as the system tells; they must return at once (set a flag, wake a thread),
    and several for one change are nothing unusual: a flag merges them.
    """

    def __init__(self) -> None:
        self._folders: dict[Path, _Folder] = {}
        self._observer = Observer()

    def watch(self, file: Path, poke: Poke) -> None:
        """Poke when something happens to `file`. Its folder may be missing: then nothing ever does."""
        folder = self._folders.get(file.parent)
        if folder is None:
            folder = self._folders[file.parent] = _Folder()
            if self._observer.is_alive():
                self._schedule(file.parent, folder)
        folder.pokes.setdefault(file.name, []).append(poke)

    def start(self) -> None:
        """Begin to poke."""
        self._observer.start()
        for path, folder in self._folders.items():
            self._schedule(path, folder)

    def _schedule(self, path: Path, folder: _Folder) -> None:
        # The observer must be running: it would let one folder that is missing end its start for all.
        try:
            self._observer.schedule(folder, str(path), recursive=False, event_filter=_EVENTS)
        except OSError as error:
            log.warning("folder %s cannot be watched (%s): its files are only polled", path, error.strerror)

    def close(self) -> None:
        """Poke no more; comes back when the observer's thread has ended."""
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
