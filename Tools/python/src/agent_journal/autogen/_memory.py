"""An AutoGen memory that outlives the process."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from autogen_core import CancellationToken, Component
from autogen_core.memory import (
    Memory as AutoGenMemory,
)
from autogen_core.memory import (
    MemoryContent,
    MemoryQueryResult,
    UpdateContextResult,
)
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage
from pydantic import BaseModel
from typing_extensions import Self

from agent_journal import Journal, JournalError, Memory, NoJournalError

from ._content import to_memory_content, to_mime_type, to_new_memory
from ._handle import JournalHandle, JournalOrPath, check_conversation, check_limit, for_config

Recall: TypeAlias = Callable[[str, Sequence[Memory]], Sequence[Memory] | Awaitable[Sequence[Memory]]]
"""Chooses what is remembered: given the text asked for and all memories, oldest first, returns the best ones, best
first. It may be a coroutine function. A memory's sequence is its own for ever, so what was computed for it, such as an
embedding, can be kept under that number."""

MEMORY_HEADING = "\nRelevant memory content (in chronological order):\n"
_PAGE = 500
_LOGGED_LIMIT = 10_000

_logger = logging.getLogger("agent_journal.autogen")
_logged_left_out: set[tuple[str, str, int]] = set()
"""Of the process, not of a memory: where one is made for each request, it would be logged at each request."""

_T = TypeVar("_T")


class JournalMemoryConfig(BaseModel):
    """Configuration of a JournalMemory."""

    path: str
    """The journal's directory, as an absolute path."""
    conversation: str
    """The conversation within the journal."""
    limit: int = 50
    """At most so many memories are returned, the newest; 0 for all."""
    create: bool = True
    """Whether a journal is made if there is none at the path."""
    read_only: bool = False
    """Whether nothing is written to the directory."""


