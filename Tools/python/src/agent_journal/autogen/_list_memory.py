"""Moving over from ListMemory: what `dump_component()` gave, into a journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from autogen_core import ComponentModel
from autogen_core.memory import MemoryContent

from agent_journal import Journal

from ._content import to_new_memory

_PROVIDER = "autogen_core.memory.ListMemory"


def import_list_memory(journal: Journal, conversation: str, dumped: ComponentModel | Mapping[str, Any]) -> int:
    """Adds the contents of a dumped ListMemory, all of them or none; returns how many are new.

    Repeating it adds nothing: each content has a key made of its place and its value, if its metadata has none. Raises
    ValueError for the component of anything else.
    """
    contents = check_list_memory(dumped)
    new = [to_new_memory(content, conversation) for content in contents]
    for index, (content, memory) in enumerate(zip(contents, new, strict=True)):
        if memory.idempotency_key is None:
            memory.idempotency_key = f"list-memory/{index}/{_digest(content)}"
    return sum(not receipt.is_replayed for receipt in journal.add_all(new)) if new else 0


def check_list_memory(dumped: ComponentModel | Mapping[str, Any]) -> list[MemoryContent]:
    """The contents of a dumped ListMemory. Raises ValueError for the component of anything else."""
    model = dumped if isinstance(dumped, ComponentModel) else ComponentModel.model_validate(dict(dumped))
    if model.provider != _PROVIDER:
        raise ValueError(f"the component's provider is {model.provider}, not {_PROVIDER}")
    contents = model.config.get("memory_contents", [])
    if not isinstance(contents, list):
        raise ValueError("the component's memory_contents is no list")
    return [MemoryContent.model_validate(content) for content in contents]


def _digest(content: MemoryContent) -> str:
    value = content.content if isinstance(content.content, bytes) else content.model_dump_json().encode()
    return hashlib.sha256(value).hexdigest()[:16]
