"""An agent whose process is killed: at once after a memory, within a tool call, in the middle of a dialogue."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage, ModelFamily, ModelInfo
from autogen_ext.models.replay import ReplayChatCompletionClient

from agent_journal import Journal
from agent_journal.autogen import JournalChatCompletionContext, JournalMemory

AGENT = """
import asyncio, os, signal, sys
from autogen_agentchat.agents import AssistantAgent
from autogen_core import FunctionCall
from autogen_core.memory import MemoryContent
from autogen_core.models import CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient
from agent_journal.autogen import JournalChatCompletionContext, JournalMemory

path, step = sys.argv[1:]
model = ModelInfo(
    vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
)
memory = JournalMemory(path, "facts")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def book(train: str) -> str:
    "Books a train."
    die()
    return "booked"

async def main():
    if step == "memory":
        await memory.add(MemoryContent(content="prefers the window", mime_type="text/plain"))
        die()
    call = FunctionCall(id="call-1", name="book", arguments='{"train": "IC 1"}')
    usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
    reply = CreateResult(finish_reason="function_calls", content=[call], usage=usage, cached=False)
    client = ReplayChatCompletionClient([reply] if step == "tool" else ["Where to?", "When?"], model_info=model)
    context = JournalChatCompletionContext(path, "dialogue")
    agent = AssistantAgent("assistant", client, tools=[book], memory=[memory], model_context=context)
    await agent.run(task="book me a train" if step == "dialogue" else "the IC 1")
    die()

asyncio.run(main())
"""


def killed_at(step: str, path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", AGENT, str(path), step], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


def given_to_the_model(path: Path, task: str) -> list[LLMMessage]:
    """What a new agent's model is given, without the agent's own system message."""
    model = ModelInfo(
        vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
    )
    client = ReplayChatCompletionClient(["I see."], model_info=model)

    async def run() -> None:
        context = JournalChatCompletionContext(path, "dialogue")
        memory = JournalMemory(path, "facts")
        await AssistantAgent("assistant", client, memory=[memory], model_context=context).run(task=task)
        await context.close()
        await memory.close()

    asyncio.run(run())
    return list(client.create_calls[0]["messages"][1:])


def test_killed_three_times_the_agent_has_everything_back(tmp_path: Path) -> None:
    killed_at("memory", tmp_path)
    killed_at("dialogue", tmp_path)
    killed_at("tool", tmp_path)
    given = given_to_the_model(tmp_path, "are you there?")
    assert [message.type for message in given] == [
        "UserMessage",
        "AssistantMessage",
        "UserMessage",
        "AssistantMessage",
        "FunctionExecutionResultMessage",
        "UserMessage",
        "SystemMessage",
    ]
    assert [given[index].content for index in (0, 1, 2, 5)] == [
        "book me a train",
        "Where to?",
        "the IC 1",
        "are you there?",
    ]
    repair = given[4]
    assert isinstance(repair, FunctionExecutionResultMessage)
    assert (repair.content[0].call_id, repair.content[0].name, repair.content[0].is_error) == ("call-1", "book", True)
    assert "1. prefers the window\n" in str(given[6].content)
    with Journal(tmp_path, create=False) as journal:
        assert journal.count("dialogue") == 7
        assert journal.count("facts") == 1
