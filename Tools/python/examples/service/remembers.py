"""A chat service whose agents remember: any number of workers, restarts and retries, one memory.

    export MEMORY=/var/lib/agent/memory
    python -m agent_journal import "$MEMORY" /dev/null     # once: makes an empty journal
    uvicorn remembers:app --workers 4
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from autogen_agentchat.agents import AssistantAgent
from autogen_core.memory import MemoryContent
from autogen_ext.models.replay import ReplayChatCompletionClient
from fastapi import FastAPI
from pydantic import BaseModel

from agent_journal import AsyncJournal
from agent_journal.autogen import JournalChatCompletionContext, JournalMemory

# A journal that is not there is an error: the volume is not mounted.
journal = AsyncJournal(os.environ["MEMORY"], create=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the journal at the start of each worker, so that a service without its memory does not start."""
    async with journal:
        yield


app = FastAPI(lifespan=lifespan)


class Fact(BaseModel):
    id: str
    text: str


class Question(BaseModel):
    text: str


class Answer(BaseModel):
    text: str
    worker: int
    seen: list[str]
    """What the model was given."""


@app.post("/users/{user}/facts", status_code=204)
async def remember(user: str, fact: Fact) -> None:
    """Returns when the fact is on stable storage. The id makes a retry, also of another worker, add nothing."""
    metadata = {"idempotency_key": fact.id}
    await JournalMemory(journal, f"{user}/facts").add(
        MemoryContent(content=fact.text, mime_type="text/plain", metadata=metadata)
    )


@app.post("/users/{user}/questions")
async def answer(user: str, question: Question) -> Answer:
    """The agent is made for the request; what it knows is not."""
    model = ReplayChatCompletionClient(["I see."])  # Yours here. This one answers without a network.
    agent = AssistantAgent(
        "assistant",
        model,
        memory=[JournalMemory(journal, f"{user}/facts")],
        model_context=JournalChatCompletionContext(journal, f"{user}/dialogue"),
    )
    result = await agent.run(task=question.text)
    seen = [str(message.content) for message in model.create_calls[-1]["messages"]]
    return Answer(text=result.messages[-1].to_text(), worker=os.getpid(), seen=seen)
