"""A WSGI service whose memory is made before gunicorn forks its workers, or in each of them: both work.

    MEMORY=/var/lib/agent/memory gunicorn workers:app --workers 4 --preload

    POST /facts/17   the body is remembered, once for each number
    GET  /facts      one fact a line
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from autogen_core.memory import MemoryContent, MemoryMimeType

from agent_journal.autogen import JournalMemory

memory = JournalMemory(os.environ["MEMORY"], "facts", limit=None)
asyncio.run(memory.query())  # Opens it. With --preload that is before the fork.


def app(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """A request is answered when what it did is on stable storage."""
    body = asyncio.run(_post(environ) if environ["REQUEST_METHOD"] == "POST" else _get())
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("X-Worker", str(os.getpid()))])
    return [body]


async def _post(environ: dict[str, Any]) -> bytes:
    text = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
    key = environ["PATH_INFO"].rpartition("/")[2]
    metadata = {"idempotency_key": key}
    await memory.add(MemoryContent(content=text, mime_type=MemoryMimeType.TEXT, metadata=metadata))
    return b"remembered\n"


async def _get() -> bytes:
    results = (await memory.query()).results
    return "".join(str(content.content) + "\n" for content in results).encode()
