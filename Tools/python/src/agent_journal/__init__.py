"""The durable memory of agents: a journal on disk that outlives the process.

    from agent_journal import Journal

    with Journal("/var/lib/agent/memory") as journal:
        journal.add("support/user-42", "prefers email", role="user")
        print(journal.memories("support/user-42", last=20))

`AsyncJournal` is the same for asyncio; `agent_journal.autogen` gives AutoGen agents a memory. `python -m agent_journal` runs the
tool: `doctor`, `log`, `show`, `verify`, `compact` and more.
"""

from ._async_journal import AsyncJournal
from ._errors import (
    BusyError,
    DamagedError,
    JournalError,
    KeyConflictError,
    NoJournalError,
    NotWrittenError,
    OutcomeUnknownError,
)
from ._journal import Journal
from ._json import JSON
from ._values import Content, Event, KeyedMemory, Memory, NewMemory, Receipt
from ._version import __version__

__all__ = [
    "JSON",
    "AsyncJournal",
    "BusyError",
    "Content",
    "DamagedError",
    "Event",
    "Journal",
    "JournalError",
    "KeyConflictError",
    "KeyedMemory",
    "Memory",
    "NewMemory",
    "NoJournalError",
    "NotWrittenError",
    "OutcomeUnknownError",
    "Receipt",
    "__version__",
]
