"""Halves of surrogate pairs, as `os.listdir` gives them for names that are not UTF-8, are kept as AutoGen keeps them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from autogen_core import FunctionCall
from autogen_core.memory import MemoryContent, MemoryMimeType
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from agent_journal import Journal
from agent_journal.autogen import JournalChatCompletionContext, JournalMemory

# With what the escapes themselves look like, and with a pair that is two halves.
TEXT = "a \\ \udcb2 \\udcb2 \ud83d\ude00 é 😀\n"
DIALOGUE: list[LLMMessage] = [
    SystemMessage(content=TEXT),
    UserMessage(content=TEXT, source="user\udcff"),
    AssistantMessage(content=[FunctionCall(id="1", name="names", arguments=TEXT)], source="a", thought=TEXT),
    FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content=TEXT, name="names", call_id="1", is_error=False)]
    ),
    AssistantMessage(content="no half: \\udcb2 \\\\", source="a"),
]


def test_dialogue(tmp_path: Path) -> None:
    async def run() -> None:
        for _ in range(2):
            context = JournalChatCompletionContext(str(tmp_path), "c", initial_messages=DIALOGUE[:1])
            if not await context.get_messages() == DIALOGUE:
                for message in DIALOGUE[1:]:
                    await context.add_message(message)
            assert await context.get_messages() == DIALOGUE
            state = await context.save_state()
            await context.load_state(state)
            assert await context.get_messages() == DIALOGUE
            await context.close()

    asyncio.run(run())
    with Journal(str(tmp_path)) as journal:
        assert len(journal.memories("c")) == len(DIALOGUE)
        assert journal.memories("c")[4].content == "no half: \\udcb2 \\\\"


def test_interrupted_call(tmp_path: Path) -> None:
    """The repair names the tool that was called, whatever its name holds."""

    async def run() -> None:
        for _ in range(2):
            context = JournalChatCompletionContext(str(tmp_path), "c")
            if not await context.get_messages():
                call = FunctionCall(id="1", name="n\udcb2", arguments="{}")
                await context.add_message(AssistantMessage(content=[call], source="a"))
            messages = await context.get_messages()
            assert len(messages) == 2 and isinstance(messages[1], FunctionExecutionResultMessage)
            assert messages[1].content[0].name == "n\udcb2"
            await context.close()

    asyncio.run(run())


def test_memory(tmp_path: Path) -> None:
    contents = [
        MemoryContent(content=TEXT, mime_type=MemoryMimeType.TEXT),
        MemoryContent(content={"a\udcff": [TEXT, 1, None]}, mime_type=MemoryMimeType.JSON, metadata={"k": TEXT}),
        MemoryContent(content="plain \\", mime_type=MemoryMimeType.TEXT, metadata={"k": "\\ud800"}),
    ]

    async def run() -> None:
        memory = JournalMemory(str(tmp_path), "c")
        for content in contents:
            await memory.add(content)
        assert (await memory.query("")).results == contents
        with pytest.raises(ValueError, match="the journal's own"):
            marked = {"agent_journal:escaped_surrogates": True}
            await memory.add(MemoryContent(content="x", mime_type=MemoryMimeType.TEXT, metadata=marked))
        await memory.close()

    asyncio.run(run())
