"""A journal, for code that may block."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from ctypes import byref
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _errors, _library, _values
from ._adder import Adder
from ._library import Handle, logger
from ._values import Content, Event, KeyedMemory, Memory, NewMemory, Receipt

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

_WAIT_MILLISECONDS = 200
"""For so long a thread waits at once for events: signals are handled in between."""


class Journal:
    """The durable memory of agents: a directory, which all processes of one machine may have open.

    Every call that adds, forgets, clears or flushes returns when its event is on stable storage. It may be used from any
    thread, and in the child of a fork. It is opened by its first call, and after `close` by the next one.

    Args:
        path: The journal's directory. A relative one is resolved now; the log tells to what.
        create: Whether a journal is made where there is none. False where a volume that is not mounted must be an error,
            and not an empty memory.
        read_only: Nothing is written to the directory.
        lock_timeout: For so many seconds another process is waited for that does not let go of the journal, then a call
            raises BusyError, which names it.

    Raises JournalError, also from its calls; its classes say whether something was written. While a call waits,
    other threads run: the interpreter's lock is released.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        read_only: bool = False,
        lock_timeout: float = 30.0,
    ) -> None:
        given = os.fspath(path)
        if not isinstance(given, str) or not given:
            raise _errors.invalid("the path is empty, or no str; give the journal's directory")
        self._path = Path(os.path.abspath(given))
        self._create = create
        self._read_only = read_only
        if not 0.001 <= lock_timeout <= 1e9:
            raise _errors.invalid(f"lock_timeout is {lock_timeout}; it is a number of seconds above 0")
        self._lock_milliseconds = round(lock_timeout * 1000)
        # A signal's handler may close the journal while its thread opens it.
        self._lock = threading.RLock()
        self._handle: Handle | None = None
        self._is_silent = False
        self._is_to_be_opened_anew = False
        """The handle is the parent's, from before a fork: the first call opens the journal anew."""
        self._adder = Adder()
        _journals.add(self)
        if not os.path.isabs(given):
            _tell_once(given, self._path)

    @property
    def path(self) -> Path:
        """The absolute path of the journal's directory."""
        return self._path

    @property
    def create(self) -> bool:
        """Whether a journal is made where there is none."""
        return self._create

    @property
    def read_only(self) -> bool:
        """Whether nothing is written to the directory."""
        return self._read_only

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r})"

    # Opening and closing

    def open(self) -> Self:
        """Opens it, where the first call is too late to learn that it cannot be opened."""
        self._opened()
        return self

    def close(self) -> None:
        """Lets go of the journal. Nothing is deleted, and the next call opens it anew."""
        with self._lock:
            handle, self._handle = self._handle, None
        self._adder.rest()
        if handle is not None:
            _library.close_journal(handle)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> Handle:
        handle = self._handle
        if handle is not None:
            return handle
        try:
            return self._open_at_most_once()
        finally:
            _library.log_what_was_told()

    def _open_at_most_once(self) -> Handle:
        with self._lock:
            if self._handle is None:
                opened = _library.open_journal(
                    str(self._path),
                    create=self._create,
                    read_only=self._read_only,
                    lock_milliseconds=self._lock_milliseconds,
                    is_silent=self._is_silent,
                )
                # A signal's handler may have opened it meanwhile.
                self._handle = self._handle or opened
            return self._handle

    def _with_handle(self, work: Callable[[Handle], T]) -> T:
        """Opens it if need be, also when another thread closes it meanwhile: then nothing was done."""
        while True:
            handle = self._opened()
            try:
                result = work(handle)
                self._is_to_be_opened_anew = False
                return result
            except _errors.JournalError as error:
                if error.code != "closed" or self._handle is handle:
                    raise

    # Adding

    def add(
        self,
        conversation: str,
        content: Content,
        *,
        role: str | None = None,
        metadata: dict[str, Any] | None = None,
        mime_type: str | None = None,
        idempotency_key: str | None = None,
        timestamp: datetime | None = None,
    ) -> Receipt:
        """Adds a memory; returns when it is on stable storage.

        Args:
            content: A str is text, bytes are bytes; both come back exactly. Anything else is JSON.
            idempotency_key: An add with a key that the conversation has seen adds nothing, and returns the first one's
                receipt; with another content it raises KeyConflictError.
            timestamp: When it happened, if that is not now. It has a time zone.
        """
        if not metadata and timestamp is None and not self._read_only:
            added = self._with_handle(
                lambda handle: _library.add_text(handle, conversation, content, role, mime_type, idempotency_key)
            )
            if added is not None:
                return _values.receipt(added)
        memory = NewMemory(content, role, metadata or {}, mime_type, idempotency_key, timestamp)
        line = _values.line(conversation, memory)
        self._check_writable()
        found = self._with_handle(lambda handle: _library.add(handle, line))
        assert found is not None, "it is added, whoever else has the journal open"
        return _values.receipt(found)

    def add_all(self, memories: Iterable[NewMemory], conversation: str | None = None) -> list[Receipt]:
        """Adds memories as one batch: all of them or none.

        Args:
            conversation: That of the memories which name none.
        """
        lines = _values.lines(memories, conversation)
        return self._receipts("aj_add", lines, len(lines)) if lines else []

    # Taking back

    def forget(self, *sequences: int) -> int:
        """Forgets memories by their sequences: all of them or none. Returns how many."""
        if not sequences:
            return 0
        checked = tuple(_values.sequence(value, "what is to be forgotten") for value in sequences)
        return len(self._receipts("aj_forget", _library.sequences(checked), len(checked)))

    def clear(self, conversation: str) -> None:
        """Forgets all memories of a conversation."""
        self._receipts("aj_clear", _values.text(conversation, "the conversation"))

    def flush(self, label: str | None = None) -> int:
        """Records that everything before is durable, and returns the sequence. A label names the point, to look back to."""
        return self._receipts("aj_flush", None if label is None else _values.text(label, "the label"))[0].sequence

    # Reading

    def memories(
        self,
        conversation: str,
        *,
        last: int | None = None,
        before: int | None = None,
        at: int | datetime | str | None = None,
    ) -> list[Memory]:
        """Memories of a conversation, oldest first: all that was acknowledged before the call, by whichever process.

        Args:
            last: At most so many, the newest.
            before: Only those with a lower sequence, to page backwards.
            at: As they were after an event (its sequence), at a time, or at the latest flush with a label.
        """
        if last is not None and (isinstance(last, bool) or not isinstance(last, int) or last < 0):
            raise _errors.invalid(f"last is {last!r}; it is at least 0, or None for all")
        below = 0 if before is None else _values.sequence(before, "before")
        if before == 0:
            return []
        point = None if at is None else byref(_library.Point(*_values.point(at)))
        name = _values.text(conversation, "the conversation")
        # More than any journal has are all of them.
        newest = -1 if last is None else min(last, (1 << 63) - 1)
        return [_values.memory(found) for found in self._lines("aj_memories", name, newest, below, point)]

    def memory_for_key(self, conversation: str, idempotency_key: str) -> KeyedMemory | None:
        """The memory that was first added with a key, so that a retried request finds its first answer.

        None: no add ever had the key. A `KeyedMemory` without a memory: it was forgotten, replaced or cleared since. It costs a
        look-up, however many memories there are.
        """
        name, key = _values.text(conversation, "the conversation"), _values.text(idempotency_key, "the idempotency key")
        return _values.keyed(self._with_handle(lambda handle: _library.memory_for_key(handle, name, key)))

    def count(self, conversation: str | None = None) -> int:
        """How many memories there are, in a conversation or in all."""
        name = None if conversation is None else _values.text(conversation, "the conversation")
        return self._with_handle(lambda handle: _library.count(handle, name))

    def conversations(self, prefix: str = "") -> list[str]:
        """The conversations that hold memories and whose names begin so, in order of their bytes."""
        return [
            found["conversation"]
            for found in self._lines("aj_conversations", _values.text(prefix, "the prefix"))
        ]

    def stats(self) -> dict[str, Any]:
        """How large the journal is: what `agent-journal stats --json` says, but for who has it open. Reads the log."""
        found: dict[str, Any] = self._lines("aj_stats")[0]
        return found

    def follow(self, *, after: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """The events behind a sequence, and then those that come, of all processes.

        Args:
            timeout: Ends when no event came for so many seconds; None never.
        """
        start, limit = _values.sequence(after, "after"), _values.seconds(timeout)
        return self._following(self._with_handle(lambda handle: _library.follow(handle, start)), limit)

    def _following(self, follower: Handle, timeout: float | None) -> Iterator[Event]:
        since = time.monotonic()
        while True:
            left = _WAIT_MILLISECONDS
            if timeout is not None:
                left = round(max(0.0, min(left / 1000, since + timeout - time.monotonic())) * 1000)
            found = events(follower, left)
            yield from found
            if found:
                since = time.monotonic()
            elif timeout is not None and time.monotonic() >= since + timeout:
                return

    # The library

    def _lines(self, function: str, *arguments: Any) -> list[Any]:
        return _values.decoded(self._with_handle(lambda handle: _library.lines(function, handle, *arguments)))

    def _receipts(self, function: str, *arguments: Any) -> list[Receipt]:
        self._check_writable()
        return _values.receipts(self._with_handle(lambda handle: _library.lines(function, handle, *arguments)))

    def _check_writable(self) -> None:
        if self._read_only:
            raise _errors.NotWrittenError(
                f"Not written: {self._path} is open for reading only", code="closed", path=str(self._path)
            )

    def _after_fork(self) -> None:
        # Another thread may have held it, which is not there in the child.
        self._lock = threading.RLock()
        self._is_to_be_opened_anew = True
        self._adder.after_fork()


def events(follower: Handle, milliseconds: int) -> list[Event]:
    """The next events of a follower; none when none came in time."""
    found = _library.lines("aj_follower_next", follower, milliseconds, 0)
    return [_values.event(event) for event in _values.decoded(found)]


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()
_told: set[str] = set()


def _tell_once(given: str, path: Path) -> None:
    if given not in _told:
        _told.add(given)
        logger.info("journal: the relative path %s is %s", given, path)


def _close_all() -> None:
    """At the end of the process: so that the next opening need not recover."""
    for journal in list(_journals):
        try:
            journal.close()
        except _errors.JournalError as error:
            logger.error("journal: %s was not closed cleanly; nothing that was acknowledged is lost: %s", journal.path, error)


def _after_fork() -> None:
    for journal in list(_journals):
        journal._after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
