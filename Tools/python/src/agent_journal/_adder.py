"""Adds what tasks want added: one alone at once; else it is handed over to the library, which tells the event loop when it is done."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import _errors, _library
from ._library import Handle, RawReceipt

if TYPE_CHECKING:
    from ._journal import Journal

_IDLE_TURN_SECONDS = 0.000_05
_IDLE_TURNS = 3
"""An event loop that has turned round so often in so short a time has nothing else to do."""
_LONG_BYTES = 128 << 10
"""What is longer takes long to read, encode and compress."""
_MOST_TOLD = 8
"""So many times outcomes are taken before other callbacks of the event loop have their turn."""

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
        """What it was handed over to; None while it is held."""
        self.ticket = 0

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def end(self, result: RawReceipt | BaseException) -> None:
        if isinstance(result, BaseException):
            self.fail(result)
        elif not self.future.done():
            self.future.set_result(result)


class _Row(threading.local):
    """How long an event loop, which has a thread of its own, stood still in a row for adds, to whichever journals."""

    seconds = 0.0


_row = _Row()


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

    def allows(self, size: int) -> bool:
        return self._is_alone and not self.is_resting and self.last < self.LONGEST_ADD and size <= self.MOST_BYTES

    @property
    def must_rest(self) -> bool:
        return _row.seconds >= self.LONGEST_ROW

    def rested(self) -> None:
        self.is_resting = False
        _row.seconds = 0.0

    def task_added(self, seconds: float) -> None:
        self.last = seconds
        _row.seconds += seconds

    def told(self, *, was_alone: bool, seconds: float) -> None:
        self._is_alone = was_alone
        self.last = seconds
        _row.seconds = 0.0


def _none() -> None:
    return None


class Adder:
    """The adds of one journal. For any event loops, also several at once."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """What was waiting is the parent's."""
        # A signal's handler may close the journal meanwhile.
        self._lock = threading.RLock()
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopAdds] = weakref.WeakKeyDictionary()
        self._recent: tuple[Callable[[], asyncio.AbstractEventLoop | None], Callable[[], _LoopAdds | None]] = (_none, _none)
        """The newest of them, which is found sooner."""

    async def add_text(
        self,
        journal: Journal,
        conversation: str,
        content: object,
        role: str | None,
        mime_type: str | None,
        idempotency_key: str | None,
    ) -> RawReceipt | None:
        """Adds a text, if that can be done at once. None: nothing was done; `add` with the line does it, or says what is wrong."""
        loop = asyncio.get_running_loop()
        of_loop, of_adds = self._recent
        adds = of_adds() if of_loop() is loop else self._loops.get(loop)
        if adds is None or journal._read_only:
            return None
        most_bytes = 4 * len(content) if isinstance(content, str) else 0
        receipt = adds.add_now(
            journal, most_bytes, _library.add_text, conversation, content, role, mime_type, idempotency_key
        )
        if receipt is not None and adds.turns.must_rest:
            await adds.let_others_run()
        return receipt

    def add(self, journal: Journal, line: bytes) -> Coroutine[Any, Any, RawReceipt]:
        """Adds a line to the journal that this belongs to, which nothing here keeps from going when it is not used."""
        journal._check_writable()
        loop = asyncio.get_running_loop()
        adds = self._loops.get(loop)
        if adds is None:
            adds = self._made(loop)
        return adds.add(journal, line, loop)

    def _made(self, loop: asyncio.AbstractEventLoop) -> _LoopAdds:
        made = _LoopAdds()
        with self._lock:
            self._forget_closed()
            self._loops[loop] = made
        self._recent = (weakref.ref(loop), weakref.ref(made))
        return made

    def _forget_closed(self) -> None:
        """What still waits in a loop that was closed would keep it for ever."""
        for closed in [loop for loop in self._loops if loop.is_closed()]:
            self._loops.pop(closed, None)

    def rest(self) -> None:
        """Lets go of what is used for a journal that is closed; adds that wait go on."""
        with self._lock:
            self._forget_closed()
            loops = list(self._loops.items())
        for loop, adds in loops:
            try:
                if loop.is_running():
                    loop.call_soon_threadsafe(adds.rest)
                    continue
            except RuntimeError:  # It was closed meanwhile.
                pass
            adds.rest()


