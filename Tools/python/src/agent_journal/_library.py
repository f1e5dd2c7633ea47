"""The C library: agent_journal.h, as ctypes has it. Every call lets other threads run while it waits."""

from __future__ import annotations

import ctypes
import logging
import os
import struct
import sys
import traceback
from collections import deque
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any, TypeAlias

from . import _errors
from ._json import decode
from ._version import __version__

FILE = Path(__file__).parent / ("libagent_journal.dylib" if sys.platform == "darwin" else "libagent_journal.so")
logger = logging.getLogger("agent_journal")

_LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
_LogFunction = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)


class Buffer(ctypes.Structure):
    _fields_ = [("bytes", c_void_p), ("length", c_size_t)]


class _AddReceipt(ctypes.Structure):
    _fields_ = [("sequence", c_uint64), ("recorded_microseconds", c_int64), ("replayed", c_int), ("erased", c_int)]


RawReceipt: TypeAlias = tuple[int, int, int, int]
"""A receipt as the library gives it, not every caller wants a `Receipt` made of it: the sequence, when it was recorded, in
microseconds, and, not 0 if so, whether it is replayed and erased."""


class _Outcome(ctypes.Structure):
    _fields_ = [("ticket", c_uint64), ("receipt", _AddReceipt), ("error", c_void_p)]


class Point(ctypes.Structure):
    _fields_ = [("kind", c_int), ("sequence", c_uint64), ("text", c_char_p)]


class _Options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("create", c_int),
        ("read_only", c_int),
        ("lock_timeout_milliseconds", c_int64),
        ("log", _LogFunction),
        ("log_context", c_void_p),
    ]


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(FILE))
    except OSError as error:
        raise ImportError(f"agent_journal's library cannot be loaded: {error}. Install the wheel for this platform") from error
    place, buffer = POINTER(c_void_p), POINTER(Buffer)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "aj_add": (c_int, [c_void_p, c_char_p, c_size_t, buffer, place]),
        "aj_add_one": (c_int, [c_void_p, c_char_p, c_size_t, c_int, POINTER(_AddReceipt), place]),
        "aj_adder_add": (c_int, [c_void_p, c_char_p, c_size_t, c_uint64, place]),
        "aj_adder_descriptor": (c_int, [c_void_p]),
        "aj_adder_free": (None, [c_void_p]),
        "aj_adder_new": (c_void_p, [c_void_p, place]),
        "aj_adder_outcomes": (c_size_t, [c_void_p, c_void_p, c_size_t]),
        "aj_adder_withdraw": (c_int, [c_void_p, c_uint64]),
        "aj_buffer_free": (None, [buffer]),
        "aj_clear": (c_int, [c_void_p, c_char_p, buffer, place]),
        "aj_close": (c_int, [c_void_p, place]),
        "aj_conversations": (c_int, [c_void_p, c_char_p, buffer, place]),
        "aj_count": (c_int, [c_void_p, c_char_p, POINTER(c_uint64), place]),
        "aj_error_code": (c_char_p, [c_void_p]),
        "aj_error_errno": (c_int, [c_void_p]),
        "aj_error_free": (None, [c_void_p]),
        "aj_error_message": (c_char_p, [c_void_p]),
        "aj_error_path": (c_char_p, [c_void_p]),
        "aj_flush": (c_int, [c_void_p, c_char_p, buffer, place]),
        "aj_follow": (c_void_p, [c_void_p, c_uint64, place]),
        "aj_follower_free": (None, [c_void_p]),
        "aj_follower_interrupt": (None, [c_void_p]),
        "aj_follower_next": (c_int, [c_void_p, c_int64, c_size_t, buffer, place]),
        "aj_forget": (c_int, [c_void_p, POINTER(c_uint64), c_size_t, buffer, place]),
        "aj_journal_free": (None, [c_void_p]),
        "aj_memories": (c_int, [c_void_p, c_char_p, c_int64, c_uint64, POINTER(Point), buffer, place]),
        "aj_memory_for_key": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(_AddReceipt), buffer, place]),
        "aj_open": (c_void_p, [c_char_p, POINTER(_Options), place]),
        "aj_stats": (c_int, [c_void_p, buffer, place]),
        "aj_version": (c_char_p, []),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    found = library.aj_version().decode()
    if found != __version__:
        raise ImportError(f"{FILE} is of version {found}, and the package of {__version__}: install the wheel again")
    return library


