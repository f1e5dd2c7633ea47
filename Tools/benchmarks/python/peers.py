"""Stores that have no C interface, each add durable before the next.

    peers.py salamander|chroma DIRECTORY FILE

adds the lines of FILE to a new store in DIRECTORY and prints how many, the seconds, and the CPU seconds that this took.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Add = Callable[[int, dict[str, Any]], None]


def salamander(directory: str) -> Add:
    import salamander

    database = salamander.open(directory)

    def add(_: int, message: dict[str, Any]) -> None:
        database.append(message["conversation"], message)
        database.commit()

    return add


def chroma(directory: str) -> Add:
    """With an embedding that costs nothing."""
    import chromadb

    client = chromadb.PersistentClient(directory, settings=chromadb.Settings(anonymized_telemetry=False))
    collection = client.get_or_create_collection("memories", embedding_function=None)

    def add(number: int, message: dict[str, Any]) -> None:
        text = message["content"]
        collection.add(
            ids=[str(number)],
            documents=[text],
            metadatas=[{"conversation": message["conversation"], "role": message["role"]}],
            embeddings=[[float(len(text) % 7), 1.0, 2.0]],
        )

    return add


def main() -> None:
    logging.disable()
    store, directory, lines = sys.argv[1:]
    add = {"salamander": salamander, "chroma": chroma}[store](directory)
    with open(lines, encoding="utf-8") as file:
        messages = [json.loads(line) for line in file]
    # The first one makes what is made once.
    add(-1, messages[0])
    cpu = os.times()
    start = time.perf_counter()
    for number, message in enumerate(messages):
        add(number, message)
    seconds = time.perf_counter() - start
    used = os.times()
    print(len(messages), seconds, used.user + used.system - cpu.user - cpu.system)


if __name__ == "__main__":
    main()
