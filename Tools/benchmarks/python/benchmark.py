"""What an add and an opening cost in Python. Prints tables for docs/benchmarks.md.

Each round measures all, one after the other, so that they meet the same machine; a ratio is the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import logging
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from agent_journal import AsyncJournal, Journal, NewMemory
from agent_journal.autogen import JournalMemory
from autogen_core.memory import MemoryContent, MemoryMimeType

ROOT = Path(__file__).resolve().parents[3]
TASKS = 64
MEMORIES = 1_000_000
CONVERSATIONS = 500
OPENING = """
import asyncio, logging, sys, time
from agent_journal.autogen import JournalMemory
logging.disable()

async def main():
    began = time.perf_counter()
    memory = JournalMemory(sys.argv[1], sys.argv[2], limit=20, create=False)
    results = (await memory.query()).results
    seconds = time.perf_counter() - began
    assert len(results) == 20
    print(seconds)

asyncio.run(main())
"""


class Messages:
    """The messages of Taskmaster-4, about 70 bytes each."""

    def __init__(self, data: Path) -> None:
        with gzip.open(data / "taskmaster4" / "messages.jsonl.gz", "rt", encoding="utf-8") as lines:
            contents = (json.loads(line)["content"] for line in lines)
            self.all = [text for text in contents if text]

    def some(self, count: int, seed: int = 0) -> list[str]:
        start = seed * 997
        return [self.all[(start + number) % len(self.all)] for number in range(count)]

    def longer(self) -> Iterator[str]:
        """Messages of about 180 bytes, each of others put together."""
        parts: list[str] = []
        for number in itertools.count():
            parts.append(self.all[number * 7919 % len(self.all)])
            if sum(map(len, parts)) >= 150:
                yield " ".join(parts)
                parts = []


def content(text: str) -> MemoryContent:
    return MemoryContent(content=text, mime_type=MemoryMimeType.TEXT)


def journal_one(directory: Path, source: Messages, count: int) -> float:
    async def measure() -> float:
        memory = JournalMemory(directory / "one", "conversation")
        await memory.query()
        messages = [content(text) for text in source.some(count)]
        began = time.perf_counter()
        for message in messages:
            await memory.add(message)
        seconds = time.perf_counter() - began
        await memory.close()
        return count / seconds

    return asyncio.run(measure())


def journal_blocking(directory: Path, source: Messages, count: int) -> float:
    messages = source.some(count)
    with Journal(directory / "blocking") as journal:
        began = time.perf_counter()
        for message in messages:
            journal.add("conversation", message)
        return count / (time.perf_counter() - began)


def journal_tasks(directory: Path, source: Messages, count: int) -> float:
    async def measure() -> float:
        journal = await AsyncJournal(directory / "tasks").open()
        memories = [JournalMemory(journal, f"conversation {number}") for number in range(TASKS)]
        each = [[content(text) for text in source.some(count // TASKS, n)] for n in range(TASKS)]

        async def add(memory: JournalMemory, messages: list[MemoryContent]) -> None:
            for message in messages:
                await memory.add(message)

        began = time.perf_counter()
        await asyncio.gather(*map(add, memories, each))
        seconds = time.perf_counter() - began
        await journal.close()
        return count // TASKS * TASKS / seconds

    return asyncio.run(measure())


def sqlite(directory: Path, source: Messages, count: int) -> float:
    database = sqlite3.connect(directory / "sqlite.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS memories "
        "(id INTEGER PRIMARY KEY, conversation TEXT, mime_type TEXT, content TEXT, recorded TEXT)"
    )
    database.execute("CREATE INDEX IF NOT EXISTS of_conversation ON memories(conversation)")
    messages = source.some(count)
    began = time.perf_counter()
    for message in messages:
        database.execute(
            "INSERT INTO memories(conversation, mime_type, content, recorded) VALUES (?, ?, ?, ?)",
            ("conversation", "text/plain", message, "2026-01-01T00:00:00.000000Z"),
        )
    seconds = time.perf_counter() - began
    database.close()
    return count / seconds


def embed(_: str = "") -> Callable[[list[str]], list[list[float]]]:
    """An embedding that costs nothing."""
    from chromadb.api.types import EmbeddingFunction

    class Trivial(EmbeddingFunction):  # type: ignore[type-arg,misc]
        def __init__(self) -> None:
            pass

        def __call__(self, input: list[str]) -> list[list[float]]:
            return [[float(len(text) % 7), 1.0, 2.0] for text in input]

    return Trivial()


def chroma(directory: Path, source: Messages, count: int) -> float:
    from autogen_ext.memory.chromadb import (
        ChromaDBVectorMemory,
        CustomEmbeddingFunctionConfig,
        PersistentChromaDBVectorMemoryConfig,
    )

    async def measure() -> float:
        memory = ChromaDBVectorMemory(
            PersistentChromaDBVectorMemoryConfig(
                persistence_path=str(directory / "chroma"),
                embedding_function_config=CustomEmbeddingFunctionConfig(function=embed),
            )
        )
        messages = [content(text) for text in source.some(count)]
        await memory.add(messages[0])
        began = time.perf_counter()
        for message in messages:
            await memory.add(message)
        seconds = time.perf_counter() - began
        await memory.close()
        return count / seconds

    return asyncio.run(measure())


def make_large(directory: Path, source: Messages) -> None:
    """A journal whose last snapshot is of all."""
    texts = source.longer()
    with Journal(directory / "large") as journal:
        for start in range(0, MEMORIES, 1000):
            batch = [
                NewMemory(next(texts), conversation=f"conversation {(start + number) % CONVERSATIONS}") for number in range(1000)
            ]
            journal.add_all(batch)
    subprocess.run(
        [sys.executable, "-m", "agent_journal", "snapshot", str(directory / "large")], check=True, stdout=subprocess.DEVNULL
    )


def opening(directory: Path, round: int) -> float:
    """Milliseconds, in a process of its own, after the imports."""
    command = [sys.executable, "-c", OPENING, str(directory / "large"), f"conversation {round * 37 % CONVERSATIONS}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path.cwd())
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the directory of the data sets")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    logging.disable()
    source = Messages(arguments.data)
    directory = Path(tempfile.mkdtemp(prefix="benchmark-", dir=arguments.directory))
    measured: dict[str, list[float]] = {}
    workloads: list[tuple[str, Callable[[], float]]] = [
        ("JournalMemory, one task", lambda: journal_one(directory, source, 3000)),
        ("sqlite3, WAL, FULL", lambda: sqlite(directory, source, 3000)),
        (f"JournalMemory, {TASKS} tasks", lambda: journal_tasks(directory, source, 30_000)),
        ("ChromaDBVectorMemory", lambda: chroma(directory, source, 200)),
        ("Journal.add, blocking", lambda: journal_blocking(directory, source, 3000)),
    ]
    try:
        for _ in range(arguments.rounds):
            for name, work in workloads:
                measured.setdefault(name, []).append(work())
        make_large(directory, source)
        openings = [opening(directory, round) for round in range(2 * arguments.rounds + 1)]
    finally:
        shutil.rmtree(directory)
    report(measured, openings)


def report(measured: dict[str, list[float]], openings: list[float]) -> None:
    median = {name: statistics.median(values) for name, values in measured.items()}
    print(f"Measured on {os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.\n")
    print("| | median | min to max | unit |\n|---|---|---|---|")
    for name, values in measured.items():
        print(f"| {name} | {median[name]:,.0f} | {min(values):,.0f} to {max(values):,.0f} | adds/s |")
    print(
        f"| open {MEMORIES:,} memories and query the last 20 of one of {CONVERSATIONS} conversations "
        f"| {statistics.median(openings):.1f} | {min(openings):.1f} to {max(openings):.1f} | ms |"
    )

    def ratio(name: str, peer: str) -> float:
        return statistics.median(own / other for own, other in zip(measured[name], measured[peer]))

    figures = [
        ("one task, of sqlite3", ratio("JournalMemory, one task", "sqlite3, WAL, FULL"), 1.0),
        ("one task, of ChromaDBVectorMemory", ratio("JournalMemory, one task", "ChromaDBVectorMemory"), 10.0),
        (f"{TASKS} tasks, of sqlite3", ratio(f"JournalMemory, {TASKS} tasks", "sqlite3, WAL, FULL"), 6.0),
    ]
    print("\n| figure | measured | target | |\n|---|---|---|---|")
    for name, value, target in figures:
        print(f"| {name} | {value:.2f} | at least {target:.1f} | {'met' if value >= target else '**missed**'} |")
    opened = statistics.median(openings)
    print(f"| open and query | {opened:.1f} ms | at most 20 ms | {'met' if opened <= 20 else '**missed**'} |")


if __name__ == "__main__":
    main()
