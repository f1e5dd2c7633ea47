"""AutoGen's `MemoryContent` as memories of a journal, and back.

| AutoGen's content | the journal's content |
|---|---|
| `str` | text |
| `bytes` | bytes |
| `dict` | JSON |
| `Image` | JSON `{"data": <PNG in base64>}`, which is how AutoGen itself serializes one |

The mime type is kept as its string, the metadata as it is. Text with halves of surrogate pairs is escaped: see `_surrogates`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from autogen_core import Image
from autogen_core.memory import MemoryContent, MemoryMimeType

from agent_journal import Memory, NewMemory
from agent_journal._json import require_json

from . import _surrogates

IDEMPOTENCY_KEY = "idempotency_key"
"""The member of a content's metadata that is taken for the idempotency key."""

_logger = logging.getLogger("agent_journal.autogen")
_KNOWN_MIME_TYPES = {mime_type.value: mime_type for mime_type in MemoryMimeType}


def to_new_memory(content: MemoryContent, conversation: str) -> NewMemory:
    """The memory to add for a content. Nothing of the content is changed or kept.

    Raises TypeError or ValueError for what a journal could not give back as it was: a value in the content or the
    metadata that JSON does not have, an image whose mime type is not that of an image.
    """
    mime_type = to_mime_type(content)
    value: Any = content.content
    if isinstance(value, Image):
        if not mime_type.startswith("image/"):
            raise ValueError(f"an Image needs the mime type image/*, not {mime_type}")
        value = {"data": value.to_base64()}
    elif isinstance(value, dict):
        require_json(value, "content")
    memory = NewMemory(content=value, mime_type=mime_type, conversation=conversation)
    if content.metadata:
        require_json(content.metadata, "metadata")
        if _surrogates.MARK in content.metadata:
            raise ValueError(f"the member {_surrogates.MARK!r} of metadata is the journal's own")
        memory.metadata = dict(content.metadata)
        memory.idempotency_key = _idempotency_key(content.metadata)
    if escaped := _surrogates.escaped(value, memory.metadata):
        memory.content, memory.metadata = escaped
    return memory


def to_mime_type(content: MemoryContent) -> str:
    """The mime type as its string."""
    mime_type = content.mime_type
    # Not its `value`, which runs two functions of Python's library, for each add.
    return mime_type._value_ if isinstance(mime_type, MemoryMimeType) else mime_type


def to_memory_content(memory: Memory) -> MemoryContent:
    """A memory as AutoGen has it.

    A mime type that is one of AutoGen's five is returned as the `MemoryMimeType`, any other as its string. A memory
    that something else added may have no mime type, then it is that of its kind; and JSON that is not an object, which
    AutoGen has no place for, is returned as JSON text.
    """
    value: Any
    value, metadata = _surrogates.unescaped(memory.content, memory.metadata)
    native = MemoryMimeType.JSON
    if isinstance(value, str):
        native = MemoryMimeType.TEXT
    elif isinstance(value, bytes):
        native = MemoryMimeType.BINARY
    elif not isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    mime_type = memory.mime_type or native.value
    if mime_type.startswith("image/") and isinstance(value, dict):
        value = _image(value, memory.sequence)
    # Not validated: AutoGen would take any dict that has the member "data" for an image.
    return MemoryContent.model_construct(
        content=value, mime_type=_KNOWN_MIME_TYPES.get(mime_type, mime_type), metadata=metadata or None
    )


def _idempotency_key(metadata: Mapping[str, Any]) -> str | None:
    key = metadata.get(IDEMPOTENCY_KEY)
    if key is None or isinstance(key, str):
        return key
    raise TypeError(f"metadata[{IDEMPOTENCY_KEY!r}] is of type {type(key).__name__}; an idempotency key is a str")


def _image(value: dict[str, Any], sequence: int) -> Image | dict[str, Any]:
    data = value.get("data")
    if set(value) != {"data"} or not isinstance(data, str):
        return value
    try:
        return Image.from_base64(data)
    except (ValueError, OSError) as error:  # OSError has PIL's UnidentifiedImageError under it
        _logger.warning("memory %d has an image's mime type but no image, and is returned as it is: %s", sequence, error)
        return value