def _load_quick() -> Callable[..., RawReceipt | int | None]:
    """The call that ctypes takes too long for. Where the extension module cannot be loaded it does nothing, and `add` does it."""
    try:
        from . import _quick
    except ImportError:
        return lambda *arguments: None
    _quick.bind(ctypes.cast(_library.aj_add_text, c_void_p).value)
    return _quick.add_text


_library = _load()
_add_text = _load_quick()
_add_one = _library.aj_add_one
_hand_over = _library.aj_adder_add
_SHARED = 2
OUTCOMES = 64
"""So many are taken at a time."""
_OUTCOME = struct.Struct("@QQqiiP")
assert _OUTCOME.size == ctypes.sizeof(_Outcome)

# What the library's threads have to tell. They only put it here: a handler of Python's logging may wait for a lock that is held by
# a thread that waits for the journal. The thread that makes a call logs it when the call is over.
_told: deque[tuple[int, bytes, bytes]] = deque(maxlen=1000)
_warned: set[tuple[bytes, bytes]] = set()
_WARNING = 2
_WARNED_LIMIT = 1000


def _told_by_library(_context: int, level: int, message: bytes, fields: bytes) -> None:
    _told.append((level, message, fields))


_tell = _LogFunction(_told_by_library)


def log_what_was_told() -> None:
    """Not under a lock: a handler may use the journal. The same warning is logged once.

    What a filter or handler raises is printed, as logging itself does with a handler's: it says nothing of the call that is over,
    which may have written something.
    """
    while _told:
        try:
            level, message, fields = _told.popleft()
        except IndexError:  # Another thread took it.
            return
        if level == _WARNING:
            if (message, fields) in _warned:
                continue
            if len(_warned) < _WARNED_LIMIT:
                _warned.add((message, fields))
        details = " ".join(f"{name}={value}" for name, value in decode(fields).items())
        try:
            logger.log(_LEVELS[level], "%s %s", message.decode(), details)
        except Exception:
            if logging.raiseExceptions:
                traceback.print_exc()


class Handle:
    """A handle of the library: freed when nobody uses it any more, also not a call that is still under way."""

    def __init__(self, address: int, free: Callable[[int], None]) -> None:
        self.address = address
        self._free = free

    def __del__(self) -> None:
        self._free(self.address)


def open_journal(path: str, *, create: bool, read_only: bool, lock_milliseconds: int, is_silent: bool) -> Handle:
    log = _LogFunction() if is_silent else _tell
    options = _Options(ctypes.sizeof(_Options), create, read_only, lock_milliseconds, log, None)
    error = c_void_p()
    address = _library.aj_open(_bytes_of(path), byref(options), byref(error))
    if not address:
        raise _taken(error)
    return Handle(address, _library.aj_journal_free)


def close_journal(journal: Handle) -> None:
    _call(_library.aj_close, journal)


def add_text(
    journal: Handle,
    conversation: str,
    content: object,
    role: str | None,
    mime_type: str | None,
    idempotency_key: str | None,
    unless_shared: bool = False,
) -> RawReceipt | None:
    """Adds a memory, if its content is a text and not long, without a line being made of it.

    None: nothing was done. `add` with the line does it, or says what is wrong.
    """
    found = _add_text(journal.address, conversation, content, role, mime_type, idempotency_key, unless_shared)
    if _told:
        log_what_was_told()
    if isinstance(found, int):
        raise _taken(c_void_p(found))
    return found


