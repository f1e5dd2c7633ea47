"""Adds what tasks want added: one alone at once; else it is handed over to the library, which tells the event loop when it is done."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from . import _errors, _library
from ._library import Handle, RawReceipt

if TYPE_CHECKING:
    from ._journal import Journal

_IDLE_TURN_SECONDS = 0.000_05
_IDLE_TURNS = 3
"""An event loop that has turned round so often in so short a time has nothing else to do."""

NOT_WRITTEN = "not written"
MAY_BE_WRITTEN = "it may have been written; add it again with its idempotency key to be sure"


class _Add:
    """A memory that a task waits for."""

    __slots__ = ("line", "future", "journal", "link", "ticket")

    def __init__(self, line: bytes, future: asyncio.Future[RawReceipt], journal: Journal) -> None:
        self.line = line
        self.future = future
        self.journal = journal
        self.link: _Link | None = None
        """What it was handed over to; None while it waits for that."""
        self.ticket = 0


class _Turns:
    """When a task's add is done at once, on the thread of its event loop.

    To hand an add over and be told of it wakes two sleeping processors, which takes as long as a quick disk's sync. A task that is
    alone need not pay that: where no other process has the journal open, and the last adds took less than a millisecond, it
    waits for the disk itself. After 10 ms of that it rests, so that the event loop's other tasks run; if they add too, what they
    add is handed over, and shares syncs. The library does alike for tasks of Swift, but gives one commit to its committer instead
    of resting.
    """

    LONGEST_ADD = 0.001
    LONGEST_ROW = 0.010
    MOST_BYTES = 64 << 10

    def __init__(self) -> None:
        self.is_resting = False
        self.last = 0.0
        """How long the last add took."""
        self._is_alone = False
        self._row = 0.0

    def allows(self, size: int) -> bool:
        return self._is_alone and not self.is_resting and self.last < self.LONGEST_ADD and size <= self.MOST_BYTES

    @property
    def must_rest(self) -> bool:
        return self._row >= self.LONGEST_ROW

    def rested(self) -> None:
        self.is_resting = False
        self._row = 0.0

    def task_added(self, seconds: float) -> None:
        self.last = seconds
        self._row += seconds

    def told(self, *, was_alone: bool, seconds: float) -> None:
        self._is_alone = was_alone
        self.last = seconds
        self._row = 0.0


class Adder:
    """The adds of one journal. For any event loops, also several at once."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """What was waiting is the parent's."""
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopAdds] = WeakKeyDictionary()

    def add(self, journal: Journal, line: bytes) -> Coroutine[Any, Any, RawReceipt]:
        """Adds a line to the journal that this belongs to, which nothing here keeps from going when it is not used."""
        journal._check_writable()
        loop = asyncio.get_running_loop()
        adds = self._loops.get(loop)
        if adds is None:
            adds = self._loops[loop] = _LoopAdds()
        return adds.add(journal, line, loop)

    def rest(self) -> None:
        """Lets go of what is used for a journal that is closed; adds that wait go on."""
        self._loops.clear()


