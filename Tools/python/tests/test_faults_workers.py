"""Four gunicorn workers, made with and without --preload, and killed: nothing acknowledged is missing."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_faults_support import Server, gunicorn

from agent_journal import Journal

REQUESTS = int(os.environ.get("AGENT_JOURNAL_TEST_REQUESTS", "1000"))
KILL_EVERY = 50
TRANSCRIPT = os.environ.get("AGENT_JOURNAL_TEST_TRANSCRIPT")
RETRY_SECONDS = 60

preloading = pytest.mark.parametrize("arguments", [[], ["--preload"]], ids=["no-preload", "preload"])


def post(server: Server, number: int) -> str:
    reply = server.request("POST", f"/facts/{number}", f"fact {number}")
    assert (reply.status, reply.text) == (200, "remembered\n"), server.log()
    return reply.headers["X-Worker"]


@preloading
def test_four_workers_answering_in_turn_are_one_memory(tmp_path: Path, arguments: list[str]) -> None:
    workers: set[str] = set()
    with gunicorn("workers:app", tmp_path / "memory", tmp_path / "log", *arguments) as server:
        with ThreadPoolExecutor(4) as pool:
            for first in range(0, 400, 4):
                workers |= set(pool.map(lambda number: post(server, number), range(first, first + 4)))
                reply = server.request("GET", "/facts")
                workers.add(reply.headers["X-Worker"])
                assert sorted(reply.text.split("\n")[:-1]) == sorted(f"fact {n}" for n in range(first + 4))
                if len(workers) == 4:
                    break
    assert len(workers) == 4, "not every worker has answered"


@preloading
def test_workers_killed_between_requests_forget_nothing(tmp_path: Path, arguments: list[str]) -> None:
    with gunicorn("workers:app", tmp_path / "memory", tmp_path / "log", *arguments) as server:
        for number in range(8):
            os.kill(int(post_again(server, number)), signal.SIGKILL)
        while True:
            try:
                text = server.request("GET", "/facts").text
                break
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
    assert text == "".join(f"fact {number}\n" for number in range(8))


def post_again(server: Server, number: int) -> str:
    """Asks until it is answered, as a client does whose worker dies."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return post(server, number)
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.02)


class Client:
    """Four threads of requests; every so many answers, the worker that answered last is killed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.acknowledged: list[int] = []
        self.killed: list[str] = []
        self.workers: set[str] = set()
        self.missing: list[str] = []
        self.lines: list[str] = []
        self._lock = threading.Lock()

    def run(self, number: int) -> None:
        worker = post_again(self.server, number)
        with self._lock:
            self.acknowledged.append(number)
            self.workers.add(worker)
            count = len(self.acknowledged)
            if count % KILL_EVERY == 0:
                self._kill(worker, count)
            before = list(self.acknowledged)
        if number % 10 == 0:
            self._check(before)

    def _kill(self, worker: str, count: int) -> None:
        try:
            os.kill(int(worker), signal.SIGKILL)
        except ProcessLookupError:
            self.lines.append(f"{count} acknowledged; worker {worker} had ended")
            return
        self.killed.append(worker)
        self.lines.append(f"{count} acknowledged; worker {worker} killed")

    def _check(self, before: list[int]) -> None:
        """Whatever was acknowledged before is in what any worker reads."""
        try:
            found = set(self.server.request("GET", "/facts").text.split("\n"))
        except (OSError, http.client.HTTPException):
            return  # The worker was killed over it; the next one is asked.
        self.missing += [f"fact {number}" for number in before if f"fact {number}" not in found]


@preloading
def test_a_thousand_requests_with_a_worker_killed_every_fifty(tmp_path: Path, arguments: list[str]) -> None:
    began = time.monotonic()
    with gunicorn("workers:app", tmp_path / "memory", tmp_path / "log", *arguments) as server:
        client = Client(server)
        with ThreadPoolExecutor(4) as pool:
            assert len(list(pool.map(client.run, range(REQUESTS)))) == REQUESTS
        assert client.missing == []
    with Journal(tmp_path / "memory", create=False) as journal:
        stored = [str(memory.content) for memory in journal.memories("facts")]
    client.lines.append(
        f"{len(client.acknowledged)} acknowledged by {len(client.workers)} workers of which {len(client.killed)} were "
        f"killed ({' '.join(arguments) or 'no --preload'}): {len(set(stored))} there, {len(stored)} in all, "
        f"{time.monotonic() - began:.1f} s"
    )
    if TRANSCRIPT:
        with open(TRANSCRIPT, "a", encoding="utf-8") as transcript:
            transcript.write("\n".join(client.lines) + "\n")
    assert len(client.killed) >= REQUESTS // KILL_EVERY - 2
    assert sorted(stored) == sorted(f"fact {number}" for number in range(REQUESTS)), "each once, none missing"
