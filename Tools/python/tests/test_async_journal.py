"""AsyncJournal: many tasks, several event loops, cancelling, following."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent_journal import (
    AsyncJournal,
    Event,
    Journal,
    JournalError,
    KeyConflictError,
    NewMemory,
    NoJournalError,
    NotWrittenError,
    OutcomeUnknownError,
    Receipt,
    _adder,
    _library,
)

T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory"


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_every_call(path: Path) -> None:
    async def scenario() -> None:
        async with AsyncJournal(path) as journal:
            assert journal.is_open and journal.path == path and repr(journal) == f"AsyncJournal('{path}')"
            receipt = await journal.add("c", "x", role="user", metadata={"a": 1}, mime_type="text/plain", idempotency_key="k")
            again = await journal.add("c", "x", role="user", metadata={"a": 1}, mime_type="text/plain", idempotency_key="k")
            assert (receipt.sequence, receipt.is_replayed) == (1, False)
            assert (again.sequence, again.is_replayed, again.recorded) == (1, True, receipt.recorded)
            await journal.add_all([NewMemory(1), NewMemory(b"2")], "c")
            assert [memory.content for memory in await journal.memories("c")] == ["x", 1, b"2"]
            assert [memory.content for memory in await journal.memories("c", last=1, before=3)] == [1]
            assert await journal.flush("here") == 4
            assert await journal.forget(1) == 1
            found = await journal.memory_for_key("c", "k")
            assert found is not None and (found.receipt, found.memory) == (again, None)
            assert await journal.memory_for_key("c", "never") is None
            assert (await journal.count(), await journal.count("c"), await journal.conversations()) == (2, 2, ["c"])
            await journal.clear("c")
            assert len(await journal.memories("c", at="here")) == 3
            assert (await journal.stats())["events"] == 6
        assert not journal.is_open
        assert await journal.count() == 0 and journal.is_open
        await journal.close()

    run(scenario())


def test_many_tasks_each_have_their_own_outcome(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        await journal.add("c", "taken", idempotency_key="k")
        adds = [journal.add("c", number) for number in range(300)]
        refused = [journal.add("c", "other", idempotency_key="k"), journal.add("n" * 100_000, "x")]
        found = await asyncio.gather(*adds[:150], *refused, *adds[150:], return_exceptions=True)
        receipts = [outcome for outcome in found if not isinstance(outcome, BaseException)]
        errors = [outcome for outcome in found if isinstance(outcome, BaseException)]
        assert sorted(receipt.sequence for receipt in receipts) == list(range(2, 302))
        assert [type(error) for error in errors] == [KeyConflictError, JournalError]
        memories = {memory.sequence: memory.content for memory in await journal.memories("c")}
        outcomes = [*found[:150], *found[152:]]
        assert [memories[outcome.sequence] for outcome in outcomes if not isinstance(outcome, BaseException)] == list(range(300))
        await journal.close()

    run(scenario())


def test_an_error_of_opening_reaches_every_task(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path, create=False)
        found = await asyncio.gather(*(journal.add("c", "x") for _ in range(5)), return_exceptions=True)
        assert [type(error) for error in found] == [NoJournalError] * 5

    run(scenario())
    assert not path.exists()


def test_one_event_loop_after_the_other_and_several_at_once(path: Path) -> None:
    journal = AsyncJournal(path)

    async def add_some(where: str) -> None:
        await asyncio.gather(*(journal.add("c", f"{where} {number}") for number in range(20)))

    for number in range(3):
        run(add_some(f"loop {number}"))
    threads = [threading.Thread(target=lambda n=n: run(add_some(f"thread {n}"))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.journal.close()
    assert Journal(path).count("c") == 140


def test_one_over_a_journal_shares_it_and_never_closes_it(path: Path) -> None:
    with Journal(path) as journal:

        async def scenario() -> None:
            async with AsyncJournal.over(journal) as shared:
                assert shared.journal is journal
                await shared.add("c", "x")

        run(scenario())
        assert journal.is_open
        assert journal.count() == 1


def test_the_event_loop_goes_on_while_another_process_is_waited_for(path: Path) -> None:
    """Also where adds before were done at once, on the thread of the event loop."""
    program = "import sys, agent_journal\nj = agent_journal.Journal(sys.argv[1]).open()\nprint('open', flush=True)\n"

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        for number in range(50):
            await journal.add("c", number)
        command = [sys.executable, "-c", program + "while True: j.add('c', 'x')", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            try:
                assert other.stdout is not None and other.stdout.readline() == "open\n"
                for _ in range(20):
                    other.send_signal(signal.SIGSTOP)
                    add = asyncio.ensure_future(journal.add("c", "y"))
                    turns = 0
                    deadline = time.monotonic() + 0.2
                    while not add.done() and time.monotonic() < deadline:
                        turns += 1
                        await asyncio.sleep(0.001)
                    assert add.done() or turns > 10, "the event loop stood still"
                    other.send_signal(signal.SIGCONT)
                    await add
            finally:
                other.kill()
        await journal.close()

    run(scenario())


def test_one_task_alone_adds_at_once_and_of_many_the_adds_are_handed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over: list[bytes] = []
    hand_over = _library.hand_over

    def counted(adder: Any, line: bytes, ticket: int) -> None:
        handed_over.append(line)
        hand_over(adder, line, ticket)

    monkeypatch.setattr(_library, "hand_over", counted)
    monkeypatch.setattr(_adder._Turns, "LONGEST_ADD", 10.0)
    monkeypatch.setattr(_adder._Turns, "LONGEST_ROW", 10.0)

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        for number in range(20):
            await journal.add("c", number)
        assert len(handed_over) == 1, "only the first"
        # The first of them finds itself alone. Behind those that wait the next one is not done at once.
        await asyncio.gather(*(journal.add("c", number) for number in range(20)))
        waiting = [asyncio.ensure_future(journal.add("c", "x" * 100_000)) for _ in range(3)]  # Too long to be done at once.
        await asyncio.sleep(0)
        await journal.add("c", "behind them")
        assert all(add.done() for add in waiting), "an add overtook others"
        assert len(handed_over) == 5
        await journal.close()

    run(scenario())
    assert Journal(path).count("c") == 44


def test_adds_of_many_tasks_share_syncs(path: Path) -> None:
    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        order: list[int] = []

        async def add(number: int) -> None:
            await journal.add("c", number, metadata={"n": number})
            order.append(number)

        await asyncio.gather(*(add(number) for number in range(500)))
        assert sorted(order) == list(range(500))
        assert [memory.content for memory in await journal.memories("c")] == list(range(500))
        found = {memory.recorded for memory in await journal.memories("c")}
        assert len(found) < 250, "each had a commit of its own"
        await journal.close()

    run(scenario())


def test_nothing_is_polled_while_nothing_is_waited_for(path: Path) -> None:
    """Else a journal that nobody uses any more could not go while the event loop runs."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        before = len(os.listdir("/proc/self/fd"))
        journal = await AsyncJournal(path).open()
        await asyncio.gather(*(journal.add("c", number) for number in range(10)))
        for _ in range(3):
            await asyncio.sleep(0)
        link = journal.journal._adder._loops[loop]._link
        assert link is not None and not link.waiting and not link._is_polled
        descriptor = _library.descriptor(link._adder)
        assert not loop.remove_reader(descriptor)
        del link
        reference = weakref.ref(journal.journal)
        del journal
        gc.collect()
        assert reference() is None
        assert len(os.listdir("/proc/self/fd")) <= before
        # Whoever takes the descriptor's number next can be polled.
        ends = os.pipe()
        loop.add_reader(ends[0], lambda: None)
        assert loop.remove_reader(ends[0])
        for end in ends:
            os.close(end)

    run(scenario())
    assert Journal(path).count("c") == 10


