"""A journal, for asyncio."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _errors, _library, _values
from ._adder import MAY_BE_WRITTEN, NOT_WRITTEN
from ._journal import Journal, events
from ._library import RawReceipt
from ._values import Content, Event, KeyedMemory, Memory, NewMemory, Receipt

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

_THREADS = 16
_DAY_SECONDS = 86_400.0


class AsyncJournal:
    """A `Journal` whose calls are awaited. The arguments are those of `Journal`.

    Calls wait in threads of their own, but for `add`: that is handed over to the library, which tells the event loop when it is on
    stable storage. Only a task that adds alone in its event loop, in the only process that has the journal open, waits for a quick
    disk itself, for as long as a sync or two take and for 10 ms in a row at most.

    It may be used from any event loop, one after the other or several at once, and in the child of a fork.

    Cancelling: an `add` that is cancelled before it was taken up is certainly not written; later, it may have been. The
    CancelledError's argument says which. An add with an idempotency key may simply be repeated.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        read_only: bool = False,
        lock_timeout: float = 30.0,
    ) -> None:
        self._journal = Journal(path, create=create, read_only=read_only, lock_timeout=lock_timeout)
        self._is_owned = True

    @classmethod
    def over(cls, journal: Journal) -> Self:
        """One that uses a Journal which is already there, and never closes it."""
        made = cls.__new__(cls)
        made._journal = journal
        made._is_owned = False
        return made

    @property
    def journal(self) -> Journal:
        """The Journal underneath."""
        return self._journal

    @property
    def path(self) -> Path:
        """The absolute path of the journal's directory."""
        return self._journal.path

    @property
    def is_open(self) -> bool:
        return self._journal.is_open

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    async def open(self) -> Self:
        """Opens it, where the first call is too late to learn that it cannot be opened."""
        await _in_pool(self._journal.open)
        return self

    async def close(self) -> None:
        """Lets go of the journal. Nothing is deleted, and the next call opens it anew."""
        if self._is_owned:
            await _in_pool(self._journal.close)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def add(
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
        """Adds a memory; returns when it is on stable storage. Adds of many tasks share syncs. See `Journal.add`."""
        found = None
        if not metadata and timestamp is None:
            found = await self._add_text(conversation, content, role, mime_type, idempotency_key)
        if found is None:
            memory = NewMemory(content, role, metadata or {}, mime_type, idempotency_key, timestamp)
            found = await self._add(conversation, memory)
        return _values.receipt(found)

    def _add_text(
        self, conversation: str, content: object, role: str | None, mime_type: str | None, idempotency_key: str | None
    ) -> Coroutine[Any, Any, RawReceipt | None]:
        return self._journal._adder.add_text(self._journal, conversation, content, role, mime_type, idempotency_key)

    def _add(self, conversation: str, memory: NewMemory) -> Coroutine[Any, Any, RawReceipt]:
        return self._journal._adder.add(self._journal, _values.line(conversation, memory))

    async def add_all(self, memories: Iterable[NewMemory], conversation: str | None = None) -> list[Receipt]:
        """Adds memories as one batch: all of them or none. See `Journal.add_all`."""
        new = list(memories)
        return await _in_pool(lambda: self._journal.add_all(new, conversation), writes=True)

    async def forget(self, *sequences: int) -> int:
        """Forgets memories by their sequences: all of them or none. Returns how many."""
        return await _in_pool(lambda: self._journal.forget(*sequences), writes=True)

    async def clear(self, conversation: str) -> None:
        """Forgets all memories of a conversation."""
        await _in_pool(lambda: self._journal.clear(conversation), writes=True)

    async def flush(self, label: str | None = None) -> int:
        """Records that everything before is durable, and returns the sequence. A label names the point, to look back to."""
        return await _in_pool(lambda: self._journal.flush(label), writes=True)

    async def memories(
        self,
        conversation: str,
        *,
        last: int | None = None,
        before: int | None = None,
        at: int | datetime | str | None = None,
    ) -> list[Memory]:
        """Memories of a conversation, oldest first. See `Journal.memories`."""
        return await _in_pool(lambda: self._journal.memories(conversation, last=last, before=before, at=at))

    async def memory_for_key(self, conversation: str, idempotency_key: str) -> KeyedMemory | None:
        """The memory that was first added with a key, so that a retried request finds its first answer. See `Journal.memory_for_key`."""
        return await _in_pool(lambda: self._journal.memory_for_key(conversation, idempotency_key))

    async def count(self, conversation: str | None = None) -> int:
        """How many memories there are, in a conversation or in all."""
        return await _in_pool(lambda: self._journal.count(conversation))

    async def conversations(self, prefix: str = "") -> list[str]:
        """The conversations that hold memories and whose names begin so, in order of their bytes."""
        return await _in_pool(lambda: self._journal.conversations(prefix))

    async def stats(self) -> dict[str, Any]:
        """How large the journal is. See `Journal.stats`."""
        return await _in_pool(self._journal.stats)

    async def follow(self, *, after: int = 0, timeout: float | None = None) -> AsyncIterator[Event]:
        """The events behind a sequence, and then those that come, of all processes. See `Journal.follow`."""
        start, limit = _values.sequence(after, "after"), _values.seconds(timeout)
        journal = self._journal
        follower = await _in_pool(lambda: journal._with_handle(lambda handle: _library.follow(handle, start)))
        since = time.monotonic()
        try:
            while True:
                left = _DAY_SECONDS if limit is None else min(_DAY_SECONDS, max(0.0, since + limit - time.monotonic()))
                found = await _in_thread(lambda: events(follower, round(left * 1000)))
                for event in found:
                    yield event
                if found:
                    since = time.monotonic()
                elif limit is not None and time.monotonic() >= since + limit:
                    return
        finally:
            _library.interrupt(follower)


class _Pool:
    """Threads for calls that end by themselves. Made when they are needed, and anew in the child of a fork."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(_THREADS, "agent_journal")
            try:
                return self._executor.submit(work)
            except RuntimeError as error:
                raise _errors.error("The interpreter is ending: nothing was done", "closed") from error


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.after_fork)


async def _in_pool(work: Callable[[], T], *, writes: bool = False) -> T:
    future = _pool.submit(work)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if not writes:
            raise
        raise asyncio.CancelledError(NOT_WRITTEN if future.cancelled() else MAY_BE_WRITTEN) from None


async def _in_thread(work: Callable[[], T]) -> T:
    """For what may wait for long: in a thread of its own, which the end of the process does not wait for."""
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as error:  # Whoever waits must hear of it.
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="agent_journal follower", daemon=True).start()
    return await asyncio.wrap_future(future)
