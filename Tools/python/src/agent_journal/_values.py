"""What goes into a journal and what comes out of it."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from . import _errors
from ._json import JSON, decode, encode, quote, require_json

if TYPE_CHECKING:
    from ._library import RawReceipt

Content: TypeAlias = Union[str, bytes, int, float, bool, list[JSON], dict[str, JSON]]
"""Text, bytes, or JSON. Text and bytes come back exactly; of JSON, the members of an object come back in the order of their names."""


@dataclass(frozen=True)
class Memory:
    """A memory as it is in the journal. Its sequence is its own for ever. Times are aware, in UTC."""

    sequence: int
    conversation: str
    content: JSON | bytes
    recorded: datetime
    """When it was recorded, by the clock of whoever recorded it."""
    timestamp: datetime
    """When it happened, as whoever added it said; else the time of recording."""
    mime_type: str | None = None
    role: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    idempotency_key: str | None = None


@dataclass
class NewMemory:
    """A memory to add."""

    content: Content
    role: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    mime_type: str | None = None
    idempotency_key: str | None = None
    """An add with a key that the conversation has seen adds nothing, and returns the first one's receipt."""
    timestamp: datetime | None = None
    conversation: str | None = None


@dataclass(frozen=True)
class Receipt:
    """That an add is on stable storage."""

    sequence: int
    recorded: datetime
    """When it was recorded, in UTC."""
    is_replayed: bool
    """Whether an add with the same idempotency key was there before, whose receipt this is."""
    is_erased: bool = False
    """Whether that first memory is forgotten and erased: nobody can tell whether this is the same."""


@dataclass(frozen=True)
class KeyedMemory:
    """What an idempotency key was used for."""

    receipt: Receipt
    """What a repeated add with the key gets: that of the first."""
    memory: Memory | None
    """The memory; None when it was forgotten, replaced or cleared since. What took its place is another memory."""


@dataclass(frozen=True)
class Event:
    """An event of the log."""

    sequence: int
    kind: str
    """"added", "forgotten", "cleared", "flushed", "let_go" (of history), "erased", "erasure_begun",
    "erasure_done", "lost", or "unknown": of a later version."""
    recorded: datetime
    conversation: str | None = None
    memory: Memory | None = None
    """What was added."""
    target: int | None = None
    """The memory that was forgotten; for "let_go", up to where history was;
    for an erasure, up to where it goes; for "lost", the last event that is."""
    label: str | None = None


def line(conversation: str, memory: NewMemory) -> bytes:
    """A memory as a line for the library.

    Raises JournalError with the code "invalid_argument" for what the journal could not give back as it was.
    """
    content = memory.content
    if isinstance(content, str):
        encoded = ',"content":' + quote(content)
    elif isinstance(content, (bytes, bytearray, memoryview)):
        encoded = f',"content_base64":"{base64.b64encode(content).decode("ascii")}"'
    elif content is None:
        raise _errors.invalid("the content is None; a memory has one")
    else:
        encoded = ',"content":' + _json(content, "the content")
    parts = ['{"conversation":', _string(conversation, "the conversation"), encoded]
    if memory.metadata:
        parts += (',"metadata":', _json(memory.metadata, "metadata"))
    if memory.role is not None:
        parts += (',"role":', _string(memory.role, "the role"))
    if memory.mime_type is not None:
        parts += (',"mime_type":', _string(memory.mime_type, "the mime type"))
    if memory.idempotency_key is not None:
        parts += (',"idempotency_key":', _string(memory.idempotency_key, "the idempotency key"))
    if memory.timestamp is not None:
        parts += (',"timestamp":"', _time(memory.timestamp), '"')
    parts.append("}\n")
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as error:
        raise _errors.invalid(f"a text holds a lone surrogate, which is not Unicode: {error}") from error


def lines(memories: Iterable[NewMemory], conversation: str | None) -> bytes:
    """Memories as lines for the library. Those that name no conversation are of this one."""
    found: list[bytes] = []
    for memory in memories:
        if not isinstance(memory, NewMemory):
            raise _errors.invalid(f"memory {len(found) + 1} is of type {type(memory).__name__}; give a NewMemory")
        name = memory.conversation if memory.conversation is not None else conversation
        if name is None:
            raise _errors.invalid(f"memory {len(found) + 1} names no conversation, and none is given for all")
        found.append(line(name, memory))
    return b"".join(found)