def test_loops_that_were_closed_while_adds_waited_are_let_go(path: Path) -> None:
    journal = AsyncJournal(path)

    async def leave() -> Sequence[asyncio.Future[Any]]:
        await journal.add("c", "first")
        adds = [asyncio.ensure_future(journal.add("left", number)) for number in range(50)]
        await asyncio.sleep(0)
        return adds

    descriptors: list[int] = []
    for _ in range(20):
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda _loop, _context: None)  # It tells of tasks that are destroyed, on purpose.
        adds = loop.run_until_complete(leave())
        loop.close()
        del adds
        gc.collect()
        descriptors.append(len(os.listdir("/proc/self/fd")))
    assert len(journal.journal._adder._loops) == 1
    assert max(descriptors[2:]) <= max(descriptors[:2])
    # What was handed over is completed.
    journal.journal.close()
    assert (journal.journal.count("c"), journal.journal.count("left")) == (20, 1000)
    journal.journal.close()


def test_adds_keep_their_order_while_another_thread_closes_the_journal(path: Path) -> None:
    journal = AsyncJournal(path)
    is_over = threading.Event()

    def close() -> None:
        while not is_over.is_set():
            journal.journal.close()

    async def scenario() -> None:
        for start in range(0, 1000, 20):
            await asyncio.gather(*(journal.add("c", start + number) for number in range(20)))

    closer = threading.Thread(target=close)
    closer.start()
    try:
        run(scenario())
    finally:
        is_over.set()
        closer.join()
    assert [memory.content for memory in journal.journal.memories("c")] == list(range(1000))
    journal.journal.close()


