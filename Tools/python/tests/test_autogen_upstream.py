"""AutoGen's own tests, from its source distribution, with our classes in the place of its own.

The distribution is fetched for the test, and nothing of it is kept.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

VERSION = "0.7.5"

MEMORY = """
import tempfile
from agent_journal.autogen import JournalMemory

def ListMemory(name=None):
    return JournalMemory(tempfile.mkdtemp() + "/journal", name or "default")
"""
# Its module imports clients of services, for tests that are not selected.
CONTEXT = """
import sys, tempfile
from unittest.mock import MagicMock
for service in ("ollama", "openai"):
    sys.modules[f"autogen_ext.models.{service}"] = MagicMock()
from agent_journal.autogen import JournalChatCompletionContext

def UnboundedChatCompletionContext():
    return JournalChatCompletionContext(tempfile.mkdtemp() + "/journal", "dialogue")

def BufferedChatCompletionContext(buffer_size):
    return JournalChatCompletionContext(tempfile.mkdtemp() + "/journal", "dialogue", limit=buffer_size)
"""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of AutoGen's tests."""
    directory = tmp_path_factory.mktemp("autogen")
    fetch = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(directory), f"autogen-core=={VERSION}"]
    done = subprocess.run([sys.executable, "-m", "pip", *fetch], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"AutoGen's source distribution cannot be fetched here: {done.stderr[-300:]}")
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    (tests,) = directory.glob("*/tests")
    return tests


def passed(tests: Path, file: str, shim: str, names: list[str], select: str) -> int:
    """How many of AutoGen's tests pass, when all that are selected do."""
    text = (tests / file).read_text()
    for name in names:
        text, found = re.subn(rf"^    {name},\n", "", text, flags=re.MULTILINE)
        assert found == 1, f"{file} does not import {name} in the way that is expected"
    place = tests / f"{Path(file).stem}_with_journal.py"
    place.write_text(f"{shim}\n{text}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "asyncio", "-c", "/dev/null", "-W", "ignore", str(place), "-k", select]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tests)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
    assert counted, done.stdout
    return int(counted[1])


def test_the_tests_of_list_memory_pass_on_a_journal_memory(upstream: Path) -> None:
    assert passed(upstream, "test_memory.py", MEMORY, ["ListMemory"], "list_memory") == 6


def test_the_tests_of_model_contexts_pass_on_that_of_a_journal(upstream: Path) -> None:
    names = ["UnboundedChatCompletionContext", "BufferedChatCompletionContext"]
    select = "test_unbounded or test_buffered"
    assert passed(upstream, "test_model_context.py", CONTEXT, names, select) == 2
