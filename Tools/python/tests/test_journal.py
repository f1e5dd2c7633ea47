"""Journal: what goes in comes out, errors say what to do, and it holds across threads, processes and forks."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent_journal import (
    BusyError,
    DamagedError,
    Journal,
    JournalError,
    KeyConflictError,
    NewMemory,
    NoJournalError,
    NotWrittenError,
    OutcomeUnknownError,
    _library,
)

CONTENTS: list[Any] = [
    "",
    "text",
    "é e\u0301 \U0001f600 \u2028 \x00 \x1f \r\n \ufeff",
    b"",
    bytes(range(256)),
    True,
    0,
    -(1 << 53),
    1.5,
    [],
    {},
    [None, {"a": [1, 2.5, "three"]}],
    {"z": 1, "a": {"é": None}},
]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "memory")


TEXTS: list[tuple[str, dict[str, str]]] = [
    ("é \U0001f600 \x00 \" \\ \n", {}),
    ("all", {"role": "user", "mime_type": "text/plain", "idempotency_key": "k"}),
    ("x" * 65536, {}),
    ("x" * 65537, {}),
]


@pytest.mark.parametrize("is_quick", [True, False])
def test_texts_are_the_same_with_and_without_the_extension_module(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, is_quick: bool
) -> None:
    calls: list[object] = []
    quick = _library._add_text

    def add_text(*arguments: object) -> Any:
        found = quick(*arguments) if is_quick else None
        calls.append(found)
        return found

    monkeypatch.setattr(_library, "_add_text", add_text)
    for text, members in TEXTS:
        journal.add("c", text, **members)  # type: ignore[arg-type]
    # It is there, and did them: but for the long one, which goes the other way.
    assert [found is not None for found in calls] == ([True, True, True, False] if is_quick else [False] * len(TEXTS))
    found = [(memory.content, memory.role, memory.mime_type, memory.idempotency_key) for memory in journal.memories("c")]
    assert found == [
        (text, members.get("role"), members.get("mime_type"), members.get("idempotency_key")) for text, members in TEXTS
    ]
    assert journal.add("c", "all", role="user", mime_type="text/plain", idempotency_key="k").is_replayed
    assert code(lambda: journal.add("c", "another", idempotency_key="k")) == "key_conflict"
    assert code(lambda: journal.add("c", "lone \ud800")) == "invalid_argument"
    assert code(lambda: journal.add("c", "x", role=1)) == "invalid_argument"  # type: ignore[arg-type]
    assert code(lambda: journal.add(None, "x")) == "invalid_argument"  # type: ignore[arg-type]
    assert journal.count("c") == len(TEXTS)


def code(work: Callable[[], object]) -> str:
    with pytest.raises(JournalError) as caught:
        work()
    return caught.value.code


@pytest.mark.parametrize("content", CONTENTS, ids=repr)
def test_a_content_comes_back_exactly(journal: Journal, content: Any) -> None:
    receipt = journal.add("c", content)
    journal.close()
    (memory,) = journal.memories("c")
    assert (memory.content, type(memory.content)) == (content, type(content))
    assert (memory.sequence, memory.recorded) == (receipt.sequence, receipt.recorded)
    assert memory.recorded.tzinfo == timezone.utc


def test_all_that_a_memory_has_comes_back(journal: Journal) -> None:
    moment = datetime(2026, 3, 1, 12, 30, 0, 123456, timezone(timedelta(hours=2)))
    journal.add(
        "support/é",
        "likes pizza",
        role="user",
        metadata={"topic": "food", "n": [1, None]},
        mime_type="text/markdown",
        idempotency_key="k1",
        timestamp=moment,
    )
    (memory,) = journal.memories("support/é")
    assert (memory.conversation, memory.role, memory.mime_type) == ("support/é", "user", "text/markdown")
    assert (memory.metadata, memory.idempotency_key) == ({"topic": "food", "n": [1, None]}, "k1")
    assert memory.timestamp == moment
    (bare,) = (journal.add("bare", "x"), journal.memories("bare"))[1]
    assert (bare.role, bare.mime_type, bare.metadata, bare.idempotency_key) == (None, None, {}, None)
    assert bare.timestamp == bare.recorded


def test_a_key_makes_a_retry_add_nothing(journal: Journal) -> None:
    first = journal.add("c", "once", idempotency_key="k")
    again = journal.add("c", "once", idempotency_key="k")
    assert (first.is_replayed, again.is_replayed) == (False, True)
    assert (again.sequence, again.recorded) == (first.sequence, first.recorded)
    with pytest.raises(KeyConflictError):
        journal.add("c", "another", idempotency_key="k")
    assert journal.count("c") == 1


def test_a_retried_request_finds_its_first_answer(journal: Journal, tmp_path: Path) -> None:
    assert journal.memory_for_key("c", "answer") is None
    receipt = journal.add("c", "24 degrees", role="assistant", metadata={"n": 1}, idempotency_key="answer")
    journal.close()
    found = journal.memory_for_key("c", "answer")
    assert found is not None and found.memory is not None
    assert found.memory == journal.memories("c")[0] and found.memory.content == "24 degrees"
    assert (found.receipt.sequence, found.receipt.recorded) == (receipt.sequence, receipt.recorded)
    assert found.receipt.is_replayed and not found.receipt.is_erased
    assert journal.memory_for_key("other", "answer") is None and journal.memory_for_key("c", "Answer") is None
    journal.forget(receipt.sequence)
    gone = journal.memory_for_key("c", "answer")
    assert gone is not None and gone.memory is None and gone.receipt == found.receipt
    command = [sys.executable, "-m", "agent_journal", "compact", str(tmp_path / "memory"), "--erase"]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    erased = journal.memory_for_key("c", "answer")
    assert erased is not None and erased.memory is None and erased.receipt.is_erased
    assert Journal(journal.path, read_only=True).memory_for_key("c", "answer") == erased
    for key in ("a\0b", "\ud800", 17):
        with pytest.raises(JournalError):
            journal.memory_for_key("c", key)  # type: ignore[arg-type]


def test_a_key_of_an_erased_memory_is_known(journal: Journal, tmp_path: Path) -> None:
    first = journal.add("c", "a canary", idempotency_key="k")
    journal.add("c", "stays")
    journal.forget(first.sequence)
    command = [sys.executable, "-m", "agent_journal", "compact", str(tmp_path / "memory"), "--erase", "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert [event["sequence"] for event in report["erasure"]["events"]] == [first.sequence]
    again = journal.add("c", "a canary", idempotency_key="k")
    assert (again.sequence, again.is_replayed, again.is_erased) == (first.sequence, True, True)
    kinds = [event.kind for event in journal.follow(timeout=0.1)]
    assert kinds == ["erased", "added", "forgotten", "erasure_begun", "erasure_done"]


def test_a_batch_is_there_as_a_whole_or_not(journal: Journal) -> None:
    receipts = journal.add_all([NewMemory("a"), NewMemory("b", conversation="other")], conversation="c")
    assert [receipt.sequence for receipt in receipts] == [1, 2]
    assert journal.add_all([]) == []
    assert code(lambda: journal.add_all([NewMemory("a")])) == "invalid_argument"
    assert code(lambda: journal.add_all(["a"], "c")) == "invalid_argument"  # type: ignore[list-item]
    too_long = NewMemory("x", conversation="n" * 100_000)
    assert code(lambda: journal.add_all([NewMemory("a", conversation="c"), too_long])) == "invalid_argument"
    assert (journal.count("c"), journal.count("other"), journal.count()) == (1, 1, 2)
    assert journal.conversations() == ["c", "other"]
    assert journal.conversations("o") == ["other"]


def test_pages_and_points_in_the_past(journal: Journal) -> None:
    for number in range(10):
        journal.add("c", number)
    label = journal.flush("before")
    moment = journal.memories("c")[-1].recorded
    assert journal.forget(1, 2) == 2
    assert journal.forget() == 0

    def contents(**how: Any) -> list[Any]:
        return [memory.content for memory in journal.memories("c", **how)]

    assert contents(last=3) == [7, 8, 9]
    assert contents(last=3, before=8) == [4, 5, 6]
    assert contents(last=0) == contents(before=0) == contents(before=3) == []
    assert contents(last=10**30) == list(range(2, 10))
    assert contents(at="before") == contents(at=label) == contents(at=moment) == list(range(10))
    assert contents(at=3, last=2) == [1, 2]
    journal.clear("c")
    assert contents() == []
    assert contents(at="before", last=1) == [9]
    assert code(lambda: journal.memories("c", at="never")) == "no_such_point"
    assert code(lambda: journal.memories("c", at=10**6)) == "no_such_point"
    assert code(lambda: journal.forget(1)) == "no_such_memory"


def test_what_a_journal_could_not_give_back_is_refused(journal: Journal) -> None:
    endless: list[Any] = []
    endless.append(endless)
    refused: list[Callable[[], object]] = [
        lambda: journal.add("c", None),  # type: ignore[arg-type]
        lambda: journal.add("c", (1, 2)),  # type: ignore[arg-type]
        lambda: journal.add("c", {"a": float("nan")}),
        lambda: journal.add("c", {1: "a"}),  # type: ignore[dict-item]
        lambda: journal.add("c", {"a": [b"x"]}),  # type: ignore[list-item]
        lambda: journal.add("c", endless),
        lambda: journal.add("c", "lone \ud800"),
        lambda: journal.add("\ud800", "x"),
        lambda: journal.add("", "x"),
        lambda: journal.add("nul\0", "x"),
        lambda: journal.add(b"c", "x"),  # type: ignore[arg-type]
        lambda: journal.add("c", "x", role=1),  # type: ignore[arg-type]
        lambda: journal.add("c", "x", idempotency_key=""),
        lambda: journal.add("c", "x", timestamp=datetime(2026, 1, 1)),
        lambda: journal.add("c", "x", timestamp=datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))),
        lambda: journal.add("c", "x", metadata={"a": {2}}),
        lambda: journal.memories("c", last=-1),
        lambda: journal.memories("c", before=-1),
        lambda: journal.memories("c", at=1.5),  # type: ignore[arg-type]
        lambda: journal.memories("c", at=True),
        lambda: journal.memories("c\0"),
        lambda: journal.clear("c\0d"),
        lambda: journal.flush("l" * 100_000),
        lambda: journal.forget(-1),
        lambda: Journal(""),
        lambda: Journal("a\0b").open(),
    ]
    assert [number for number, work in enumerate(refused) if code(work) != "invalid_argument"] == []
    assert journal.count() == 0


def test_what_is_too_large_or_too_deep_is_refused(journal: Journal) -> None:
    assert code(lambda: journal.add("c", "x" * (20 << 20))) == "too_large"
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    assert code(lambda: journal.add("c", deep)) == "invalid_argument"
    assert journal.count() == 0
    journal.add("c", "x" * (1 << 20))
    assert journal.memories("c")[0].content == "x" * (1 << 20)


def test_it_is_lazy_and_opens_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "memory")
    assert not journal.is_open and not (tmp_path / "memory").exists()
    with journal:
        assert journal.is_open
        journal.add("c", "x")
    assert not journal.is_open
    journal.close()
    assert journal.count() == 1 and journal.is_open


def test_without_create_a_missing_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoJournalError) as caught:
        Journal(tmp_path / "missing" / "memory", create=False).open()
    assert str(tmp_path / "missing" / "memory") in str(caught.value)
    assert caught.value.code == "no_journal"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(JournalError):
        Journal(tmp_path / "file").open()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    assert code(lambda: Journal(tmp_path / "foreign").open()) == "not_a_journal"


def test_one_for_reading_alone_writes_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.add("c", "x")
    with Journal(journal.path, read_only=True) as reader:
        assert reader.memories("c")[0].content == "x"
        with pytest.raises(NotWrittenError, match="for reading only"):
            reader.add("c", "y")
        journal.add("c", "z")
        assert reader.count("c") == 2
    with pytest.raises(NoJournalError):
        Journal(tmp_path / "none", read_only=True).open()


def test_damage_is_told_and_nothing_is_changed(journal: Journal) -> None:
    for number in range(50):
        journal.add("c", f"memory {number}")
    journal.close()
    (segment,) = (journal.path / "log").iterdir()
    data = bytearray(segment.read_bytes())
    data[2000] ^= 1
    segment.write_bytes(data)
    with pytest.raises(DamagedError) as caught:
        journal.open()
    assert caught.value.path is not None and segment.read_bytes() == data


def test_errors_can_be_sent_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(NotWrittenError("no room", code="disk_full", path="/a", errno=28)))
    assert type(error) is NotWrittenError
    assert (str(error), error.code, error.path, error.errno) == ("no room", "disk_full", "/a", 28)


def test_a_relative_path_is_resolved_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "agent_journal")
    monkeypatch.chdir(tmp_path)
    first, _ = Journal("some/memory"), Journal("some/memory")
    monkeypatch.chdir("/")
    assert first.path == tmp_path / "some" / "memory"
    first.add("c", "x")
    assert (tmp_path / "some" / "memory" / "journal.json").exists()
    told = [record.getMessage() for record in caplog.records if " relative path " in record.getMessage()]
    assert told == [f"journal: the relative path some/memory is {tmp_path}/some/memory"]


def test_at_open_one_line_says_what_memory_this_is(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent_journal")
    journal.add("c", "x")
    journal.close()
    journal.open()
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert lines[0].startswith("journal created ") and f"directory={journal.path}" in lines[0]
    assert lines[1].startswith("journal opened ") and "memories=1" in lines[1] and "created=20" in lines[1]
    assert len(lines) == 2


def test_recovery_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = "import os, sys, agent_journal; j = agent_journal.Journal(sys.argv[1]); j.add('c', 'x'); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "memory")])
    assert done.returncode == -signal.SIGKILL
    caplog.set_level(logging.INFO, "agent_journal")
    assert Journal(tmp_path / "memory").count() == 1
    assert any(record.getMessage().startswith("journal recovered") for record in caplog.records)


def test_a_process_that_ends_closes_its_journals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = "import sys, agent_journal; j = agent_journal.Journal(sys.argv[1]); j.add('c', 'x')"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "memory")], capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    caplog.set_level(logging.INFO, "agent_journal")
    Journal(tmp_path / "memory").open()
    assert any("closed=" in record.getMessage() for record in caplog.records)


def test_a_log_handler_that_writes_to_the_journal_waits_for_nobody(journal: Journal) -> None:
    class Remembering(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            journal.add("log", record.getMessage())

    logger = logging.getLogger("agent_journal")
    handler, level = Remembering(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        journal.add("c", "x")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert journal.count("log") >= 1


def test_many_threads_are_one_memory(journal: Journal) -> None:
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda number: journal.add("c", number), range(400)))
    assert sorted(receipt.sequence for receipt in receipts) == list(range(1, 401))
    assert sorted(memory.content for memory in journal.memories("c")) == list(range(400))  # type: ignore[type-var]


def test_closing_beside_calls_loses_and_refuses_nothing(journal: Journal) -> None:
    ended = threading.Event()

    def close_again_and_again() -> None:
        while not ended.is_set():
            journal.close()

    closer = threading.Thread(target=close_again_and_again)
    closer.start()
    try:
        for number in range(100):
            journal.add("c", number)
            assert journal.count("c") == number + 1
    finally:
        ended.set()
        closer.join()
    assert journal.count("c") == 100


def test_other_threads_run_while_one_waits(journal: Journal) -> None:
    journal.open()
    waited = threading.Thread(target=lambda: list(journal.follow(timeout=0.5)))
    waited.start()
    count = 0
    while waited.is_alive():
        count += 1
    assert count > 1000


def test_following(journal: Journal) -> None:
    journal.add("c", "x", role="user")
    journal.forget(1)
    journal.add("c", b"bytes")
    journal.clear("c")
    journal.flush("end")
    events = list(journal.follow(timeout=0))
    assert [event.kind for event in events] == ["added", "forgotten", "added", "cleared", "flushed"]
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
    assert events[0].memory is not None and (events[0].memory.content, events[0].memory.role) == ("x", "user")
    assert events[1].target == 1 and events[3].conversation == "c" and events[4].label == "end"
    assert [event.sequence for event in journal.follow(after=4, timeout=0)] == [5]
    assert code(lambda: journal.follow(timeout=-1)) == "invalid_argument"
    assert next(journal.follow(timeout=math.inf)).sequence == 1
    follower = journal.follow(after=5)
    threading.Timer(0.1, lambda: journal.add("c", "later")).start()
    arrived = next(follower)
    assert arrived.memory is not None and arrived.memory.content == "later"


def test_a_wait_for_events_can_be_interrupted(tmp_path: Path) -> None:
    program = "import sys, agent_journal\nfor event in agent_journal.Journal(sys.argv[1]).follow(): print(event, flush=True)"
    Journal(tmp_path / "memory").add("c", "x")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "memory")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and "added" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0 and "KeyboardInterrupt" in errors


def test_who_waits_too_long_for_a_stopped_process_is_told_who(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    program = "import sys, time, agent_journal\nj = agent_journal.Journal(sys.argv[1]).open()\nprint('open', flush=True)\n"
    other = subprocess.Popen(
        [sys.executable, "-c", program + "while True: j.add('c', 'x')", str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        journal = Journal(path, lock_timeout=0.3).open()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            os.kill(other.pid, signal.SIGSTOP)
            try:
                journal.add("c", "y")
            except (BusyError, OutcomeUnknownError) as error:  # It waited for the append, or for the sync.
                assert f"process {other.pid} " in str(error)
                return
            finally:
                os.kill(other.pid, signal.SIGCONT)
            time.sleep(0.01)
        pytest.fail("it was never stopped within an append")
    finally:
        other.kill()
        other.communicate()


def test_a_signal_handler_may_close_and_use_the_journal_that_is_being_opened(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_journal = _library.open_journal

    def handle(_signal: int, _frame: object) -> None:
        journal.add("c", "of the handler")
        journal.close()

    def interrupted(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(_library, "open_journal", open_journal)
        signal.raise_signal(signal.SIGUSR1)
        return open_journal(*arguments, **options)

    monkeypatch.setattr(_library, "open_journal", interrupted)
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        journal.add("c", "behind it")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [memory.content for memory in journal.memories("c")] == ["of the handler", "behind it"]
    journal.close()


def test_after_a_fork_parent_and_child_go_on(journal: Journal) -> None:
    journal.add("c", "before")
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                journal.add("c", f"child {number}")
                if journal.memories("c")[0].content == "before":
                    status = 0
            finally:
                os._exit(status)
        children.append(child)
        journal.add("c", f"parent {number}")
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    expected = ["before", *(f"{who} {number}" for who in ("child", "parent") for number in range(4))]
    assert sorted(str(memory.content) for memory in journal.memories("c")) == sorted(expected)
    journal.close()
    assert journal.count() == 9


def test_integers_of_any_length_that_others_added_are_read(journal: Journal, tmp_path: Path) -> None:
    values = [10**5000 + 7, -(10**4999), 3]
    lines = [f'{{"conversation":"c","content":{{"n":{digits(value)}}}}}\n' for value in values]
    (tmp_path / "lines.jsonl").write_text("".join(lines))
    command = [sys.executable, "-m", "agent_journal", "import", str(journal.path), str(tmp_path / "lines.jsonl")]
    subprocess.run(command, check=True, capture_output=True)
    assert [memory.content for memory in journal.memories("c")] == [{"n": value} for value in values]
    assert len(list(journal.follow(timeout=0))) == 3


def digits(value: int) -> str:
    """As `str`, which refuses so many."""
    sign, value = ("-" if value < 0 else ""), abs(value)
    parts = []
    while value >= 10**600:
        value, part = divmod(value, 10**600)
        parts.append(f"{part:0600}")
    return sign + "".join([str(value), *reversed(parts)])


def test_statistics(journal: Journal) -> None:
    journal.add_all([NewMemory(f"memory {number}") for number in range(100)], "c")
    found = journal.stats()
    assert (found["memories"], found["conversations"], found["events"]) == (100, 1, 100)
    assert found["disk_bytes"] > 0


def test_counting_a_conversation_is_not_misled_by_names_that_begin_alike(journal: Journal) -> None:
    for number, name in enumerate(["a", "a/b", "a!", "ab"], 1):
        journal.add_all([NewMemory(index) for index in range(number)], name)
    assert [journal.count(name) for name in ("a", "a/b", "a!", "ab")] == [1, 2, 3, 4]
    journal.clear("ab")
    assert (journal.count("ab"), journal.count("none"), journal.count()) == (0, 0, 6)
    subprocess.run([sys.executable, "-m", "agent_journal", "snapshot", str(journal.path)], check=True, capture_output=True)
    journal.close()
    journal.add("a", "after")
    assert (journal.count("a"), journal.count("a/b"), journal.count("ab")) == (2, 2, 0)
    journal.clear("a")
    journal.add("a", "anew")
    assert (journal.count("a"), journal.count()) == (1, 6)