def test_what_is_told_that_the_journal_was_closed_comes_before_what_was_added_since(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        await journal.add("other", "x")
        tickets: list[int] = []
        with monkeypatch.context() as patch:
            # The library may take them, and find then that it is being closed.
            patch.setattr(_library, "hand_over", lambda _adder, _line, ticket: tickets.append(ticket))
            first: list[str | int] = ["x" * 70_000, 1, 2]
            refused = [asyncio.ensure_future(journal.add("c", content)) for content in first]
            await asyncio.sleep(0)
        link = journal.journal._adder._loops[asyncio.get_running_loop()]._link
        assert link is not None and len(tickets) == 3
        journal.journal.close()
        later = [asyncio.ensure_future(journal.add("c", number)) for number in [3, 4, 5]]
        await asyncio.sleep(0.2)
        assert not any(add.done() for add in later)
        with monkeypatch.context() as patch:
            error = JournalError("it is closed", code="closed")
            patch.setattr(_library, "outcomes", lambda _adder: [(ticket, error) for ticket in reversed(tickets)])
            link._tell()
        await asyncio.gather(*refused, *later)
        assert [memory.content for memory in await journal.memories("c")] == ["x" * 70_000, 1, 2, 3, 4, 5]
        await journal.close()

    run(scenario())


def test_a_long_memory_that_finds_the_journal_closed_keeps_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        await journal.add("other", "x")
        long = "y" * 500_000
        is_closed = threading.Event()
        tickets: list[int] = []
        hand_over, outcomes = _library.hand_over, _library.outcomes
        closed: list[Any] = []
        """What the adds are handed over to before the journal is closed; what comes after it is the library's own."""

        def refused(adder: Any, line: bytes, ticket: int) -> None:
            if not closed:
                closed.append(adder)
            if adder is not closed[0]:
                hand_over(adder, line, ticket)
            elif len(line) > len(long):
                assert is_closed.wait(60)
                raise JournalError("it is closed", code="closed")
            else:
                tickets.append(ticket)

        def told(adder: Any) -> Any:
            return [(ticket, JournalError("", code="closed")) for ticket in tickets] if adder is closed[0] else outcomes(adder)

        monkeypatch.setattr(_library, "hand_over", refused)
        monkeypatch.setattr(_library, "outcomes", told)
        contents: list[str | int] = ["x" * 70_000, 1, long, 2]
        adds = [asyncio.ensure_future(journal.add("c", content)) for content in contents]
        await asyncio.sleep(0)
        link = journal.journal._adder._loops[asyncio.get_running_loop()]._link
        assert link is not None and len(tickets) == 2
        journal.journal.close()
        link._tell()
        is_closed.set()
        await asyncio.wait_for(asyncio.gather(*adds), 60)
        assert [memory.content for memory in await journal.memories("c")] == contents
        await journal.close()

    run(scenario())


def test_a_long_memory_is_handed_over_by_a_thread_and_keeps_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[int, int] = {}
    hand_over = _library.hand_over

    def noted(adder: Any, line: bytes, ticket: int) -> None:
        threads[len(line)] = threading.get_ident()
        hand_over(adder, line, ticket)

    monkeypatch.setattr(_library, "hand_over", noted)

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        long = "y" * 3_000_000
        contents = ["a", "b", long, "c", long[1:], "d", "e"]
        await asyncio.gather(*(journal.add("c", content) for content in contents))
        assert [memory.content for memory in await journal.memories("c")] == contents
        own = threading.get_ident()
        assert {size > 1000 for size, thread in threads.items() if thread != own} == {True}
        assert {size > 1000 for size, thread in threads.items() if thread == own} == {False}
        # One that is refused, and one whose task goes: those behind them are added.
        adds = [asyncio.ensure_future(journal.add("d", content)) for content in ["z" * 20_000_000, "f", long, "g"]]
        await asyncio.sleep(0)
        adds[2].cancel()
        outcomes = await asyncio.gather(*adds, return_exceptions=True)
        assert isinstance(outcomes[0], JournalError) and outcomes[0].code == "too_large"
        assert isinstance(outcomes[2], asyncio.CancelledError)
        assert [memory.content for memory in await journal.memories("d") if memory.content != long] == ["f", "g"]
        await journal.close()

    run(scenario())


def test_an_event_loop_that_cannot_poll_writes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        loop = asyncio.get_running_loop()

        def refuse(*_: Any) -> None:
            raise OSError(28, "no space left on device")

        for is_open in (False, True):
            if is_open:
                await journal.open()
            with monkeypatch.context() as patch:
                patch.setattr(loop, "add_reader", refuse)
                found = await asyncio.gather(*(journal.add("c", "x") for _ in range(3)), return_exceptions=True)
                assert [type(error) for error in found] == [NotWrittenError] * 3
        await journal.add("c", "y")
        assert [memory.content for memory in await journal.memories("c")] == ["y"]
        await journal.close()

    run(scenario())


def test_an_interruption_leaves_nobody_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a signal's handler, in whichever line Python is just then."""
    journal = AsyncJournal(path)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(journal.open())
    outcomes = _library.outcomes

    def interrupted(adder: Any) -> Any:
        outcomes(adder)
        monkeypatch.setattr(_library, "outcomes", outcomes)
        raise KeyboardInterrupt

    monkeypatch.setattr(_library, "outcomes", interrupted)

    async def begin() -> Sequence[asyncio.Future[Any]]:
        return [asyncio.ensure_future(journal.add("c", number)) for number in range(10)]

    adds = loop.run_until_complete(begin())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.gather(*adds))
    found = loop.run_until_complete(asyncio.gather(*adds, return_exceptions=True))
    assert {type(outcome) for outcome in found} <= {OutcomeUnknownError, Receipt} and OutcomeUnknownError in map(type, found)
    loop.run_until_complete(journal.add("c", "behind it"))
    assert journal.journal.count("c") == 11
    loop.close()
    journal.journal.close()