class _LoopAdds:
    """The adds of one event loop. Everything is done on its thread."""

    def __init__(self) -> None:
        self._turns = _Turns()
        self._link: _Link | None = None
        self._opening: list[_Add] | None = None
        """Those that wait for the journal to be opened, in order."""

    async def add(self, journal: Journal, line: bytes, loop: asyncio.AbstractEventLoop) -> RawReceipt:
        turns = self._turns
        if not self._opening and (self._link is None or not self._link.waiting) and turns.allows(len(line)):
            receipt = self._add_now(journal, line)
            if receipt is not None:
                # Behind the add, so that adds are written in the order in which tasks begin them.
                if turns.must_rest:
                    await self._let_others_run()
                return receipt
        add = _Add(line, loop.create_future(), journal)
        self._hand_over(add)
        try:
            return await add.future
        except asyncio.CancelledError:
            raise asyncio.CancelledError(NOT_WRITTEN if self._withdraw(add) else MAY_BE_WRITTEN) from None

    async def _let_others_run(self) -> None:
        """Lets the event loop's other tasks run, for as long as they do and for no longer than an add takes."""
        turns = self._turns
        turns.is_resting = True
        try:
            now = time.perf_counter()
            end = now + turns.last
            idle = 0
            while self._link is None or not self._link.waiting:
                if self._opening or idle >= _IDLE_TURNS or now >= end:
                    break
                before = now
                await asyncio.sleep(0)
                now = time.perf_counter()
                idle = idle + 1 if now - before < _IDLE_TURN_SECONDS else 0
        except asyncio.CancelledError:
            raise asyncio.CancelledError(MAY_BE_WRITTEN) from None
        finally:
            turns.rested()

    def _add_now(self, journal: Journal, line: bytes) -> RawReceipt | None:
        """None when nothing was done: the journal is not open, or another process may have to be waited for."""
        handle = journal._handle
        if handle is None:
            return None
        began = time.perf_counter()
        try:
            return _library.add(handle, line, unless_shared=True)
        except _errors.JournalError as error:
            if error.code != "closed":
                raise
            return None
        finally:
            self._turns.task_added(time.perf_counter() - began)

    # Handing over

    def _hand_over(self, add: _Add) -> None:
        if self._opening is not None:
            self._opening.append(add)
            return
        link = self._link
        if link is None or link.journal is not add.journal._handle:
            link = self._link = self._linked_now(add.journal)
        if link is None or not link.hand_over(add):
            self._open(add)

    def _linked_now(self, journal: Journal) -> _Link | None:
        """None when the journal is to be opened, which may take long."""
        handle = journal._handle
        if handle is None or journal._is_to_be_opened_anew:
            return None
        try:
            return _Link(handle, self)
        except _errors.JournalError as error:
            if error.code != "closed":
                raise
            return None

    def _withdraw(self, add: _Add) -> bool:
        """Whether it is certainly not written."""
        if self._opening is not None and add in self._opening:
            self._opening.remove(add)
            return True
        return add.link is not None and add.link.withdraw(add)

    # Opening

    def _open(self, add: _Add) -> None:
        """Opens the journal, in a thread, and hands over then what waits."""
        loop, journal = asyncio.get_running_loop(), add.journal

        def run() -> None:
            result: _Link | BaseException
            try:
                result = journal._with_handle(lambda handle: _Link(handle, self))
            except BaseException as error:  # Whoever waits must hear of it.
                result = error
            try:
                loop.call_soon_threadsafe(self._opened, result)
            except RuntimeError:  # The loop was closed, so nobody waits.
                pass

        try:
            threading.Thread(target=run, name="agent_journal opener", daemon=True).start()
        except RuntimeError as error:
            message = f"Not written: a thread to open the journal cannot be started: {error}"
            raise _errors.error(message, "not_written") from error
        self._opening = [add]

    def _opened(self, result: _Link | BaseException) -> None:
        adds, self._opening = self._opening or [], None
        if isinstance(result, BaseException):
            for add in adds:
                _fail(add, result)
            return
        self._link = result
        for add in adds:
            try:
                self._hand_over(add)
            except _errors.JournalError as error:
                _fail(add, error)

    # Outcomes

    def ended(self, count: int, seconds: float) -> None:
        """So many adds ended together, the last of which took so long."""
        link = self._link
        was_alone = count == 1 and not self._opening and (link is None or not link.waiting)
        self._turns.told(was_alone=was_alone, seconds=seconds)

    def again(self, add: _Add) -> None:
        """Another thread closed the journal, and this was not written."""
        try:
            self._hand_over(add)
        except _errors.JournalError as error:
            _fail(add, error)


class _Link:
    """What hands one event loop's adds over to one opening of the journal, and tells of them."""

    def __init__(self, journal: Handle, adds: _LoopAdds) -> None:
        self.journal = journal
        self.waiting: dict[int, _Add] = {}
        """By their tickets."""
        self._adder = _library.new_adder(journal)
        self._adds = adds
        self._tickets = 0
        self._last_began = 0.0
        self._is_polled = False

    def hand_over(self, add: _Add) -> bool:
        """False when it was not: another thread closed the journal meanwhile."""
        ticket = self._tickets = self._tickets + 1
        self._last_began = time.perf_counter()
        try:
            _library.hand_over(self._adder, add.line, ticket)
        except _errors.JournalError as error:
            if error.code != "closed" or add.journal._handle is self.journal:
                raise
            return False
        add.link, add.ticket = self, ticket
        self.waiting[ticket] = add
        if not self._is_polled:
            # Only while something is waited for: a journal that nobody uses may then go, and its descriptor with it.
            add.future.get_loop().add_reader(_library.descriptor(self._adder), self._tell)
            self._is_polled = True
        return True

    def withdraw(self, add: _Add) -> bool:
        """Whether it is certainly not written. Its outcome, if one comes, is nobody's."""
        if self.waiting.pop(add.ticket, None) is None:
            return False
        if not self.waiting:
            self._rest_if_idle()
        return _library.withdraw(self._adder, add.ticket)

    def _tell(self) -> None:
        """Tells the tasks what became of their adds."""
        waiting = self.waiting
        again: list[_Add] = []
        count = 0
        for ticket, outcome in _library.outcomes(self._adder):
            count += 1
            add = waiting.pop(ticket, None)
            if add is None or add.future.done():
                continue
            if isinstance(outcome, RawReceipt):
                add.future.set_result(outcome)
            elif outcome.code == "closed" and add.journal._handle is not self.journal:
                again.append(add)
            else:
                add.future.set_exception(outcome)
        if count > 0:
            self._adds.ended(count, time.perf_counter() - self._last_began)
        for add in again:
            self._adds.again(add)
        if not waiting:
            # Behind the tasks that were just told: most add again.
            asyncio.get_running_loop().call_soon(self._rest_if_idle)

    def _rest_if_idle(self) -> None:
        if self._is_polled and not self.waiting:
            asyncio.get_running_loop().remove_reader(_library.descriptor(self._adder))
            self._is_polled = False


def _fail(add: _Add, error: BaseException) -> None:
    if not add.future.done():
        add.future.set_exception(error)
