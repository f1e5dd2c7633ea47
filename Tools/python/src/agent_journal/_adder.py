"""Adds what tasks want added: many at the same time in one call by a thread, one alone at once."""

from __future__ import annotations

import asyncio
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from . import _errors, _library, _values
from ._library import Handle
from ._values import Receipt

if TYPE_CHECKING:
    from ._journal import Journal

_IDLE_SECONDS = 0.2
"""After so long without work the thread ends."""
_BATCH_BYTES = 4 << 20
_IDLE_TURN_SECONDS = 0.000_05
_IDLE_TURNS = 3
"""An event loop that has turned round so often in so short a time has nothing else to do."""

NOT_WRITTEN = "not written"
MAY_BE_WRITTEN = "it may have been written; add it again with its idempotency key to be sure"


class _Add:
    """A memory that a task waits for."""

    __slots__ = ("line", "journal", "loop", "future", "_claims")

    def __init__(self, line: bytes, loop: asyncio.AbstractEventLoop, journal: Journal) -> None:
        self.line = line
        self.journal = journal
        self.loop = loop
        self.future: asyncio.Future[Receipt] = loop.create_future()
        self._claims = [None]

    def claim(self) -> bool:
        """True for one caller alone: the thread that adds it, or the task that does not want it any more."""
        try:
            self._claims.pop()
        except IndexError:
            return False
        return True


class _Turns:
    """When a task's add is done at once, on the thread of its event loop.

    To hand an add to another thread and its receipt back wakes two sleeping processors, which takes as long as a quick
    disk's sync. A task that is alone need not pay that: where no other process has the journal open, and the last adds took
    less than a millisecond, it waits for the disk itself. After 10 ms of that it rests, so that the event loop's other tasks
    run; if they add too, the thread adds all that then waits together. The library does alike for tasks of Swift, but gives one
    commit to its committer instead of resting.
    """

    LONGEST_ADD = 0.001
    LONGEST_ROW = 0.010
    MOST_BYTES = 64 << 10

    def __init__(self) -> None:
        self.outstanding = 0
        """Adds that the thread has, or is to have."""
        self.is_resting = False
        self.last = 0.0
        """How long the last add took."""
        self._is_alone = False
        self._row = 0.0

    def allows(self, size: int) -> bool:
        return (
            self._is_alone
            and self.outstanding == 0
            and not self.is_resting
            and self.last < self.LONGEST_ADD
            and size <= self.MOST_BYTES
        )

    @property
    def must_rest(self) -> bool:
        return self._row >= self.LONGEST_ROW

    def rested(self) -> None:
        self.is_resting = False
        self._row = 0.0

    def task_added(self, seconds: float) -> None:
        self.last = seconds
        self._row += seconds

    def thread_added(self, count: int, seconds: float) -> None:
        self.outstanding -= count
        self._is_alone = count == 1 and self.outstanding == 0
        self.last = seconds
        self._row = 0.0