def test_an_interruption_while_one_is_told_leaves_nobody_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_adder._Turns, "LONGEST_ADD", 0.0)  # All are handed over.
    journal = AsyncJournal(path)
    loop = asyncio.new_event_loop()
    end = _adder._Add.end

    def interrupted(_add: Any, _result: Any) -> None:
        monkeypatch.setattr(_adder._Add, "end", end)
        raise KeyboardInterrupt

    async def begin() -> Sequence[asyncio.Future[Any]]:
        await journal.add("c", "before them")
        monkeypatch.setattr(_adder._Add, "end", interrupted)
        return [asyncio.ensure_future(journal.add("c", number)) for number in range(10)]

    adds = loop.run_until_complete(begin())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.gather(*adds))
    found = loop.run_until_complete(asyncio.wait_for(asyncio.gather(*adds, return_exceptions=True), 60))
    assert isinstance(found[0], OutcomeUnknownError)
    loop.run_until_complete(journal.add("c", "behind them"))
    assert journal.journal.count("c") == 12
    loop.close()
    journal.journal.close()


def test_an_interruption_while_held_adds_are_handed_over_leaves_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = AsyncJournal(path)
    loop = asyncio.new_event_loop()
    hand_over = _library.hand_over

    def interrupted(adder: Any, line: bytes, ticket: int) -> None:
        if ticket == 3:
            raise KeyboardInterrupt
        hand_over(adder, line, ticket)

    monkeypatch.setattr(_library, "hand_over", interrupted)

    async def begin() -> Sequence[asyncio.Future[Any]]:
        return [asyncio.ensure_future(journal.add("c", number)) for number in range(6)]

    adds = loop.run_until_complete(begin())  # It is opened first.
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.gather(*adds))
    found = loop.run_until_complete(asyncio.gather(*adds, return_exceptions=True))
    assert [type(outcome) for outcome in found] == [Receipt, Receipt, OutcomeUnknownError, Receipt, Receipt, Receipt]
    loop.close()
    assert [memory.content for memory in journal.journal.memories("c")] == [0, 1, 3, 4, 5]
    journal.journal.close()