class _LoopAdds:
    """The adds of one event loop. Everything is done on its thread but what may take long: to open the journal, and to hand over a
    long memory. What comes meanwhile is held, so that adds are written in the order in which they begin."""

    def __init__(self) -> None:
        self.turns = _Turns()
        self._link: _Link | None = None
        self._held: list[_Add] | None = None
        """Those that wait until a thread is done, or until the adds of a journal that was closed are told; None when none must."""
        self._is_in_thread = False

    @property
    def _is_idle(self) -> bool:
        return self._held is None and (self._link is None or not self._link.waiting)

    async def add(self, journal: Journal, line: bytes, loop: asyncio.AbstractEventLoop) -> RawReceipt:
        receipt = self.add_now(journal, len(line), _library.add, line)
        if receipt is not None:
            # Behind the add, so that adds are written in the order in which tasks begin them.
            if self.turns.must_rest:
                await self.let_others_run()
            return receipt
        add = _Add(line, loop.create_future(), journal)
        if self._held is not None:
            self._held.append(add)
        else:
            self._hand_over(add)
        try:
            return await add.future
        except asyncio.CancelledError:
            # What is held is not handed over when its future is done.
            is_withdrawn = add.link is None or add.link.withdraw(add)
            raise asyncio.CancelledError(NOT_WRITTEN if is_withdrawn else MAY_BE_WRITTEN) from None

    async def let_others_run(self) -> None:
        """Lets the event loop's other tasks run, for as long as they do and for no longer than an add takes."""
        turns = self.turns
        turns.is_resting = True
        try:
            now = time.perf_counter()
            end = now + turns.last
            idle = 0
            while self._is_idle and idle < _IDLE_TURNS and now < end:
                before = now
                await asyncio.sleep(0)
                now = time.perf_counter()
                idle = idle + 1 if now - before < _IDLE_TURN_SECONDS else 0
        except asyncio.CancelledError:
            raise asyncio.CancelledError(MAY_BE_WRITTEN) from None
        finally:
            turns.rested()

    def add_now(
        self, journal: Journal, size: int, add: Callable[..., RawReceipt | None], *arguments: object
    ) -> RawReceipt | None:
        """Adds at once, so many bytes at most. None when nothing was done: it is not to be done at once, the journal is not open, or
        another process may have to be waited for."""
        handle, turns = journal._handle, self.turns
        if handle is None or not turns.allows(size) or not self._is_idle:
            return None
        began = time.perf_counter()
        try:
            return add(handle, *arguments, True)
        except _errors.JournalError as error:
            if error.code != "closed":
                raise
            return None
        finally:
            turns.task_added(time.perf_counter() - began)

    # Handing over

    def _hand_over(self, add: _Add) -> None:
        """Hands over, or begins what has to be done first. Only while nothing is held."""
        journal, link = add.journal, self._link
        if link is not None and link.journal is not journal._handle:
            if link.waiting:
                # The journal was closed, and these may still be told that they are to be added again.
                self._held = [add]
                return
            link = None
        if link is None:
            link = self._link = self._linked_now(journal)
        if link is None:
            self._hold([add], lambda: journal._with_handle(lambda handle: _Link(handle, self)), self._opened)
            return
        try:
            link.begin(add)
            if len(add.line) > _LONG_BYTES:
                self._hold([], lambda: link.hand_over(add), lambda result: self._handed_over(add, link, result))
            else:
                link.hand_over(add)
        except Exception as error:
            if not _is_closed(error, add, link):
                link.take_back(add)
                raise
            link.add_again(add)
        except BaseException:
            # Interrupted by a signal's handler, perhaps behind the call: it may be written, so it stays the link's.
            link.withdraw(add)
            raise

    def _linked_now(self, journal: Journal) -> _Link | None:
        """None when the journal is to be opened, which may take long."""
        handle = journal._handle
        if handle is None or journal._is_to_be_opened_anew:
            return None
        try:
            return _Link(handle, self)
        except _errors.JournalError as error:
            if error.code != "closed" or journal._handle is handle:
                raise
            return None

    def _hold(self, held: list[_Add], work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Holds what comes while work is done in a thread."""

        def go_on(result: Any) -> None:
            try:
                self._is_in_thread = False
                then(result)
            finally:
                self._go_on()

        _in_thread(work, go_on)
        self._is_in_thread = True
        self._held = held

    def _opened(self, result: _Link | BaseException) -> None:
        if not isinstance(result, BaseException):
            self._link = result
            return
        for add in self._held or []:
            add.fail(result)

    def _handed_over(self, add: _Add, link: _Link, result: None | BaseException) -> None:
        """A long one."""
        if result is None:
            return
        if _is_closed(result, add, link):
            link.add_again(add)
        else:
            link.take_back(add)
            add.fail(result)

    def _go_on(self) -> None:
        """Hands over what is held, until one has to wait again."""
        if self._is_in_thread:
            return
        held: deque[_Add] = deque()
        try:
            held += self._held or ()
            self._held = None
            while held and self._held is None:
                # It stays there until that is done: a signal's handler may interrupt this anywhere.
                add = held[0]
                if add.link is None and not add.future.done():
                    try:
                        self._hand_over(add)
                    except Exception as error:  # Whoever waits must hear of it.
                        add.fail(error)
                    except BaseException:
                        add.fail(_interrupted())
                        raise
                held.popleft()
        except BaseException:
            asyncio.get_running_loop().call_soon(self._go_on)
            raise
        finally:
            if held:
                self._held = [*(self._held or ()), *held]

    # Outcomes

    def ended(self, count: int, seconds: float) -> None:
        """So many adds ended together, the last of which took so long."""
        self.turns.told(was_alone=count == 1 and self._is_idle, seconds=seconds)

    def all_told(self, again: list[_Add]) -> None:
        """Of a link none waits any more; some were not written, as the journal was closed."""
        if again or self._held is not None:
            self._held = again + (self._held or [])
            self._go_on()

    def rest(self) -> None:
        """Lets go of the link of a journal that is closed: at once, or when all are told."""
        link = self._link
        if link is not None:
            link.is_closing = True
            self.let_go(link)

    def let_go(self, link: _Link) -> None:
        """Lets go of a link of a journal that is closed, if nobody waits."""
        if link.is_closing and not link.waiting and self._link is link:
            self._link = None


class _Link:
    """What hands one event loop's adds over to one opening of the journal, and tells of them."""

    def __init__(self, journal: Handle, adds: _LoopAdds) -> None:
        self.journal = journal
        self.waiting: dict[int, _Add] = {}
        """By their tickets."""
        self.is_closing = False
        """Whether the journal was closed."""
        self._adder = _library.new_adder(journal)
        # Else each would keep the other, and the journal's handle, until the garbage collector comes.
        self._adds = weakref.ref(adds)
        self._tickets = 0
        self._last_began = 0.0
        self._is_polled = False
        self._again: list[_Add] = []

    def begin(self, add: _Add) -> None:
        """What comes before handing over, on the event loop's thread."""
        if not self._is_polled:
            # Only while something is waited for: a journal that nobody uses may then go, and its descriptor with it.
            try:
                add.future.get_loop().add_reader(_library.descriptor(self._adder), self._tell)
            except (OSError, NotImplementedError) as error:
                raise _errors.error(f"Not written: the event loop cannot wait for it: {error!r}", "not_written") from error
            self._is_polled = True
        self._tickets += 1
        self._last_began = time.perf_counter()
        add.link, add.ticket = self, self._tickets
        self.waiting[add.ticket] = add

    def hand_over(self, add: _Add) -> None:
        """After `begin`. On any thread."""
        _library.hand_over(self._adder, add.line, add.ticket)

    def take_back(self, add: _Add) -> None:
        """It was not handed over."""
        self.waiting.pop(add.ticket, None)
        add.link = None
        if not self.waiting:
            self._told_all()

    def add_again(self, add: _Add) -> None:
        """It was not handed over, or not written, as the journal was closed: it comes before what came since, when all are told."""
        self._again.append(add)
        self.take_back(add)

    def withdraw(self, add: _Add) -> bool:
        """Whether it is certainly not written. Its outcome, if one comes, is nobody's."""
        if self.waiting.pop(add.ticket, None) is None:
            return False
        if not self.waiting:
            self._told_all()
        return _library.withdraw(self._adder, add.ticket)

    def _tell(self) -> None:
        """Tells the tasks what became of their adds."""
        count = 0
        try:
            for _ in range(_MOST_TOLD):
                outcomes = _library.outcomes(self._adder)
                count += len(outcomes)
                for ticket, outcome in outcomes:
                    add = self.waiting.get(ticket)
                    if add is not None:
                        self._end(add, outcome)
                        self.waiting.pop(ticket, None)
                if len(outcomes) < _library.OUTCOMES:
                    break
        except BaseException:
            # Interrupted by a signal's handler. Which were taken and not told nobody knows any more.
            untold, self.waiting = [*self.waiting.values()], {}
            for add in untold:
                add.fail(_interrupted())
            raise
        finally:
            adds = self._adds()
            if count > 0 and adds is not None:
                adds.ended(count, time.perf_counter() - self._last_began)
            if not self.waiting:
                self._told_all()
        _library.log_what_was_told()

    def _end(self, add: _Add, outcome: RawReceipt | _errors.JournalError) -> None:
        if isinstance(outcome, _errors.JournalError):
            if _is_closed(outcome, add, self):
                # Not `add_again`: whether all are told is known when these are.
                add.link = None
                self._again.append(add)
                return
            if outcome.code == "damaged" and (outcome.path or "").endswith(".snapshot"):
                # It is not written. A call that waits has the state built anew first.
                try:
                    _in_thread(lambda: add.journal._with_handle(lambda handle: _library.add(handle, add.line)), add.end)
                    return
                except _errors.JournalError:
                    pass
        add.end(outcome)

    def _told_all(self) -> None:
        again, self._again = sorted(self._again, key=lambda add: add.ticket), []
        adds = self._adds()
        if adds is not None:
            adds.all_told(again)
        self._rest_soon()

    def _rest_soon(self) -> None:
        if self._is_polled and not self.waiting:
            # Behind the tasks that were just told: most add again.
            asyncio.get_running_loop().call_soon(self._rest_if_idle)

    def _rest_if_idle(self) -> None:
        if self._is_polled and not self.waiting:
            # First, so that it is polled again should this be interrupted.
            self._is_polled = False
            asyncio.get_running_loop().remove_reader(_library.descriptor(self._adder))
            adds = self._adds()
            if adds is not None:
                adds.let_go(self)


def _in_thread(work: Callable[[], Any], then: Callable[[Any], None]) -> None:
    """Does in a thread what may take long, and then the rest on the event loop's, with its result or error."""
    loop = asyncio.get_running_loop()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # Whoever waits must hear of it.
            result = error
        try:
            loop.call_soon_threadsafe(then, result)
        except RuntimeError:  # The loop was closed, so nobody waits.
            pass

    try:
        threading.Thread(target=run, name="agent_journal adder", daemon=True).start()
    except RuntimeError as error:
        raise _errors.error(f"Not written: a thread for it cannot be started: {error}", "not_written") from error


def _interrupted() -> _errors.JournalError:
    return _errors.error(f"An interruption kept its outcome from being told: {MAY_BE_WRITTEN}", "outcome_unknown")


def _is_closed(error: BaseException, add: _Add, link: _Link) -> bool:
    """Whether it was not written only because another thread closed the journal, so that it is to be opened again."""
    return (
        isinstance(error, _errors.JournalError) and error.code == "closed" and add.journal._handle is not link.journal
    )
