"""`python -m agent_journal ...` and `agent-journal ...`: the tool that the wheel carries."""

from __future__ import annotations

import os
import sys
from pathlib import Path

TOOL = Path(__file__).parent / "agent-journal"


def main() -> None:
    """Becomes the tool. Its exit status is this one's."""
    os.execv(TOOL, [str(TOOL), *sys.argv[1:]])


if __name__ == "__main__":
    main()