class Adder:
    """The adds of one journal. For any event loops, also several at once."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """What was waiting is the parent's."""
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Add | None] = SimpleQueue()
        self._is_running = False
        self._turns = _Turns()

    async def add(self, journal: Journal, line: bytes) -> Receipt:
        """Adds a line to the journal that this belongs to, which nothing here keeps from going when it is not used."""
        journal._check_writable()
        turns = self._turns
        # Read without the lock: whichever way is taken, the add is right.
        handle = journal._handle if turns.allows(len(line)) else None
        if handle is not None:
            receipt = self._add_now(handle, line)
            if receipt is not None:
                # Behind the add, so that adds are written in the order in which tasks begin them.
                if turns.must_rest:
                    await self._let_others_run()
                return receipt
        add = self._enqueue(line, journal)
        try:
            return await add.future
        except asyncio.CancelledError:
            raise asyncio.CancelledError(NOT_WRITTEN if add.claim() else MAY_BE_WRITTEN) from None

    async def _let_others_run(self) -> None:
        """Lets the event loop's other tasks run, for as long as they do and for no longer than an add takes."""
        turns = self._turns
        turns.is_resting = True
        try:
            now = time.perf_counter()
            end = now + turns.last
            idle = 0
            while turns.outstanding == 0 and idle < _IDLE_TURNS and now < end:
                before = now
                await asyncio.sleep(0)
                now = time.perf_counter()
                idle = idle + 1 if now - before < _IDLE_TURN_SECONDS else 0
        except asyncio.CancelledError:
            raise asyncio.CancelledError(MAY_BE_WRITTEN) from None
        finally:
            turns.rested()

    def rest(self) -> None:
        """Ends the thread when it has nothing to do."""
        with self._lock:
            if self._is_running:
                self._queue.put(None)

    def _add_now(self, handle: Handle, line: bytes) -> Receipt | None:
        """None when nothing was done: another thread closed the journal, or another process may have to be waited for."""
        began = time.perf_counter()
        try:
            found = _library.add(handle, line, unless_shared=True)
        except _errors.JournalError as error:
            if error.code != "closed":
                raise
            return None
        finally:
            seconds = time.perf_counter() - began
            with self._lock:
                self._turns.task_added(seconds)
        return None if found is None else _values.receipt(found)

    def _enqueue(self, line: bytes, journal: Journal) -> _Add:
        add = _Add(line, asyncio.get_running_loop(), journal)
        with self._lock:
            if not self._is_running:
                thread = threading.Thread(target=self._run, name="agent_journal adder", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    message = f"Not written: a thread to add it cannot be started: {error}"
                    raise _errors.error(message, "not_written") from error
                self._is_running = True
            self._turns.outstanding += 1
            self._queue.put(add)
        return add

    def _run(self) -> None:
        queue = self._queue
        while True:
            try:
                first = queue.get(timeout=_IDLE_SECONDS)
            except Empty:
                first = None
            if first is None:
                with self._lock:
                    if queue.empty():
                        self._is_running = False
                        return
                continue
            adds = [first]
            size = len(first.line)
            while size < _BATCH_BYTES:
                try:
                    add = queue.get_nowait()
                except Empty:
                    break
                if add is not None:
                    adds.append(add)
                    size += len(add.line)
            began = time.perf_counter()
            wanted = [add for add in adds if add.claim()]
            outcomes = _decided(wanted) if wanted else []
            with self._lock:
                self._turns.thread_added(len(adds), time.perf_counter() - began)
            _settle(wanted, outcomes)
            del first, adds, wanted, outcomes  # The journal is theirs, and may go while this waits.


def _decided(adds: list[_Add]) -> list[Receipt | BaseException]:
    """What became of each."""
    lines = b"".join([add.line for add in adds])
    try:
        found = adds[0].journal._with_handle(lambda handle: _library.lines("aj_add_each", handle, lines, len(lines)))
        outcomes: list[Receipt | BaseException] = [*_values.receipts_or_errors(found)]
        # Another thread closed the journal, and these were not written.
        again = [index for index, outcome in enumerate(outcomes) if _is_closed(outcome)]
        if again:
            for index, outcome in zip(again, _decided([adds[index] for index in again])):
                outcomes[index] = outcome
        return outcomes
    except _errors.JournalError as error:
        if len(adds) == 1 or error.code != "invalid_argument":
            return [error] * len(adds)
        # One of them was not understood, so none was added: each for itself.
        return [outcome for add in adds for outcome in _decided([add])]
    except BaseException as error:  # Whoever waits must hear of it.
        return [error] * len(adds)


def _is_closed(outcome: Receipt | BaseException) -> bool:
    return isinstance(outcome, _errors.JournalError) and outcome.code == "closed"


def _settle(adds: list[_Add], outcomes: list[Receipt | BaseException]) -> None:
    """Tells the tasks, each in its own event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Add, Receipt | BaseException]]] = {}
    for add, outcome in zip(adds, outcomes):
        loops.setdefault(add.loop, []).append((add, outcome))
    for loop, settled in loops.items():
        try:
            loop.call_soon_threadsafe(_tell, settled)
        except RuntimeError:  # The loop was closed, so nobody waits.
            continue


def _tell(settled: list[tuple[_Add, Receipt | BaseException]]) -> None:
    for add, outcome in settled:
        if add.future.done():
            continue
        if isinstance(outcome, BaseException):
            add.future.set_exception(outcome)
        else:
            add.future.set_result(outcome)
