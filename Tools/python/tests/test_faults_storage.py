"""A volume that is not mounted, and places that do not last: an error or a warning at open, and `doctor` explains."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

OPEN = """
import asyncio, logging, sys
from autogen_core.memory import MemoryContent
from agent_journal.autogen import JournalMemory
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

async def main():
    memory = JournalMemory(sys.argv[1], "facts", create=sys.argv[2] == "create")
    if sys.argv[2] == "create":
        await memory.add(MemoryContent(content="likes pizza", mime_type="text/plain"))
    print([content.content for content in (await memory.query()).results])

asyncio.run(main())
"""


def open_memory(path: Path, how: str) -> list[str]:
    return [sys.executable, "-c", OPEN, str(path), how]


def doctor(path: Path) -> list[str]:
    return [sys.executable, "-m", "agent_journal", "doctor", str(path)]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def mounted(mount: list[str], then: list[list[str]], unmount: Path | None = None) -> list[subprocess.CompletedProcess[str]]:
    """The commands in a mount namespace of their own, which ends with them."""
    program = f"""
import json, subprocess
def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr]
results = [run({mount!r})]
*rest, last = {then!r}
results += [run(command) for command in rest]
if {unmount is not None!r}:
    results.append(run(["umount", {str(unmount)!r}]))
results.append(run(last))
print(json.dumps(results))
"""
    done = run(["unshare", "--mount", "--propagation", "private", sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
    return [
        subprocess.CompletedProcess([], code, output, errors) for code, output, errors in json.loads(done.stdout)
    ]


def can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs root and mount namespaces")


def warnings(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if line.startswith("WARNING agent_journal")]


@needs_mounts
def test_a_volume_that_is_not_mounted_is_an_error_and_not_an_empty_memory(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    mount, first, second, unmount, missing = mounted(
        ["mount", "-t", "tmpfs", "tmpfs", str(volume)],
        [
            open_memory(volume / "memory", "create"),
            open_memory(volume / "memory", "never"),
            open_memory(volume / "memory", "never"),
        ],
        unmount=volume,
    )
    assert (mount.returncode, first.returncode, second.returncode, unmount.returncode) == (0, 0, 0, 0), first.stderr
    assert first.stdout == second.stdout == "['likes pizza']\n"
    assert missing.returncode != 0
    assert missing.stdout == ""
    assert "NoJournalError" in missing.stderr and str(volume / "memory") in missing.stderr
    assert list(volume.iterdir()) == [], "nothing was made under the mount point"


@needs_mounts
def test_the_layer_of_a_container_is_warned_of_and_explained(tmp_path: Path) -> None:
    lower, upper, work, root = (tmp_path / name for name in ("lower", "upper", "work", "root"))
    for directory in (lower, upper, work, root):
        directory.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mount, opened, told = mounted(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(root)],
        [open_memory(root / "memory", "create"), doctor(root / "memory")],
    )
    if mount.returncode != 0:
        pytest.skip(f"no overlay can be mounted here: {mount.stderr}")
    assert (opened.returncode, opened.stdout) == (0, "['likes pizza']\n"), opened.stderr
    assert any("overlay" in line and str(root / "memory") in line for line in warnings(opened.stderr)), opened.stderr
    assert "overlay is the container's own layer" in told.stdout


@pytest.fixture
def directory_in_memory() -> Iterator[Path]:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_a_directory_in_memory_is_warned_of_and_explained(directory_in_memory: Path) -> None:
    path = directory_in_memory / "memory"
    opened = run(open_memory(path, "create"))
    assert (opened.returncode, opened.stdout) == (0, "['likes pizza']\n"), opened.stderr
    assert any("tmpfs" in line and str(path) in line for line in warnings(opened.stderr)), opened.stderr
    assert "tmpfs is memory: gone after a restart" in run(doctor(path)).stdout


def test_a_temporary_directory_is_warned_of() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "memory"
        opened = run(open_memory(path, "create"))
        assert (opened.returncode, opened.stdout) == (0, "['likes pizza']\n"), opened.stderr
        assert any("temporary" in line and str(path) in line for line in warnings(opened.stderr)), opened.stderr
        assert "temporary directory" in run(doctor(path)).stdout


def test_a_directory_that_lasts_is_not_warned_of() -> None:
    here = Path(__file__).parent
    kind = run(["stat", "--file-system", "--format=%T", str(here)]).stdout.strip()
    temporary = ("/tmp", "/var/tmp", tempfile.gettempdir())
    if kind in ("overlayfs", "tmpfs") or any(here.is_relative_to(directory) for directory in temporary):
        pytest.skip("these tests are in a place that does not last themselves")
    with tempfile.TemporaryDirectory(dir=here) as directory:
        opened = run(open_memory(Path(directory) / "memory", "create"))
        assert opened.returncode == 0, opened.stderr
        assert "INFO agent_journal" in opened.stderr, "where the memory is is told"
        if "overlay" not in opened.stderr:  # The tests themselves may run in a container's layer.
            assert warnings(opened.stderr) == []
