r"""Text that holds halves of surrogate pairs, such as the name of a file that is not UTF-8 (`os.listdir` gives `"\udcb2.txt"`).

A journal keeps UTF-8, which has no bytes for them. AutoGen keeps such text, so it is kept here too: where content or metadata holds a
half, all of their texts are escaped, a backslash as two and a half as `\udcb2`, and the metadata says so by the member `MARK`.
Reading undoes it. Whoever reads the journal with something else sees the escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

MARK = "agent_journal:escaped_surrogates"
"""The member of the metadata, true, of a memory whose texts are escaped."""

_escaped = re.compile(r"\\(\\|ud[89a-f][0-9a-f]{2})")
_to_escape = re.compile("[\\\\\ud800-\udfff]")


def are_in(value: Any) -> bool:
    """Whether a text, or a text in a list or a mapping, holds half a surrogate pair."""
    if isinstance(value, str):
        if value.isascii():
            return False
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, Mapping):
        return any(are_in(name) or are_in(item) for name, item in value.items())
    return isinstance(value, list) and any(map(are_in, value))


def escape(value: Any) -> Any:
    """The value with all of its texts escaped."""
    return _changed(value, lambda text: _to_escape.sub(_escape, text))


def unescape(value: Any) -> Any:
    """What was escaped."""
    return _changed(value, lambda text: _escaped.sub(_unescape, text))


def escaped(content: Any, metadata: Mapping[str, Any]) -> tuple[Any, dict[str, Any]] | None:
    """Both escaped and marked; None where neither holds half a surrogate pair."""
    if not are_in(content) and not (metadata and are_in(metadata)):
        return None
    return escape(content), {**escape(metadata), MARK: True}


def unescaped(content: Any, metadata: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Both as they were before they were escaped, or as they are where nothing says that they were."""
    if not metadata or metadata.get(MARK) is not True:
        return content, metadata
    return unescape(content), unescape({name: value for name, value in metadata.items() if name != MARK})


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(item, change) for item in value]
    if isinstance(value, Mapping):
        return {change(name): _changed(item, change) for name, item in value.items()}
    return value


def _escape(match: re.Match[str]) -> str:
    return "\\\\" if match[0] == "\\" else f"\\u{ord(match[0]):04x}"


def _unescape(match: re.Match[str]) -> str:
    return "\\" if match[1] == "\\" else chr(int(match[1][1:], 16))