class JournalMemory(AutoGenMemory, Component[JournalMemoryConfig]):
    """The memory of an agent, kept in a journal on disk.

    It behaves as `ListMemory`, but what was added is there after a restart, and in every process that opens the same
    path. `add` returns when the memory is on stable storage. A content whose metadata has an `idempotency_key` is
    added once, however often it is repeated.

    Args:
        journal_or_path: A `Journal` or `AsyncJournal`, which is never closed here, or the directory of one.
        conversation: The conversation within the journal, for example `support/user-42`.
        limit: At most so many memories are returned, the newest of them; None for all.
        recall: Chooses what is returned in place of the newest. It is given every memory of the conversation.
        create: Whether a journal is made if there is none at the path. False where a missing volume must be an error.
            For a journal that is handed over, that one's own setting holds.
    """

    component_type = "memory"
    component_provider_override = "agent_journal.autogen.JournalMemory"
    component_config_schema = JournalMemoryConfig

    def __init__(
        self,
        journal_or_path: JournalOrPath,
        conversation: str,
        *,
        limit: int | None = 50,
        recall: Recall | None = None,
        create: bool = True,
    ) -> None:
        check_conversation(conversation)
        check_limit(limit)
        self._handle = JournalHandle(journal_or_path, create=create)
        self._conversation = conversation
        self._limit = limit
        self._recall = recall

    @property
    def path(self) -> str:
        """The absolute path of the journal's directory."""
        return self._handle.path

    @property
    def conversation(self) -> str:
        """The conversation within the journal."""
        return self._conversation

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={self.path!r}, conversation={self._conversation!r}, {self._count_text()})"

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """Adds a memory; returns when it is on stable storage.

        A token that is cancelled before the memory is queued means that it is not written. Raises `KeyConflictError`
        if the metadata's `idempotency_key` was used for another content, and the other errors of `Journal.add`.
        """
        journal = self._handle.journal
        receipt = None
        if cancellation_token is None and not content.metadata:
            receipt = await journal._add_text(self._conversation, content.content, None, to_mime_type(content), None)
        if receipt is None:
            adding = journal._add(self._conversation, to_new_memory(content, self._conversation))
            receipt = await (adding if cancellation_token is None else _cancellable(adding, cancellation_token))
        if _logger.isEnabledFor(logging.DEBUG):
            sequence, _, is_replayed, _ = receipt
            _logger.debug(
                "memory %d %s, conversation %s, journal %s",
                sequence,
                "was there already" if is_replayed else "added",
                self._conversation,
                self.path,
            )

    async def query(
        self,
        query: str | MemoryContent = "",
        cancellation_token: CancellationToken | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        limit: int | None = None,
        **kwargs: Any,
    ) -> MemoryQueryResult:
        """The newest memories, oldest first; or what `recall` chose, in its order.

        Args:
            query: What to look for; only `recall` makes use of it.
            cancellation_token: Ends the reading.
            metadata: Only memories whose metadata has all these members, with equal values.
            limit: At most so many, in place of the memory's own limit.

        Any other argument is a TypeError: a filter that is not applied would return wrong memories.
        """
        if kwargs:
            raise TypeError(f"query() does not know {', '.join(sorted(kwargs))}; it knows metadata and limit")
        check_limit(limit)
        found = await _cancellable(self._find(query, metadata, limit), cancellation_token)
        return MemoryQueryResult(results=[to_memory_content(memory) for memory in found])

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Adds the memories to the context as one system message, unless there are none or it is there already.

        With `recall`, the context's last message is what is looked for.
        """
        messages = await model_context.get_messages()
        asked = str(messages[-1].content) if messages and self._recall else ""
        found = sorted(await self._find(asked, None, None), key=lambda memory: memory.sequence)
        results = [to_memory_content(memory) for memory in found]
        if results:
            lines = [f"{number}. {_text(content)}" for number, content in enumerate(results, 1)]
            text = MEMORY_HEADING + "\n".join(lines) + "\n"
            if not any(isinstance(message, SystemMessage) and message.content == text for message in messages):
                await model_context.add_message(SystemMessage(content=text))
        return UpdateContextResult(memories=MemoryQueryResult(results=results))

    async def save(self, label: str | None = None) -> int:
        """Records a flush, perhaps with a label to look back to; returns its sequence. Adds are durable without it."""
        return await self._handle.journal.flush(label)

    async def clear(self) -> None:
        """Forgets all memories of the conversation. The journal's history keeps them until it is compacted."""
        await self._handle.journal.clear(self._conversation)

    async def close(self) -> None:
        """Closes the journal if it was opened here, for a path. Nothing is deleted."""
        await self._handle.close()

    async def _find(
        self, query: str | MemoryContent, metadata: Mapping[str, Any] | None, asked: int | None
    ) -> list[Memory]:
        limit = self._limit if asked is None else asked
        if self._recall is not None:
            candidates = await self._newest(metadata, None)
            chosen = self._recall(str(query.content) if isinstance(query, MemoryContent) else query, candidates)
            ranked: Any = await chosen if inspect.isawaitable(chosen) else chosen
            if not isinstance(ranked, Sequence) or not all(isinstance(memory, Memory) for memory in ranked):
                raise TypeError("recall() is to return a sequence of the memories that it was given")
            return list(ranked[:limit])
        if metadata or asked is not None:  # What the caller leaves out is not to be told.
            return await self._newest(metadata, limit)
        found = await self._newest(metadata, None if limit is None else limit + 1)
        if limit is None or len(found) <= limit:
            return found
        await self._log_left_out(limit)
        return found[-limit:]

    async def _newest(self, metadata: Mapping[str, Any] | None, limit: int | None) -> list[Memory]:
        journal = self._handle.journal
        if not metadata:
            return await journal.memories(self._conversation, last=limit)
        newest_first: list[Memory] = []
        before: int | None = None
        while limit is None or len(newest_first) < limit:
            page = await journal.memories(self._conversation, last=_PAGE, before=before)
            newest_first += (memory for memory in reversed(page) if _has(memory, metadata))
            if len(page) < _PAGE:
                break
            before = page[0].sequence
        return newest_first[:limit][::-1]

    async def _log_left_out(self, limit: int) -> None:
        place = (self.path, self._conversation, limit)
        if place in _logged_left_out or len(_logged_left_out) >= _LOGGED_LIMIT:
            return
        _logged_left_out.add(place)
        _logger.warning(
            "only the newest %d of %d memories are returned, conversation %s, journal %s; the limit is JournalMemory's",
            limit,
            await self._handle.journal.count(self._conversation),
            self._conversation,
            self.path,
        )

    def _count_text(self) -> str:
        """Writes nothing: a journal that is not open yet is opened for this for reading only, if it is there."""
        journal = self._handle.journal.journal
        try:
            if journal.is_open:
                return f"count={journal.count(self._conversation)}"
            opened = Journal(self.path, create=False, read_only=True, lock_timeout=1)
            opened._is_silent = True
            with opened:
                return f"count={opened.count(self._conversation)}"
        except NoJournalError:
            return "no journal there yet"
        except JournalError as error:
            return f"count unknown: {error.code}"

    @classmethod
    def _from_config(cls, config: JournalMemoryConfig) -> Self:
        journal_or_path = for_config(config.path, config.create, config.read_only)
        return cls(journal_or_path, config.conversation, limit=config.limit or None, create=config.create)

    def _to_config(self) -> JournalMemoryConfig:
        if self._recall is not None:
            raise NotImplementedError("a JournalMemory with a recall function cannot be dumped: a function is no config")
        return JournalMemoryConfig(
            path=self.path,
            conversation=self._conversation,
            limit=self._limit or 0,
            create=self._handle.create,
            read_only=self._handle.read_only,
        )


async def _cancellable(work: Coroutine[Any, Any, _T], token: CancellationToken | None) -> _T:
    if token is None:
        return await work
    task = asyncio.ensure_future(work)
    token.link_future(task)
    return await task


def _has(memory: Memory, metadata: Mapping[str, Any]) -> bool:
    return all(name in memory.metadata and memory.metadata[name] == value for name, value in metadata.items())


def _text(content: MemoryContent) -> str:
    value = content.content
    if isinstance(value, (str, bytes, dict)):
        return str(value)
    return f"[image, {value.image.width} by {value.image.height} pixels]"
