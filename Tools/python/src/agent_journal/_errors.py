"""What a journal raises."""

from __future__ import annotations

from typing import Any


class JournalError(Exception):
    """Something that a journal could not do. The message says what to do about it.

    Attributes:
        code: What kind of error, in the words of the C interface and the tool: "invalid_argument", "no_such_memory",
            "no_such_point", "too_large", "unsupported", "closed", "system" and so on.
        path: The file or directory concerned, where there is one.
        errno: The system's error number, where there is one.
    """

    def __init__(self, message: str, *, code: str, path: str | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.path = path
        self.errno = errno

    def __reduce__(self) -> tuple[Any, ...]:
        return (_made, (type(self), str(self), self.code, self.path, self.errno))


class NoJournalError(JournalError):
    """There is no journal in the directory, and none was to be made: is the right volume mounted?"""


class NotWrittenError(JournalError):
    """Certainly nothing was written: a full disk (code "disk_full"), or a failure before the write (code "not_written")."""


class OutcomeUnknownError(JournalError):
    """It may have been written, or not. Repeated with its idempotency key, an add is there once."""


class DamagedError(JournalError):
    """The journal holds what nobody wrote. Nothing was changed; `agent-journal verify` says what is wrong."""


class KeyConflictError(JournalError):
    """The idempotency key was used for another memory. Nothing was written."""


class BusyError(JournalError):
    """Another process has held the journal's lock for too long. Nothing was written."""


_KINDS: dict[str, type[JournalError]] = {
    "no_journal": NoJournalError,
    "not_written": NotWrittenError,
    "disk_full": NotWrittenError,
    "outcome_unknown": OutcomeUnknownError,
    "damaged": DamagedError,
    "key_conflict": KeyConflictError,
    "busy": BusyError,
}


def error(message: str, code: str, path: str | None = None, errno: int | None = None) -> JournalError:
    """The error of the kind that a code stands for."""
    return _KINDS.get(code, JournalError)(message, code=code, path=path, errno=errno)


def invalid(message: str) -> JournalError:
    return JournalError(message, code="invalid_argument")


def _made(kind: type[JournalError], message: str, code: str, path: str | None, errno: int | None) -> JournalError:
    return kind(message, code=code, path=path, errno=errno)
