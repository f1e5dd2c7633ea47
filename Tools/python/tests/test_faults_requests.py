"""Memory made for a request, restarts, retries: the examples' services, with a server and a real agent."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from test_faults_support import START_SECONDS, Server, gunicorn, uvicorn

from agent_journal import Journal

SERVERS = ["uvicorn", "gunicorn"]


def start(kind: str, app: str, tmp_path: Path) -> Server:
    if kind == "uvicorn":
        return uvicorn(app, tmp_path / "memory", tmp_path / "log", workers=4)
    return gunicorn(app, tmp_path / "memory", tmp_path / "log", "--worker-class", "asgi")


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A journal that is there, and empty."""
    path = tmp_path / "memory"
    with Journal(path) as journal:
        assert journal.count() == 0
    return path


def ask_all_workers(server: Server, text: str) -> dict[int, list[str]]:
    """What the model was given in each of the four workers, some of which may only now be starting."""
    seen: dict[int, list[str]] = {}
    deadline = time.monotonic() + START_SECONDS
    while len(seen) < 4 and time.monotonic() < deadline:
        answer = server.ask("ann", text)
        seen[answer["worker"]] = answer["seen"]
    return seen


@pytest.mark.parametrize("kind", SERVERS)
def test_four_workers_are_one_memory_and_one_dialogue(kind: str, tmp_path: Path, memory: Path) -> None:
    with start(kind, "remembers:app", tmp_path) as server:
        server.tell("ann", "1", "likes pizza")
        server.ask("ann", "my number is 17")
        seen = ask_all_workers(server, "what did I say?")
    assert len(seen) == 4, "not every worker has answered"
    for given in seen.values():
        assert "my number is 17" in given
        assert "1. likes pizza\n" in given[-1]
    assert Journal(memory).count("ann/facts") == 1


@pytest.mark.parametrize("kind", SERVERS)
def test_after_a_restart_the_agent_knows_what_was_said_before(kind: str, tmp_path: Path, memory: Path) -> None:
    with start(kind, "remembers:app", tmp_path) as server:
        server.tell("ann", "1", "likes pizza")
        server.ask("ann", "my number is 17")
        server.ask("bob", "something else")
    with start(kind, "remembers:app", tmp_path) as server:
        given = server.ask("ann", "what is my number?")["seen"]
    assert given[1:] == [
        "my number is 17",
        "I see.",
        "what is my number?",
        "\nRelevant memory content (in chronological order):\n1. likes pizza\n",
    ]


def test_after_a_kill_of_all_the_agent_knows_what_was_said_before(tmp_path: Path, memory: Path) -> None:
    for number in range(2):
        with start("uvicorn", "remembers:app", tmp_path) as server:
            server.tell("ann", str(number), f"fact {number}")
            server.ask("ann", f"question {number}")
            server.stop(signal.SIGKILL)
    with start("uvicorn", "remembers:app", tmp_path) as server:
        given = server.ask("ann", "what did I ask?")["seen"]
    assert given[1:-1] == ["question 0", "I see.", "question 1", "I see.", "what did I ask?"]
    assert "1. fact 0\n2. fact 1\n" in given[-1]


def test_a_retried_request_adds_nothing(tmp_path: Path, memory: Path) -> None:
    with start("uvicorn", "remembers:app", tmp_path) as server:
        for _ in range(8):
            server.tell("ann", "order-17", "ordered a bicycle")
        given = server.ask("ann", "what did I order?")["seen"]
    with uvicorn("remembers:app", memory, tmp_path / "log", workers=1) as server:
        server.tell("ann", "order-17", "ordered a bicycle")
    assert given[-1].count("ordered a bicycle") == 1
    assert [stored.content for stored in Journal(memory).memories("ann/facts")] == ["ordered a bicycle"]


@pytest.mark.parametrize("kind", SERVERS)
def test_without_its_volume_the_service_does_not_start(kind: str, tmp_path: Path) -> None:
    server = start(kind, "remembers:app", tmp_path)
    try:
        server.wait_until_ended()  # The exit status is the server's affair: uvicorn's is 0.
    finally:
        server.stop()
    assert "NoJournalError" in server.log()
    assert str(tmp_path / "memory") in server.log()
    assert not (tmp_path / "memory").exists(), "no empty memory in its place"


def test_the_broken_service_forgets_in_each_of_these_ways(tmp_path: Path) -> None:
    """What the tests above ask is not so of itself."""
    with uvicorn("forgets:app", tmp_path / "memory", tmp_path / "log", workers=4) as server:
        server.tell("ann", "1", "likes pizza")
        seen = ask_all_workers(server, "what did I say?")
    assert len(seen) == 4
    knowing = [given for given in seen.values() if "likes pizza" in given[-1]]
    assert len(knowing) == 1, "only the worker that was told knows"
    with uvicorn("forgets:app", tmp_path / "memory", tmp_path / "log", workers=1) as server:
        server.tell("ann", "1", "likes pizza")
        server.tell("ann", "1", "likes pizza")
        server.ask("ann", "my number is 17")
        given = server.ask("ann", "what is my number?")["seen"]
        assert "my number is 17" not in given
        assert given[-1].count("likes pizza") == 2
    with uvicorn("forgets:app", tmp_path / "memory", tmp_path / "log", workers=1) as server:
        assert not any("pizza" in text for text in server.ask("ann", "what do I like?")["seen"])
