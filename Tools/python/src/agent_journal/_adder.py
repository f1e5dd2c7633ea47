"""Adds what tasks want added: many at the same time in one call by a thread, one alone at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from . import _errors, _library, _values
from ._library import Handle
from ._values import Receipt

_IDLE_SECONDS = 1.0
"""After so long without work the thread ends."""
_BATCH_BYTES = 4 << 20

NOT_WRITTEN = "not written"
MAY_BE_WRITTEN = "it may have been written; add it again with its idempotency key to be sure"


class _Add:
    """A memory that a task waits for."""

    __slots__ = ("line", "loop", "future", "_claims")

    def __init__(self, line: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self.line = line
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
    disk's sync. A task that is alone need not pay that: where the last adds took less than a millisecond, it waits for the
    disk itself. After 10 ms of that one add goes to the thread, while others run; if they add too, they are found waiting,
    and from then on the thread adds them together. The library does the same for tasks of Swift.
    """

    LONGEST_ADD = 0.001
    LONGEST_ROW = 0.010
    MOST_BYTES = 64 << 10

    def __init__(self) -> None:
        self.outstanding = 0
        """Adds that the thread has, or is to have."""
        self._is_alone = False
        self._last = 0.0
        self._row = 0.0

    def allows(self, size: int) -> bool:
        return (
            self._is_alone
            and self.outstanding == 0
            and self._last < self.LONGEST_ADD
            and self._row < self.LONGEST_ROW
            and size <= self.MOST_BYTES
        )

    def task_added(self, seconds: float) -> None:
        self._last = seconds
        self._row += seconds

    def thread_added(self, count: int, seconds: float) -> None:
        self.outstanding -= count
        self._is_alone = count == 1 and self.outstanding == 0
        self._last = seconds
        self._row = 0.0


class Adder:
    """The adds of one journal. For any event loops, also several at once."""

    def __init__(self, opened: Callable[[], Handle]) -> None:
        self._opened = opened
        self.after_fork()

    def after_fork(self) -> None:
        """What was waiting is the parent's."""
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Add] = SimpleQueue()
        self._is_running = False
        self._turns = _Turns()

    async def add(self, line: bytes) -> Receipt:
        with self._lock:
            if self._turns.allows(len(line)):
                add = None
            else:
                add = _Add(line, asyncio.get_running_loop())
                self._turns.outstanding += 1
                self._queue.put(add)
                if not self._is_running:
                    threading.Thread(target=self._run, name="agent_journal adder", daemon=True).start()
                    self._is_running = True
        if add is None:
            return self._add_now(line)
        try:
            return await add.future
        except asyncio.CancelledError:
            raise asyncio.CancelledError(NOT_WRITTEN if add.claim() else MAY_BE_WRITTEN) from None

    def _add_now(self, line: bytes) -> Receipt:
        began = time.perf_counter()
        try:
            return _values.receipts(_library.lines("aj_add", self._opened(), line, len(line)))[0]
        finally:
            seconds = time.perf_counter() - began
            with self._lock:
                self._turns.task_added(seconds)

    def _run(self) -> None:
        queue = self._queue
        while True:
            try:
                first = queue.get(timeout=_IDLE_SECONDS)
            except Empty:
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
                adds.append(add)
                size += len(add.line)
            began = time.perf_counter()
            wanted = [add for add in adds if add.claim()]
            outcomes = self._decided(wanted) if wanted else []
            with self._lock:
                self._turns.thread_added(len(adds), time.perf_counter() - began)
            _settle(wanted, outcomes)

    def _decided(self, adds: list[_Add]) -> list[Receipt | BaseException]:
        """What became of each."""
        lines = b"".join([add.line for add in adds])
        try:
            found = _values.decoded(_library.lines("aj_add_each", self._opened(), lines, len(lines)))
        except _errors.JournalError as error:
            if len(adds) == 1 or error.code != "invalid_argument":
                return [error] * len(adds)
            # One of them was not understood, so none was added: each for itself.
            return [outcome for add in adds for outcome in self._decided([add])]
        except BaseException as error:  # Whoever waits must hear of it.
            return [error] * len(adds)
        return [_outcome(members) for members in found]


def _outcome(members: dict[str, object]) -> Receipt | BaseException:
    error = members.get("error")
    if not isinstance(error, dict):
        return _values.receipt(members)
    return _errors.error(error["message"], error["code"], error.get("path"), error.get("errno"))


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
