"""`python -m agent_journal.autogen DIR CONVERSATION FILE`: a dumped ListMemory into a journal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from agent_journal import Journal, JournalError

from ._list_memory import check_list_memory, import_list_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 it could not be done, 64 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m agent_journal.autogen",
        description="Adds to a journal what a ListMemory held, from the JSON of its dump_component(). "
        "Repeating it adds nothing.",
    )
    parser.add_argument("directory", help="the journal's directory; it is made if it is not there")
    parser.add_argument("conversation", help="the conversation, for example support/user-42")
    parser.add_argument("file", help="the JSON; - for standard input")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as exit:
        return 64 if exit.code else 0
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text(encoding="utf-8")
        dumped = json.loads(text)
        check_list_memory(dumped)
        with Journal(options.directory) as journal:
            new = import_list_memory(journal, options.conversation, dumped)
    except (JournalError, OSError, TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{new} memories added to {options.conversation}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
