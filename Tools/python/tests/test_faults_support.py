"""A real server in processes of its own, for the tests of how agents lose their memory."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "examples" / "service"
START_SECONDS = 60
REQUEST_SECONDS = 20


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Server:
    """A server on a free port, with the processes it starts in a group of their own."""

    def __init__(self, command: list[str], memory: Path, log: Path, port: int) -> None:
        self.port = port
        self._log = log
        environment = {**os.environ, "MEMORY": str(memory)}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=EXAMPLES,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, f"the server ended:\n{self.log()}"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the server did not start:\n{self.log()}")

    def wait_until_ended(self) -> int:
        return self._process.wait(timeout=START_SECONDS)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def request(self, method: str, path: str, body: object = None) -> Reply:
        """Raises OSError or HTTPException if the worker died over it: then nobody knows what it did."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        try:
            data = body if isinstance(body, (str, type(None))) else json.dumps(body)
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request(method, path, body=data.encode() if data is not None else None, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, dict(response.headers.items()), response.read().decode())
        finally:
            connection.close()

    def ask(self, user: str, text: str) -> Any:
        reply = self.request("POST", f"/users/{user}/questions", {"text": text})
        assert reply.status == 200, f"{reply.text}\n{self.log()}"
        return reply.json()

    def tell(self, user: str, id: str, text: str) -> None:
        reply = self.request("POST", f"/users/{user}/facts", {"id": id, "text": text})
        assert reply.status == 204, f"{reply.text}\n{self.log()}"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it and its workers. With SIGKILL none of them does anything more."""
        if how == signal.SIGKILL:
            os.killpg(self._process.pid, signal.SIGKILL)
        elif self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(timeout=START_SECONDS)
        finally:
            self._kill_what_is_left()
        # As gunicorn tells it. Tests that kill workers would take such an end for theirs.
        crashed = re.findall(r"Worker .* was sent SIG(?:ILL|TRAP|ABRT|BUS|FPE|SEGV)!", self.log())
        assert not crashed, f"workers crashed: {crashed}\n{self.log()}"

    def _kill_what_is_left(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # All have ended.
        if self._process.poll() is None:
            self._process.wait(timeout=START_SECONDS)

    def __enter__(self) -> Server:
        try:
            self.wait_until_ready()
        except BaseException:
            self._kill_what_is_left()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def uvicorn(app: str, memory: Path, log: Path, *, workers: int) -> Server:
    port = free_port()
    return Server(["uvicorn", app, "--port", str(port), "--workers", str(workers)], memory, log, port)


def gunicorn(app: str, memory: Path, log: Path, *arguments: str) -> Server:
    port = free_port()
    common = ["gunicorn", app, "--bind", f"127.0.0.1:{port}", "--no-control-socket", "--workers", "4"]
    return Server([*common, *arguments], memory, log, port)
