"""The same service as many have it, and how it forgets. Do not use it; `remembers.py` is the one that works.

    uvicorn forgets:app --workers 4
"""

import os

from autogen_agentchat.agents import AssistantAgent
from autogen_core.memory import ListMemory, MemoryContent
from autogen_ext.models.replay import ReplayChatCompletionClient
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
facts: dict[str, ListMemory] = {}  # Each worker has its own, and a restart empties it.


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
    """Returns at once; nothing is stored. A retry adds the fact a second time."""
    content = MemoryContent(content=fact.text, mime_type="text/plain")
    await facts.setdefault(user, ListMemory()).add(content)


@app.post("/users/{user}/questions")
async def answer(user: str, question: Question) -> Answer:
    """The agent is made for the request, and the dialogue with it: it never knows what was asked before."""
    model = ReplayChatCompletionClient(["I see."])
    agent = AssistantAgent("assistant", model, memory=[facts.setdefault(user, ListMemory())])
    result = await agent.run(task=question.text)
    seen = [str(message.content) for message in model.create_calls[-1]["messages"]]
    return Answer(text=result.messages[-1].to_text(), worker=os.getpid(), seen=seen)
