"""Moving over from ListMemory, each with one command."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from autogen_core import Image
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from PIL import Image as PILImage

from agent_journal import Journal
from agent_journal.autogen import JournalMemory, import_list_memory

CONVERSATION = "support/user-42"
CONTENTS = [
    MemoryContent(content="likes pizza", mime_type=MemoryMimeType.TEXT, metadata={"topic": "food"}),
    MemoryContent(content={"unit": "metric"}, mime_type=MemoryMimeType.JSON),
    MemoryContent(content="likes pizza", mime_type=MemoryMimeType.TEXT, metadata={"idempotency_key": "order-17"}),
    MemoryContent(content="# Notes", mime_type=MemoryMimeType.MARKDOWN),
]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent_journal.autogen", *arguments], capture_output=True, text=True, timeout=60
    )


def contents(path: Path) -> list[MemoryContent]:
    return asyncio.run(JournalMemory(path, CONVERSATION).query()).results


def test_the_dumped_component_is_moved_over_by_one_command_and_once(tmp_path: Path) -> None:
    dumped = tmp_path / "memory.json"
    dumped.write_text(ListMemory(memory_contents=CONTENTS).dump_component().model_dump_json())
    for new in (4, 0):
        done = command(str(tmp_path / "journal"), CONVERSATION, str(dumped))
        assert (done.returncode, done.stdout) == (0, f"{new} memories added to {CONVERSATION}\n"), done.stderr
    assert contents(tmp_path / "journal") == CONTENTS


def test_images_and_bytes_are_moved_over(tmp_path: Path) -> None:
    picture = Image.from_pil(PILImage.new("RGB", (4, 3), (9, 8, 7)))
    memory = ListMemory(
        memory_contents=[
            MemoryContent(content=picture, mime_type=MemoryMimeType.IMAGE),
            MemoryContent(content=b"\xff\x00", mime_type=MemoryMimeType.BINARY),
        ]
    )
    with Journal(tmp_path) as journal:
        assert import_list_memory(journal, CONVERSATION, memory.dump_component()) == 2
    image, data = contents(tmp_path)
    assert isinstance(image.content, Image) and image.content.image.tobytes() == picture.image.tobytes()
    assert data.content == b"\xff\x00"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "error: "),
        (json.dumps({"provider": "autogen_core.memory.OtherMemory", "config": {}}), "OtherMemory"),
        (json.dumps({"config": {}}), "provider"),
    ],
)
def test_what_is_no_dumped_list_memory_is_refused(tmp_path: Path, text: str, told: str) -> None:
    dumped = tmp_path / "memory.json"
    dumped.write_text(text)
    done = command(str(tmp_path / "journal"), CONVERSATION, str(dumped))
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_64() -> None:
    assert command("only-a-directory").returncode == 64
    assert command("--help").returncode == 0


NO_LIST = '{"provider": "autogen_core.memory.ListMemory", "config": {"memory_contents": null}}'


@pytest.mark.parametrize("text", ["{", "[]", '{"provider": "other", "config": {}}', NO_LIST])
def test_what_is_no_dumped_list_memory_makes_no_journal(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory.json").write_text(text)
    command = [sys.executable, "-m", "agent_journal.autogen", str(tmp_path / "journal"), CONVERSATION, str(tmp_path / "memory.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("error: "), done.stderr
    assert not (tmp_path / "journal").exists()