def test_an_add_that_is_interrupted_behind_its_handing_over_and_cancelled_may_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = AsyncJournal(path)
    hand_over = _library.hand_over
    said: dict[int, tuple[object, ...]] = {}

    def interrupted(adder: Any, line: bytes, ticket: int) -> None:
        hand_over(adder, line, ticket)
        if ticket == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(_library, "hand_over", interrupted)

    async def add(number: int) -> None:
        try:
            await journal.add("c", number)
            said[number] = ("written",)
        except asyncio.CancelledError as error:
            said[number] = error.args
            raise

    async def scenario() -> None:
        await asyncio.gather(*map(add, range(6)))  # It is opened first.

    with pytest.raises(KeyboardInterrupt):
        run(scenario())  # Which cancels what is left.
    assert said[2] == (_adder.MAY_BE_WRITTEN,)
    written = [memory.content for memory in journal.journal.memories("c")]
    assert not [number for number in written if said[int(str(number))] == (_adder.NOT_WRITTEN,)]
    journal.journal.close()


def test_closing_lets_go_of_what_waited_for_the_journal(path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def scenario() -> None:
        before = descriptors()
        journal = await AsyncJournal(path).open()
        adds = [asyncio.ensure_future(journal.add("c", number)) for number in range(50)]
        await asyncio.sleep(0)
        journal.journal.close()
        await asyncio.gather(*adds)
        if journal.is_open:  # Some were told that it was closed.
            await journal.close()
        while descriptors() > before:
            await asyncio.sleep(0.01)

    run(asyncio.wait_for(scenario(), 60))


def test_closing_lets_go_of_an_event_loop_that_was_closed_before(path: Path) -> None:
    journal = AsyncJournal(path)

    async def begin() -> list[asyncio.Future[Any]]:
        await journal.add("c", 0)
        adds: list[asyncio.Future[Any]] = [asyncio.ensure_future(journal.add("c", number)) for number in range(50)]
        await asyncio.sleep(0)
        return adds

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    adds = loop.run_until_complete(begin())
    loop.close()
    is_kept = weakref.ref(loop)
    del adds, loop
    journal.journal.close()
    gc.collect()
    assert is_kept() is None


def test_a_task_that_adds_to_many_journals_rests_as_one_that_adds_to_one() -> None:
    first, second = _adder._Turns(), _adder._Turns()
    first.rested()
    first.task_added(_adder._Turns.LONGEST_ROW)
    assert first.must_rest and second.must_rest
    second.rested()
    assert not first.must_rest and not second.must_rest


def test_a_log_filter_that_raises_keeps_no_outcome_from_being_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refuses(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise ValueError("a filter that fails")

    async def scenario() -> None:
        journal = AsyncJournal(path)
        refuses = Refuses()
        _library.logger.addFilter(refuses)
        try:
            for what in (b"while it is opened", b"while many are told"):
                _library._told.append((_library._WARNING, what, b"{}"))
                adds = [asyncio.ensure_future(journal.add("c", number)) for number in range(10)]
                await asyncio.wait_for(asyncio.gather(*adds), 60)
            for number in range(10):
                _library._told.append((_library._WARNING, b"of one that is alone", b'{"number":%d}' % number))
                assert (await journal.add("c", number)).sequence == 21 + number
        finally:
            _library.logger.removeFilter(refuses)
        assert await journal.count("c") == 30
        await journal.close()

    monkeypatch.setattr(_adder._Turns, "LONGEST_ADD", 10.0)
    run(scenario())
    assert capsys.readouterr().err.count("a filter that fails\n") >= 12


@pytest.mark.parametrize("is_closed_meanwhile", [False, True])
def test_a_snapshot_that_is_damaged_meanwhile_keeps_nothing_from_being_added(
    path: Path, monkeypatch: pytest.MonkeyPatch, is_closed_meanwhile: bool
) -> None:
    with Journal(path) as journal:
        journal.add_all([NewMemory(f"text {number}", idempotency_key=f"k{number}") for number in range(2000)], "c")
    tool = [sys.executable, "-m", "agent_journal"]
    subprocess.run([*tool, "snapshot", str(path)], check=True, stdout=subprocess.DEVNULL)
    (snapshot,) = (path / "snapshots").glob("*.snapshot")
    content = bytearray(snapshot.read_bytes())

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        with snapshot.open("r+b") as file:  # In place: the journal has it open.
            for offset in range(len(content) // 4, len(content) * 3 // 4):
                content[offset] ^= 0x55
            file.write(content)
        if is_closed_meanwhile:
            add, is_closed = _library.add, threading.Event()

            def closes_first(*arguments: Any, **options: Any) -> Any:
                if not is_closed.is_set():
                    is_closed.set()
                    journal.journal.close()
                return add(*arguments, **options)

            monkeypatch.setattr(_library, "add", closes_first)
        keys = [*range(0, 2000, 97), *range(3000, 3020)]
        receipts = await asyncio.gather(*(journal.add("c", f"text {key}", idempotency_key=f"k{key}") for key in keys))
        assert [receipt.is_replayed for receipt in receipts] == [key < 2000 for key in keys]
        assert await journal.count("c") == 2020
        assert not is_closed_meanwhile or is_closed.is_set()
        await journal.close()

    run(scenario())


def test_a_task_that_adds_all_the_time_leaves_turns_to_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_adder._Turns, "LONGEST_ADD", 10.0)

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        is_done = False
        count = 0

        async def add_all_the_time() -> None:
            nonlocal count
            deadline = time.monotonic() + 20
            while not is_done and time.monotonic() < deadline:
                await journal.add("busy", "x")
                count += 1

        busy = asyncio.ensure_future(add_all_the_time())
        while count < 200:  # It is alone, and adds at once.
            await asyncio.sleep(0)
        for number in range(20):
            await journal.add("c", number)
        is_done = True
        assert not busy.done(), "the others had their turn only when it ended"
        await busy
        assert [memory.content for memory in await journal.memories("c")] == list(range(20))
        assert await journal.count("busy") == count > 0
        await journal.close()

    run(scenario())


def test_an_add_that_is_cancelled_while_it_rests_may_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_adder._Turns, "LONGEST_ADD", 10.0)

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        await journal.add("c", "by the thread")
        monkeypatch.setattr(_adder._Turns, "must_rest", True)
        for number in range(10):
            add = asyncio.ensure_future(journal.add("c", f"at once {number}"))
            await asyncio.sleep(0)
            add.cancel()
            with pytest.raises(asyncio.CancelledError, match="^it may have been written"):
                await add
        contents = [memory.content for memory in await journal.memories("c")]
        assert contents == ["by the thread", *(f"at once {number}" for number in range(10))]
        await journal.close()

    run(scenario())


def test_adds_are_written_in_the_order_in_which_they_begin(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the one before has just rested, or is about to."""
    monkeypatch.setattr(_adder._Turns, "LONGEST_ADD", 10.0)
    monkeypatch.setattr(_adder._Turns, "LONGEST_ROW", 0.0)

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        for number in range(0, 300, 3):
            await journal.add("c", number)
            await asyncio.gather(journal.add("c", number + 1), journal.add("c", number + 2))
        assert [memory.content for memory in await journal.memories("c")] == list(range(300))
        await journal.close()

    run(scenario())


def test_an_add_for_which_no_thread_can_open_the_journal_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        journal = AsyncJournal(path)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(NotWrittenError):
                await journal.add("c", "refused")
        await journal.add("c", "second")
        assert journal.journal.memories("c")[0].content == "second" and journal.journal.count() == 1
        journal.journal.close()

    run(scenario())


def test_closing_beside_adds_loses_and_refuses_nothing(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        ended = False

        async def close() -> None:
            while not ended:
                await journal.close()
                await asyncio.sleep(0)

        closer = asyncio.ensure_future(close())
        await asyncio.gather(*(journal.add("c", number) for number in range(100)))
        for number in range(30):
            await journal.add("c", number)
        ended = True
        await closer
        assert await journal.count("c") == 130
        await journal.close()

    run(scenario())


def test_a_cancelled_read_says_nothing_of_writing(path: Path) -> None:
    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        read = asyncio.ensure_future(journal.memories("c"))
        await asyncio.sleep(0)
        read.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await read
        assert caught.value.args == ()
        assert [event async for event in journal.follow(timeout=0)] == []
        with pytest.raises(JournalError):
            await journal.follow(timeout=-1).__anext__()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(journal.follow(timeout=math.inf).__anext__(), 0.05)
        await journal.close()

    run(scenario())


def test_a_cancelled_add_says_whether_it_may_be_written(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        await journal.open()
        before = asyncio.ensure_future(journal.add("c", "never"))
        await asyncio.sleep(0)  # It waits.
        outcomes: list[str] = []
        long: list[asyncio.Future[Receipt]] = []
        for number in range(200):
            if number % 20 == 1:
                # Too long to be added at once: the next one waits behind it, however quick the disk is.
                long.append(asyncio.ensure_future(journal.add("long", "x" * 100_000)))
            add = asyncio.ensure_future(journal.add("c", f"add {number}", idempotency_key=f"k{number}"))
            await asyncio.sleep(0 if number % 2 else 0.0003)
            if not add.cancel():
                continue
            try:
                await add
            except asyncio.CancelledError as error:
                outcomes.append(f"{error.args[0]}|add {number}")
        await asyncio.gather(before, *long)
        await journal.flush()  # Behind all that was taken up.
        assert outcomes, "none was cancelled"
        there = {memory.content for memory in await journal.memories("c")}
        for outcome in outcomes:
            said, _, content = outcome.partition("|")
            assert said == "not written" or said.startswith("it may have been written")
            if said == "not written":
                assert content not in there
        # Repeated, each is there once.
        for number in range(200):
            await journal.add("c", f"add {number}", idempotency_key=f"k{number}")
        assert await journal.count("c") == 201
        await journal.close()

    run(scenario())


def test_an_add_that_waits_for_the_opening_is_not_written_when_it_is_cancelled(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        journal.journal._lock.acquire()  # Whoever opens it waits here.
        try:
            adds = [asyncio.ensure_future(journal.add("c", number)) for number in range(4)]
            await asyncio.sleep(0.05)
            for add in adds[::2]:
                add.cancel()
                with pytest.raises(asyncio.CancelledError, match="^not written$"):
                    await add
        finally:
            journal.journal._lock.release()
        await asyncio.gather(*adds[1::2])
        assert [memory.content for memory in await journal.memories("c")] == [1, 3]
        await journal.close()

    run(scenario())


def test_an_add_that_was_handed_over_can_be_taken_back_until_it_is_written(path: Path) -> None:
    program = "import sys, agent_journal\nj = agent_journal.Journal(sys.argv[1]).open()\nprint('open', flush=True)\n"

    async def scenario() -> None:
        journal = await AsyncJournal(path).open()
        await journal.add("c", "first")
        command = [sys.executable, "-c", program + "while True: j.add('other', 'x')", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None and other.stdout.readline() == "open\n"
            said: set[str] = set()
            not_written: list[str] = []
            try:
                for number in range(100):
                    other.send_signal(signal.SIGSTOP)  # While it holds the log or is syncing, no one else writes.
                    adds = [asyncio.ensure_future(journal.add("c", f"{number} {index}")) for index in range(4)]
                    await asyncio.sleep(0.002)
                    for index, add in enumerate(adds):
                        add.cancel()
                        try:
                            await add
                        except asyncio.CancelledError as error:
                            said.add(error.args[0])
                            if error.args[0] == "not written":
                                not_written.append(f"{number} {index}")
                    other.send_signal(signal.SIGCONT)
                    if len(said) == 2:
                        break
            finally:
                other.kill()
        await journal.flush()
        contents = {memory.content for memory in await journal.memories("c")}
        assert "not written" in said and not contents & set(not_written)
        await journal.close()

    run(scenario())


def test_timeouts_work(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        await journal.open()
        follower = journal.follow()
        began = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(follower.__anext__(), 0.1)
        assert time.monotonic() - began < 30
        await journal.close()

    run(scenario())


def test_following(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        await journal.add("c", "first")
        events: list[Event] = []

        async def follow() -> None:
            async for event in journal.follow():
                events.append(event)
                if len(events) == 3:
                    return

        follower = asyncio.ensure_future(follow())
        while not events:
            await asyncio.sleep(0.01)
        Journal(path).add("c", "second")
        await journal.add("c", "third")
        await follower
        assert [event.memory.content for event in events if event.memory] == ["first", "second", "third"]
        assert [event.sequence async for event in journal.follow(after=1, timeout=0)] == [2, 3]
        await journal.close()

    run(scenario())


def test_more_followers_than_threads_of_the_pool(path: Path) -> None:
    async def scenario() -> None:
        journal = AsyncJournal(path)
        await journal.open()
        followers = [asyncio.ensure_future(journal.follow().__anext__()) for _ in range(40)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(journal.add("c", "x"), 30)
        assert {event.sequence for event in await asyncio.gather(*followers)} == {1}
        await journal.close()

    run(scenario())


def test_after_a_fork_parent_and_child_go_on(path: Path) -> None:
    journal = AsyncJournal(path)

    async def add(what: str) -> None:
        await asyncio.gather(*(journal.add("c", f"{what} {number}") for number in range(10)))
        assert await journal.count("c") >= 10

    run(add("before"))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(add("child"))
            status = 0
        finally:
            os._exit(status)
    run(add("parent"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    journal.journal.close()
    assert Journal(path).count("c") == 30
