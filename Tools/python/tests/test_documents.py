"""The documents are run as they are written, and the manifests say what the documents say of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent.parent
DOCUMENTS = ROOT / "docs" / "python"
SERVICE = ROOT / "Tools" / "python" / "examples" / "service"
FENCE = re.compile(r"^( *)```(python|sh)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PLACE = "/var/lib/agent/memory"


def blocks(document: str, directory: Path) -> list[tuple[str, str]]:
    found = []
    for indentation, language, text in FENCE.findall((ROOT / document).read_text()):
        lines = [line.removeprefix(indentation) for line in text.splitlines(keepends=True)]
        found.append((language, "".join(lines).replace(PLACE, str(directory / "memory"))))
    return found


def run_twice(document: str, directory: Path) -> tuple[str, str]:
    """What a document's examples print, and what they print when they are run again in the same directory."""
    return run_blocks(document, directory), run_blocks(document, directory)


def run_blocks(document: str, directory: Path) -> str:
    """The shell blocks in order; before each and at the end, all Python blocks that precede it as one program."""
    output = ""
    program = ""
    for language, text in [*blocks(document, directory), ("end", "")]:
        if language == "python":
            program += text
            continue
        if program:
            output += run([sys.executable, "-c", program], directory)
        if language == "sh":
            python = Path(sys.executable).parent
            output += run(["sh", "-euc", f'PATH="{python}:$PATH"\n{text}'], directory)
    return output


def run(command: list[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_on_autogen_runs_as_written(tmp_path: Path) -> None:
    for time, output in enumerate(run_twice("docs/python/autogen.md", tmp_path), start=1):
        assert f"JournalMemory(path='{tmp_path}/memory', conversation='support/user-42/facts', count={time})" in output
        assert "UserMessage How warm is it?\nAssistantMessage I see.\n" * time in output
        assert "MemoryContent(content='prefers Celsius'" in output


def test_the_page_on_the_package_runs_as_written(tmp_path: Path) -> None:
    for output in run_twice("docs/python/journal.md", tmp_path):
        assert re.search(r"^1 user prefers email 20\d\d-", output, re.MULTILINE)
        assert output.endswith("it was added as 1 and is forgotten since\n")


def test_the_page_of_the_wheel_runs_as_written(tmp_path: Path) -> None:
    for output in run_twice("Tools/python/README.md", tmp_path):
        assert "content='prefers email'" in output


def test_the_section_of_the_readme_runs_as_written(tmp_path: Path) -> None:
    first, second = run_twice("README.md", tmp_path)
    assert f"JournalMemory(path='{tmp_path}/memory', conversation='support/user-42', count=1)" in first
    assert "MemoryContent(content='prefers email'" in first
    assert second == first, "it adds nothing, and finds the same"


def test_the_page_on_moving_over_runs_as_written(tmp_path: Path) -> None:
    first, second = run_twice("docs/python/moving-over.md", tmp_path)
    assert "1 memories added to support/user-42/facts\n" in first
    assert "0 memories added to support/user-42/facts\n" in second
    for output in (first, second):
        assert output.count("UserMessage How warm is it in Lisbon?\n") == 1
        assert output.count("AssistantMessage 24 degrees.\n") == 1


def test_the_page_on_deployment_runs_as_written(tmp_path: Path) -> None:
    run_twice("docs/python/deployment.md", tmp_path)
    assert (tmp_path / "memory" / "journal.json").exists()


@pytest.mark.parametrize("document", sorted(path.name for path in DOCUMENTS.glob("*.md")))
def test_what_a_document_links_to_is_there(document: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", (DOCUMENTS / document).read_text())
    assert [target for target in targets if "://" not in target and not (DOCUMENTS / target).exists()] == []


def manifests(name: str) -> dict[str, Any]:
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all((SERVICE / name).read_text())}


def test_the_kubernetes_manifests_are_one_pod_on_a_block_volume() -> None:
    created, served = manifests("kubernetes-create.yaml"), manifests("kubernetes.yaml")
    assert set(served) == {"Service", "StatefulSet"}, "no Deployment"
    claim = created["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert served["StatefulSet"]["spec"]["replicas"] == 1
    pods = [created["Job"]["spec"]["template"]["spec"], served["StatefulSet"]["spec"]["template"]["spec"]]
    assert pods[0]["securityContext"] == pods[1]["securityContext"], "the same user makes the journal and writes it"
    assert pods[0]["securityContext"]["fsGroup"] == 1000
    for pod in pods:
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = pod["containers"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/memory"}]
    assert pods[0]["containers"][0]["command"][-2] == pods[1]["containers"][0]["env"][0]["value"] == "/memory/journal"


def test_compose_mounts_a_named_volume_above_the_journal() -> None:
    compose = yaml.safe_load((SERVICE / "compose.yaml").read_text())
    service = compose["services"]["agent"]
    assert service["volumes"] == ["memory:/memory"]
    assert set(compose["volumes"]) == {"memory"}
    assert service["environment"]["MEMORY"].startswith("/memory/")


def test_nothing_says_that_the_package_can_be_had_from_an_index() -> None:
    paths = [ROOT / "README.md", *DOCUMENTS.glob("*.md"), *SERVICE.glob("*")]
    texts = [path.read_text() for path in paths if path.is_file()]
    assert len(texts) > 5
    wheel = re.compile(r"pip install '?wheels/agent_journal-0\.1\.0-py3-none-\w+\.whl(\[autogen\])?'?\s")
    for text in texts:
        assert "pypi" not in text.lower()
        named = re.findall(r"pip install[^\n]*agent[-_]journal[^\n]*", text, re.IGNORECASE)
        assert [line for line in named if not wheel.match(line + "\n")] == []