def add(journal: Handle, line: bytes, unless_shared: bool = False) -> RawReceipt | None:
    """Adds a memory. None: nothing was done, as another process has the journal open and may have to be waited for."""
    receipt = _AddReceipt()
    error = c_void_p()
    status = _add_one(journal.address, line, len(line), unless_shared, receipt, error)
    if _told:
        log_what_was_told()
    if status == 0:
        return receipt.sequence, receipt.recorded_microseconds, receipt.replayed, receipt.erased
    if status == _SHARED:
        return None
    raise _taken(error)


def new_adder(journal: Handle) -> Handle:
    error = c_void_p()
    address = _library.aj_adder_new(journal.address, byref(error))
    if not address:
        raise _taken(error)
    return Handle(address, _library.aj_adder_free)


def descriptor(adder: Handle) -> int:
    """Readable while there are outcomes."""
    found: int = _library.aj_adder_descriptor(adder.address)
    return found


def hand_over(adder: Handle, line: bytes, ticket: int) -> None:
    error = c_void_p()
    if _hand_over(adder.address, line, len(line), ticket, error) != 0:
        raise _taken(error)


def withdraw(adder: Handle, ticket: int) -> bool:
    """Whether an add that was handed over is certainly not written; then no outcome comes."""
    return bool(_library.aj_adder_withdraw(adder.address, ticket))


def outcomes(adder: Handle) -> list[tuple[int, RawReceipt | _errors.JournalError]]:
    """What became of adds that were handed over, with their tickets: of those that are there, so many. The rest is given by the
    next call."""
    array = (_Outcome * OUTCOMES)()
    count = _library.aj_adder_outcomes(adder.address, array, OUTCOMES)
    return [
        (ticket, _taken(c_void_p(error)) if error else (sequence, recorded, replayed, erased))
        for ticket, sequence, recorded, replayed, erased, error in _OUTCOME.iter_unpack(
            memoryview(array).cast("B")[: count * _OUTCOME.size]
        )
    ]


def lines(name: str, handle: Handle, *arguments: Any) -> bytes:
    """What a function that gives lines gives."""
    buffer = Buffer()
    _call(getattr(_library, name), handle, *arguments, byref(buffer))
    try:
        return ctypes.string_at(buffer.bytes, buffer.length)
    finally:
        _library.aj_buffer_free(byref(buffer))


def memory_for_key(journal: Handle, conversation: bytes, key: bytes) -> tuple[RawReceipt, bytes] | None:
    """The receipt of the first add with a key, and the memory's line, empty when it is gone; None when no add had the key."""
    receipt = _AddReceipt()
    line = lines("aj_memory_for_key", journal, conversation, key, receipt)
    if receipt.sequence == 0:
        return None
    return (receipt.sequence, receipt.recorded_microseconds, receipt.replayed, receipt.erased), line


def count(journal: Handle, conversation: bytes | None) -> int:
    found = c_uint64()
    _call(_library.aj_count, journal, conversation, byref(found))
    return found.value


def sequences(values: tuple[int, ...]) -> Any:
    return (c_uint64 * len(values))(*values)


def follow(journal: Handle, after: int) -> Handle:
    error = c_void_p()
    address = _library.aj_follow(journal.address, after, byref(error))
    if not address:
        raise _taken(error)
    return Handle(address, _library.aj_follower_free)


def interrupt(follower: Handle) -> None:
    _library.aj_follower_interrupt(follower.address)


def _call(function: Any, handle: Handle, *arguments: Any) -> None:
    error = c_void_p()
    status = function(handle.address, *arguments, byref(error))
    if _told:
        log_what_was_told()
    if status != 0:
        raise _taken(error)


def _taken(error: c_void_p) -> _errors.JournalError:
    """The library's error as one of Python's; the library's is freed."""
    try:
        path = _library.aj_error_path(error)
        return _errors.error(
            _library.aj_error_message(error).decode(errors="replace"),
            _library.aj_error_code(error).decode(),
            None if path is None else path.decode(errors="surrogateescape"),
            _library.aj_error_errno(error) or None,
        )
    finally:
        _library.aj_error_free(error)


def _bytes_of(path: str) -> bytes:
    """A path as the system has it."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise _errors.invalid(f"the path {path!r} holds a zero byte")
    return encoded
