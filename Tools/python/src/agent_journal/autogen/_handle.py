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
        self.is_owned = not isinstance(journal_or_path, (AsyncJournal, Journal))
        if isinstance(journal_or_path, AsyncJournal):
            self.journal = journal_or_path
        elif isinstance(journal_or_path, Journal):
            self.journal = AsyncJournal.over(journal_or_path)
        else:
            self.journal = AsyncJournal(journal_or_path, create=create)
        # What a journal that was handed over says, else the argument.
        self.create = self.journal.journal.create
        self.read_only = self.journal.journal.read_only

    @property
    def path(self) -> str:
        """The absolute path of the journal's directory."""
        return os.fspath(self.journal.path)

    async def close(self) -> None:
        if self.is_owned:
            await self.journal.close()


def for_config(path: str, create: bool, read_only: bool) -> JournalOrPath:
    """What a component's configuration says of its journal."""
    return AsyncJournal(path, create=create, read_only=True) if read_only else path


def check_conversation(conversation: str) -> None:
    """Raises TypeError or ValueError for what can be no name of a conversation."""
    if not isinstance(conversation, str):
        raise TypeError(f"the conversation is of type {type(conversation).__name__}; it is a str")
    if not conversation:
        raise ValueError("the conversation's name is empty")


def check_limit(limit: int | None) -> None:
    """Raises TypeError or ValueError for what can be no limit."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise TypeError(f"limit is of type {type(limit).__name__}; it is an int, or None for all")
    if limit is not None and limit <= 0:
        raise ValueError(f"limit is {limit}; it is at least 1, or None for all")