def decoded(lines: bytes) -> list[Any]:
    """What the library's lines say."""
    found: list[Any] = decode(b"[" + lines[:-1].replace(b"\n", b",") + b"]")
    return found


def receipt(found: RawReceipt) -> Receipt:
    sequence, microseconds, replayed, erased = found
    return Receipt(sequence, _EPOCH + timedelta(microseconds=microseconds), replayed != 0, erased != 0)


def keyed(found: tuple[RawReceipt, bytes] | None) -> KeyedMemory | None:
    if found is None:
        return None
    first, line = found
    return KeyedMemory(receipt(first), memory(decode(line)) if line else None)


def receipts(lines: bytes) -> list[Receipt]:
    return [_receipt(*groups) for groups in _RECEIPT.findall(lines)]


def point(at: int | datetime | str) -> tuple[int, int, bytes | None]:
    """A point in the journal's time for the library: its kind, its sequence, its text."""
    if isinstance(at, bool) or not isinstance(at, (int, datetime, str)):
        raise _errors.invalid("at is a sequence (int), a time (datetime) or the label of a flush (str)")
    if isinstance(at, int):
        return (1, sequence(at, "at"), None)
    if isinstance(at, datetime):
        return (2, 0, _time(at).encode())
    return (3, 0, text(at, "the label"))


def seconds(timeout: float | None) -> float | None:
    """A timeout; None for one that never comes."""
    if timeout is None or timeout == math.inf:
        return None
    if not timeout >= 0:
        raise _errors.invalid(f"the timeout is {timeout}; it is a number of seconds, or None")
    return timeout


def sequence(value: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise _errors.invalid(f"{what} is {value!r}; a sequence is an int of at least 0")
    return value


def text(value: str, what: str) -> bytes:
    """A text for the library, which ends it with a zero byte."""
    try:
        encoded = _checked(value, what).encode()
    except UnicodeEncodeError as error:
        raise _errors.invalid(f"{what} holds a lone surrogate, which is not Unicode: {error}") from error
    if b"\0" in encoded:
        raise _errors.invalid(f"{what} holds a zero byte")
    return encoded


def memory(members: dict[str, Any]) -> Memory:
    encoded = members.get("content_base64")
    return Memory(
        sequence=members["sequence"],
        conversation=members["conversation"],
        content=members.get("content") if encoded is None else base64.b64decode(encoded),
        recorded=_datetime(members["recorded"]),
        timestamp=_datetime(members["timestamp"]),
        mime_type=members.get("mime_type"),
        role=members.get("role"),
        metadata=members.get("metadata", {}),
        idempotency_key=members.get("idempotency_key"),
    )


def event(members: dict[str, Any]) -> Event:
    kind = members["kind"]
    return Event(
        sequence=members["sequence"],
        kind=kind,
        recorded=_datetime(members["recorded"]),
        conversation=members.get("conversation"),
        memory=memory(members) if kind == "added" else None,
        target=members.get("target"),
        label=members.get("label"),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RECEIPT = re.compile(
    rb'\{("erased":true,)?"recorded":"([^"]+)","replayed":(true|false),"sequence":([0-9]+)\}'
)
"""A receipt's line, which is canonical: a parser of JSON takes three times as long, for each add."""


def _receipt(erased: bytes, recorded: bytes, replayed: bytes, sequence: bytes) -> Receipt:
    return Receipt(
        int(sequence), _datetime(recorded.decode()), replayed == b"true", bool(erased)
    )


def _string(value: object, what: str) -> str:
    """A text as JSON."""
    return quote(_checked(value, what))


def _checked(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _errors.invalid(f"{what} is of type {type(value).__name__}; it is a str")
    return value


def _json(value: object, place: str) -> str:
    try:
        require_json(value, place)
        return encode(value)
    except (TypeError, ValueError) as error:
        raise _errors.invalid(str(error)) from error
    except RecursionError as error:
        raise _errors.invalid(f"{place} is nested too deep, or holds itself") from error


def _time(value: datetime) -> str:
    if not isinstance(value, datetime):
        raise _errors.invalid(f"a time is of type {type(value).__name__}; it is a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise _errors.invalid(f"the time {value} has no time zone; give one, for example datetime.now(timezone.utc)")
    try:
        moment = value.astimezone(timezone.utc)
    except OverflowError as error:
        raise _errors.invalid(f"the time {value} is out of range in UTC") from error
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _datetime(text: str) -> datetime:
    return datetime.fromisoformat(text[:-1] + "+00:00")
