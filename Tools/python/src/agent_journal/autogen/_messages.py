"""The messages of a dialogue as memories of a journal, and back.

| message | role | content | metadata |
|---|---|---|---|
| `UserMessage` | user | text, or JSON: a list of strings and images `{"data": <PNG in base64>}` | source |
| `AssistantMessage` | assistant | text, or JSON: a list of calls `{"id", "name", "arguments"}` | source, thought |
| `FunctionExecutionResultMessage` | tool | JSON: a list of results `{"call_id", "name", "content", "is_error"}` | |
| `SystemMessage` | system | text | |

Lines of other programs are understood as well, once they are imported: a content that is text with one of these roles,
`tool_calls` of an assistant and `tool_call_id` of a tool's answer, in the form that chat completion services use.

Text with halves of surrogate pairs, which tools give for file names that are not UTF-8, is escaped: see `_surrogates`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from agent_journal import Memory, NewMemory

from . import _surrogates


def to_new_memory(message: LLMMessage, conversation: str) -> NewMemory:
    """The memory to add for a message."""
    if isinstance(message, UserMessage):
        content: Any = message.content if isinstance(message.content, str) else [_part(part) for part in message.content]
        return _new("user", content, {"source": message.source}, conversation)
    if isinstance(message, AssistantMessage):
        metadata = {"source": message.source}
        if message.thought is not None:
            metadata["thought"] = message.thought
        calls = message.content if isinstance(message.content, str) else [dataclasses.asdict(c) for c in message.content]
        return _new("assistant", calls, metadata, conversation)
    if isinstance(message, FunctionExecutionResultMessage):
        return _new("tool", [result.model_dump(mode="json") for result in message.content], {}, conversation)
    return _new("system", message.content, {}, conversation)


def to_message(memory: Memory) -> LLMMessage:
    """The message that a memory is. Raises ValueError for a memory that is none."""
    try:
        message = _message(memory)
    except (KeyError, OSError, TypeError, ValueError) as error:  # OSError: of an image
        raise ValueError(
            f"memory {memory.sequence} of conversation {memory.conversation} is no chat message ({error}); "
            "give the dialogue a conversation of its own"
        ) from error
    return message


def _message(memory: Memory) -> LLMMessage:
    content: Any
    metadata: Any
    content, metadata = _surrogates.unescaped(memory.content, memory.metadata)
    source = str(metadata.get("source", memory.role))
    if isinstance(content, bytes):
        raise ValueError("its content is bytes")
    if memory.role == "user":
        return UserMessage.model_validate({"content": content, "source": source})
    if memory.role == "assistant":
        thought = metadata.get("thought")
        if metadata.get("tool_calls"):
            calls: Any = [_service_call(call) for call in metadata["tool_calls"]]
            return AssistantMessage(content=calls, source=source, thought=thought or content or None)
        if not isinstance(content, str):
            content = [FunctionCall(id=c["id"], name=c["name"], arguments=c["arguments"]) for c in content]
        return AssistantMessage(content=content, source=source, thought=thought)
    if memory.role == "tool":
        if isinstance(content, str):
            name = str(metadata.get("name") or "")
            results = [FunctionExecutionResult(content=content, name=name, call_id=metadata["tool_call_id"])]
        else:
            results = [FunctionExecutionResult.model_validate(result) for result in content]
        return FunctionExecutionResultMessage(content=results)
    if memory.role in ("system", "developer"):
        return SystemMessage(content=content)
    raise ValueError(f"its role is {memory.role}")


def _new(role: str, content: Any, metadata: dict[str, Any], conversation: str) -> NewMemory:
    if escaped := _surrogates.escaped(content, metadata):
        content, metadata = escaped
    return NewMemory(content=content, role=role, metadata=metadata, conversation=conversation)


def _part(part: str | Image) -> Any:
    return part if isinstance(part, str) else {"data": part.to_base64()}


def _service_call(call: Any) -> FunctionCall:
    return FunctionCall(id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
