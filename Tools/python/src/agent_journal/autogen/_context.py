"""An AutoGen model context that outlives the process: the dialogue itself is journaled."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from autogen_core import Component
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, LLMMessage, SystemMessage
from pydantic import BaseModel, Field
from pydantic_core import PydanticSerializationError
from typing_extensions import Self

from agent_journal import Memory, NewMemory

from ._handle import JournalHandle, JournalOrPath, check_conversation, check_limit, for_config
from ._messages import to_message, to_new_memory
from ._tool_calls import Dialogue, Recorded, in_order

_MEMORY_HEADING = "\nRelevant memory content"
"""How the system message of a memory begins: that of ListMemory, JournalMemory, ChromaDBVectorMemory and Mem0Memory."""
_REPAIRED_CALL = "repaired_call"

_logger = logging.getLogger("agent_journal.autogen")


class JournalChatCompletionContextState(BaseModel):
    """What `save_state` returns: the same as AutoGen's own contexts, so that each can load the other's."""

    messages: list[LLMMessage] = Field(default_factory=list)


class JournalChatCompletionContextConfig(BaseModel):
    """Configuration of a JournalChatCompletionContext."""

    path: str
    """The journal's directory, as an absolute path."""
    conversation: str
    """The conversation within the journal."""
    limit: int = 0
    """At most so many messages are returned, the newest; 0 for all."""
    initial_messages: list[LLMMessage] | None = None
    """Recorded first, if the conversation holds no message and has not had these before."""
    create: bool = True
    """Whether a journal is made if there is none at the path."""
    read_only: bool = False
    """Whether nothing is written to the directory."""


