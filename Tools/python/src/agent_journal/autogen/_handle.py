"""Whose journal it is: one that was handed over, or one opened for a path."""

from __future__ import annotations

import os
from typing import TypeAlias

from agent_journal import AsyncJournal, Journal

JournalOrPath: TypeAlias = "AsyncJournal | Journal | str | os.PathLike[str]"


class JournalHandle:
    """A journal for the event loop, and whether closing it is ours to do.

    A journal that was handed over is never closed here. One for a path is opened at the first call, and again at the
    first call after a close.
    """

    def __init__(self, journal_or_path: JournalOrPath, *, create: bool = True) -> None:
        self.create = create
        self.is_owned = not isinstance(journal_or_path, (AsyncJournal, Journal))
        if isinstance(journal_or_path, AsyncJournal):
            self._journal = journal_or_path
        elif isinstance(journal_or_path, Journal):
            self._journal = AsyncJournal.over(journal_or_path)
        else:
            self._journal = AsyncJournal(journal_or_path, create=create)

    @property
    def journal(self) -> AsyncJournal:
        return self._journal

    @property
    def path(self) -> str:
        """The absolute path of the journal's directory."""
        return os.fspath(self._journal.path)

    async def close(self) -> None:
        if self.is_owned:
            await self._journal.close()