class JournalChatCompletionContext(ChatCompletionContext, Component[JournalChatCompletionContextConfig]):
    """The dialogue of an agent, kept in a journal on disk.

    Each message that the agent adds, of the user, the assistant, its tool calls and their results, is on stable storage
    before the agent goes on, and a new process with the same path and conversation continues the dialogue. What a
    memory adds to the context, one system message, is not recorded: the memory adds it again.

    A tool call that has no result, because the process died, gets one when the dialogue is loaded: it is appended, and
    says that the call was interrupted.

    Args:
        journal_or_path: A `Journal` or `AsyncJournal`, which is never closed here, or the directory of one.
        conversation: The conversation within the journal, one for each dialogue, and not that of a JournalMemory.
        limit: At most so many messages are returned, the newest of them; None for all. All are recorded.
        initial_messages: Recorded first, if the conversation holds no message and has not had these before.
        create: Whether a journal is made if there is none at the path. False where a missing volume must be an error.
            For a journal that is handed over, that one's own setting holds.
    """

    component_provider_override = "agent_journal.autogen.JournalChatCompletionContext"
    component_config_schema = JournalChatCompletionContextConfig

    def __init__(
        self,
        journal_or_path: JournalOrPath,
        conversation: str,
        *,
        limit: int | None = None,
        initial_messages: list[LLMMessage] | None = None,
        create: bool = True,
    ) -> None:
        super().__init__(initial_messages)
        check_conversation(conversation)
        check_limit(limit)
        self._handle = JournalHandle(journal_or_path, create=create)
        self._conversation = conversation
        self._limit = limit
        self._is_begun = False
        """Whether the initial messages are recorded, or are not to be."""
        self._is_whole = False
        """Whether every tool call has a result, as far as this context knows."""
        self._of_memory: list[tuple[int, SystemMessage]] = []
        """What memories added, each with the sequence that it comes after."""

    @property
    def path(self) -> str:
        """The absolute path of the journal's directory."""
        return self._handle.path

    @property
    def conversation(self) -> str:
        """The conversation within the journal."""
        return self._conversation

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={self.path!r}, conversation={self._conversation!r})"

    async def add_message(self, message: LLMMessage) -> None:
        """Records a message; returns when it is on stable storage. A memory's own system message is not recorded."""
        if isinstance(message, SystemMessage) and _is_of_memory(message):
            newest = await self._handle.journal.memories(self._conversation, last=1)
            self._of_memory.append((newest[0].sequence if newest else 0, message))
            return
        if not isinstance(message, FunctionExecutionResultMessage):  # A result may be that of a call left open.
            await self._load()
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            self._is_whole = False  # If the next message is not their result, the tools were interrupted.
        sequence, *_ = await self._handle.journal._add(
            self._conversation, to_new_memory(message, self._conversation)
        )
        _logger.debug(
            "%s recorded as memory %d, conversation %s, journal %s",
            message.type,
            sequence,
            self._conversation,
            self.path,
        )

    async def get_messages(self) -> list[LLMMessage]:
        """The dialogue, also what other processes have added to it."""
        await self._load()
        messages = (await self._read()).messages
        if self._limit is None:
            return _with_memory(messages, self._of_memory)
        # A memory's message that is older than what is returned is not wanted any more.
        first = messages[0].sequence if messages else 0
        self._of_memory = [entry for entry in self._of_memory if entry[0] >= first]
        found = _with_memory(messages, self._of_memory)[-self._limit :]
        while found and isinstance(found[0], FunctionExecutionResultMessage):  # Its call is cut off.
            del found[0]
        return found

    async def clear(self) -> None:
        """Forgets all messages of the conversation. The journal's history keeps them until it is compacted."""
        self._of_memory = []
        self._is_begun = True
        await self._handle.journal.clear(self._conversation)

    async def save_state(self) -> Mapping[str, Any]:
        """The dialogue as a state that this and AutoGen's own contexts load; without what memories added."""
        await self._load()
        messages = [entry.message for entry in (await self._read(is_whole=True)).messages]
        return JournalChatCompletionContextState(messages=messages).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Makes the dialogue that of the state.

        What the two have in common from the beginning stays; the rest of the state is appended, then the rest of the
        dialogue forgotten. Loading what is there already writes nothing. Nobody else may add to the dialogue meanwhile.
        """
        wanted = JournalChatCompletionContextState.model_validate(state).messages
        recorded = [m for m in wanted if not _is_of_memory(m)]
        memories = await self._handle.journal.memories(self._conversation)
        present = in_order(map(_recorded, memories)).messages
        new = [to_new_memory(message, self._conversation) for message in recorded]
        common = _common(new, [to_new_memory(entry.message, self._conversation) for entry in present])
        receipts = await self._handle.journal.add_all(new[common:]) if new[common:] else []
        if present[common:]:
            # With what the dialogue does not show: a repair whose call goes would be a result without one.
            kept = {entry.sequence for entry in present[:common]}
            await self._handle.journal.forget(*(m.sequence for m in memories if m.sequence not in kept))
        sequences = [entry.sequence for entry in present[:common]] + [receipt.sequence for receipt in receipts]
        self._of_memory = []
        count = 0
        for message in wanted:
            if isinstance(message, SystemMessage) and _is_of_memory(message):
                self._of_memory.append((sequences[count - 1] if count else 0, message))
            else:
                count += 1
        self._is_begun = True
        self._is_whole = False

    async def close(self) -> None:
        """Closes the journal if it was opened here, for a path. Nothing is deleted."""
        await self._handle.close()

    async def _load(self) -> None:
        """Records the initial messages of a new conversation, once, and repairs tool calls that were left open."""
        if not self._is_begun:
            await self._record_initial_messages()
            self._is_begun = True
        if self._is_whole:
            return
        repairs = (await self._read()).repairs
        if repairs:
            await self._handle.journal.add_all([self._repair(sequence, result) for sequence, result in repairs])
            _logger.warning(
                "%d tool calls without a result were given one that says so, conversation %s, journal %s",
                sum(len(result.content) for _, result in repairs),
                self._conversation,
                self.path,
            )
        self._is_whole = True

    async def _record_initial_messages(self) -> None:
        initial = [m for m in self._initial_messages or [] if not _is_of_memory(m)]
        if not initial or await self._handle.journal.count(self._conversation) > 0:
            return
        new = [to_new_memory(message, self._conversation) for message in initial]
        digest = _digest("".join(map(_dumped, initial)))
        for index, memory in enumerate(new):
            memory.idempotency_key = f"initial-messages/{digest}/{index}"
        await self._handle.journal.add_all(new)

    def _repair(self, sequence: int, result: FunctionExecutionResultMessage) -> NewMemory:
        """The key lets processes that load the dialogue at once repair it once."""
        memory = to_new_memory(result, self._conversation)
        memory.metadata[_REPAIRED_CALL] = sequence
        memory.idempotency_key = f"repaired-call/{sequence}/{_digest(_dumped(result))}"
        return memory

    async def _read(self, *, is_whole: bool = False) -> Dialogue:
        limit = None if is_whole else self._limit
        memories = await self._handle.journal.memories(self._conversation, last=limit)
        return in_order(map(_recorded, memories))

    @classmethod
    def _from_config(cls, config: JournalChatCompletionContextConfig) -> Self:
        return cls(
            for_config(config.path, config.create, config.read_only),
            config.conversation,
            limit=config.limit or None,
            initial_messages=config.initial_messages,
            create=config.create,
        )

    def _to_config(self) -> JournalChatCompletionContextConfig:
        return JournalChatCompletionContextConfig(
            path=self.path,
            conversation=self._conversation,
            limit=self._limit or 0,
            initial_messages=self._initial_messages,
            create=self._handle.create,
            read_only=self._handle.read_only,
        )


def _recorded(memory: Memory) -> Recorded:
    repaired: object = memory.metadata.get(_REPAIRED_CALL)
    return Recorded(memory.sequence, to_message(memory), repaired if isinstance(repaired, int) else None)


def _is_of_memory(message: LLMMessage) -> bool:
    return isinstance(message, SystemMessage) and message.content.startswith(_MEMORY_HEADING)


def _with_memory(messages: Sequence[Recorded], of_memory: Sequence[tuple[int, SystemMessage]]) -> list[LLMMessage]:
    """The messages with those of memories between them, each behind what was there when it came."""
    merged: list[LLMMessage] = []
    waiting = sorted(of_memory, key=lambda entry: entry[0])  # stable
    for entry in messages:
        is_result = isinstance(entry.message, FunctionExecutionResultMessage)
        while waiting and waiting[0][0] < entry.sequence and not is_result:  # Nothing between a call and its result.
            merged.append(waiting.pop(0)[1])
        merged.append(entry.message)
    return merged + [message for _, message in waiting]


def _common(left: Sequence[NewMemory], right: Sequence[NewMemory]) -> int:
    """How many are equal from the beginning."""
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if (one.role, one.content, one.metadata) != (other.role, other.content, other.metadata):
            return index
    return min(len(left), len(right))


def _dumped(message: LLMMessage) -> str:
    """The message as JSON, also one whose text has no UTF-8."""
    try:
        return message.model_dump_json()
    except PydanticSerializationError:
        memory = to_new_memory(message, "")
        return json.dumps([memory.role, memory.content, memory.metadata])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
