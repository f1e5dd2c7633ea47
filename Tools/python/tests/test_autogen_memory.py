"""JournalMemory: what ListMemory does, and that it lasts."""

from __future__ import annotations

import asyncio
import copy
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from autogen_core import CancellationToken, ComponentModel, Image
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from autogen_core.memory import Memory as AutoGenMemory
from autogen_core.model_context import BufferedChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import SystemMessage, UserMessage
from PIL import Image as PILImage

from agent_journal import AsyncJournal, Journal, KeyConflictError, Memory, NewMemory, NoJournalError
from agent_journal.autogen import JournalChatCompletionContext, JournalMemory

T = TypeVar("T")
CONVERSATION = "support/user-42"


def run(work: Awaitable[T]) -> T:
    async def wait() -> T:
        return await work

    return asyncio.run(wait())


def text(value: str, **metadata: Any) -> MemoryContent:
    return MemoryContent(content=value, mime_type=MemoryMimeType.TEXT, metadata=metadata or None)


async def texts(memory: AutoGenMemory, query: str | MemoryContent = "", **arguments: Any) -> list[str]:
    return [cast(str, content.content) for content in (await memory.query(query, **arguments)).results]


def image() -> Image:
    picture = PILImage.new("RGB", (3, 2), (200, 100, 0))
    picture.putpixel((1, 1), (1, 2, 3))
    return Image.from_pil(picture)


# What the protocol asks for, shown on both: whatever holds for ListMemory holds for JournalMemory.


@pytest.fixture(params=["ListMemory", "JournalMemory"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> AutoGenMemory:
    if request.param == "ListMemory":
        return ListMemory()
    return JournalMemory(tmp_path / "journal", CONVERSATION)


def test_an_empty_memory_returns_nothing_and_leaves_the_context_alone(either: AutoGenMemory) -> None:
    async def scenario() -> None:
        context = BufferedChatCompletionContext(buffer_size=3)
        assert (await either.query(text("anything"))).results == []
        assert (await either.update_context(context)).memories.results == []
        assert await context.get_messages() == []

    run(scenario())


def test_memories_come_back_in_the_order_they_were_added(either: AutoGenMemory) -> None:
    contents = [
        text("likes pizza", topic="food", nested={"list": [1, 2.5, None, True], "empty": {}}),
        MemoryContent(content={"b": [1], "a": {"deep": "é"}}, mime_type=MemoryMimeType.JSON),
        MemoryContent(content="# Notes\r\n\n  two  ", mime_type=MemoryMimeType.MARKDOWN),
        MemoryContent(content=b"\x00\xff\xfebytes", mime_type=MemoryMimeType.BINARY),
        MemoryContent(content=b"\x89PNG raw", mime_type=MemoryMimeType.IMAGE),
        MemoryContent(content="", mime_type=MemoryMimeType.TEXT),
        MemoryContent(content="a,b", mime_type="text/csv"),
        MemoryContent(content='{"text": "as given" }', mime_type=MemoryMimeType.JSON),
    ]
    given = copy.deepcopy(contents)

    async def scenario() -> None:
        for content in contents:
            result: object = await cast(Any, either).add(content)
            assert result is None
        results = (await either.query("")).results
        assert results == given
        assert [type(result.content) for result in results] == [type(content.content) for content in given]

    run(scenario())
    assert contents == given, "what the caller handed over was changed"


def test_an_image_comes_back_as_an_image(either: AutoGenMemory) -> None:
    async def scenario() -> None:
        await either.add(MemoryContent(content=image(), mime_type=MemoryMimeType.IMAGE, metadata={"of": "a stamp"}))
        (result,) = (await either.query("")).results
        assert isinstance(result.content, Image)
        assert result.content.image.tobytes() == image().image.tobytes()
        assert (result.mime_type, result.metadata) == (MemoryMimeType.IMAGE, {"of": "a stamp"})

    run(scenario())


def test_the_context_gets_one_system_message_in_these_words(either: AutoGenMemory) -> None:
    async def scenario() -> None:
        await either.add(text("likes pizza"))
        await either.add(MemoryContent(content={"unit": "metric"}, mime_type=MemoryMimeType.JSON))
        await either.add(MemoryContent(content=b"\xff", mime_type=MemoryMimeType.BINARY))
        context = BufferedChatCompletionContext(buffer_size=3)
        updated = await either.update_context(context)
        assert len(updated.memories.results) == 3
        assert await context.get_messages() == [
            SystemMessage(
                content="\nRelevant memory content (in chronological order):\n"
                "1. likes pizza\n2. {'unit': 'metric'}\n3. b'\\xff'\n"
            )
        ]

    run(scenario())


def test_clear_forgets_and_close_does_not(either: AutoGenMemory) -> None:
    async def scenario() -> None:
        await either.add(text("one"))
        await either.close()
        assert await texts(either) == ["one"]
        await either.clear()
        assert await texts(either) == []
        await either.add(text("two"))
        assert await texts(either) == ["two"]

    run(scenario())


def test_a_component_is_loaded_through_the_base_class(either: AutoGenMemory) -> None:
    async def scenario() -> None:
        await either.add(text("one"))
        dumped = either.dump_component()
        assert isinstance(dumped, ComponentModel)
        assert dumped.component_type == "memory"
        await either.close()
        loaded = AutoGenMemory.load_component(ComponentModel.model_validate_json(dumped.model_dump_json()))
        assert type(loaded) is type(either)
        assert await texts(loaded) == ["one"]

    run(scenario())


# What is JournalMemory's own.


def test_two_memories_of_one_path_are_one_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        first, second = JournalMemory(tmp_path, CONVERSATION), JournalMemory(tmp_path, CONVERSATION)
        await first.add(text("from the first"))
        await second.add(text("from the second"))
        assert await texts(first) == await texts(second) == ["from the first", "from the second"]
        assert await texts(JournalMemory(tmp_path, "support/user-43")) == []

    run(scenario())


def test_the_context_gets_the_message_once_and_again_when_something_is_new(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory, context = JournalMemory(tmp_path, CONVERSATION), UnboundedChatCompletionContext()
        await memory.add(text("one"))
        await memory.update_context(context)
        again = await memory.update_context(context)
        assert len(await context.get_messages()) == 1
        assert len(again.memories.results) == 1
        await memory.add(text("two"))
        await memory.update_context(context)
        assert len(await context.get_messages()) == 2

    run(scenario())


def test_an_image_in_the_context_is_told_in_the_same_words_each_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory, context = JournalMemory(tmp_path, CONVERSATION), UnboundedChatCompletionContext()
        await memory.add(MemoryContent(content=image(), mime_type=MemoryMimeType.IMAGE))
        await memory.update_context(context)
        await memory.update_context(context)
        (message,) = await context.get_messages()
        assert "1. [image, 3 by 2 pixels]" in str(message.content)

    run(scenario())


def test_an_idempotency_key_adds_once_also_from_another_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        content = text("order placed", idempotency_key="order-17", total=3)
        await JournalMemory(tmp_path, CONVERSATION).add(content)
        memory = JournalMemory(tmp_path, CONVERSATION)
        await memory.add(content)
        assert (await memory.query()).results == [content]
        with pytest.raises(KeyConflictError):
            await memory.add(text("another order", idempotency_key="order-17", total=3))
        assert (await memory.query()).results == [content]
        (stored,) = Journal(tmp_path).memories(CONVERSATION)
        assert stored.idempotency_key == "order-17"

    run(scenario())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (text("x", when=object()), r"metadata\['when'\]"),
        (text("x", pair=(1, 2)), r"metadata\['pair'\] is of type tuple"),
        (text("x", nested={"by": {1: "one"}}), r"name in metadata\['nested'\]\['by'\] is of type int"),
        (text("x", ratio=float("nan")), r"metadata\['ratio'\] is nan"),
        (MemoryContent(content={"a": [b"x"]}, mime_type=MemoryMimeType.JSON), r"content\['a'\]\[0\]"),
        (text("x", idempotency_key=17), "an idempotency key is a str"),
        (MemoryContent(content=image(), mime_type=MemoryMimeType.TEXT), "image/"),
    ],
)
def test_what_would_not_come_back_as_it_is_is_refused(tmp_path: Path, content: MemoryContent, named: str) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION)
        with pytest.raises((TypeError, ValueError), match=named):
            await memory.add(content)
        assert await texts(memory) == []

    run(scenario())


def test_the_newest_are_returned_and_what_is_left_out_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION, limit=3)
        for number in range(3):
            await memory.add(text(str(number)))
        assert await texts(memory) == ["0", "1", "2"]
        assert not [record for record in caplog.records if record.name == "agent_journal.autogen"]
        for number in range(3, 7):
            await memory.add(text(str(number)))
        assert await texts(memory) == ["4", "5", "6"]
        assert await texts(memory, limit=2) == ["5", "6"]
        context = UnboundedChatCompletionContext()
        await memory.update_context(context)
        assert "1. 4\n2. 5\n3. 6\n" in str((await context.get_messages())[0].content)
        await JournalMemory(tmp_path, CONVERSATION, limit=3).query()

    with caplog.at_level(logging.INFO, logger="agent_journal.autogen"):
        run(scenario())
    messages = [record.getMessage() for record in caplog.records if "newest 3 of 7" in record.getMessage()]
    assert len(messages) == 1
    assert str(tmp_path) in messages[0] and CONVERSATION in messages[0]


def test_without_a_limit_all_are_returned(tmp_path: Path) -> None:
    async def scenario() -> None:
        for number in range(70):
            await JournalMemory(tmp_path, CONVERSATION).add(text(str(number)))
        assert len(await texts(JournalMemory(tmp_path, CONVERSATION))) == 50
        assert len(await texts(JournalMemory(tmp_path, CONVERSATION, limit=None))) == 70

    run(scenario())


def test_a_filter_finds_the_newest_that_match_however_far_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION, limit=2)
        with Journal(tmp_path) as journal:
            journal.add_all(
                NewMemory(
                    f"{number}",
                    metadata={"topic": "old" if number < 3 else "new", "n": number},
                    conversation=CONVERSATION,
                )
                for number in range(1200)
            )
        assert await texts(memory, metadata={"topic": "old"}) == ["1", "2"]
        assert await texts(memory, metadata={"topic": "new", "n": 700}) == ["700"]
        assert await texts(memory, metadata={"topic": "other"}) == []
        assert await texts(memory, metadata={"absent": None}) == []
        with pytest.raises(TypeError, match="top_k"):
            await memory.query("", top_k=3)

    run(scenario())


@pytest.mark.parametrize("is_coroutine", [False, True])
def test_a_recall_function_ranks_all_memories(tmp_path: Path, is_coroutine: bool) -> None:
    asked: list[tuple[str, int]] = []

    def rank(query: str, memories: Sequence[Memory]) -> Sequence[Memory]:
        asked.append((query, len(memories)))
        words = set(query.split())
        return sorted(memories, key=lambda memory: -len(words & set(str(memory.content).split())))

    async def rank_later(query: str, memories: Sequence[Memory]) -> Sequence[Memory]:
        await asyncio.sleep(0)
        return rank(query, memories)

    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION, limit=2, recall=rank_later if is_coroutine else rank)
        for value in ("has two cats", "lives in Lisbon", "has one dog", "likes tea"):
            await memory.add(text(value))
        assert await texts(memory, "has dog one") == ["has one dog", "has two cats"]
        assert await texts(memory, text("Lisbon")) == ["lives in Lisbon", "has two cats"]
        context = UnboundedChatCompletionContext()
        await context.add_message(UserMessage(content="which dog has he, one", source="user"))
        await memory.update_context(context)
        assert "1. has two cats\n2. has one dog\n" in str((await context.get_messages())[-1].content)
        with pytest.raises(NotImplementedError, match="recall"):
            memory.dump_component()

    run(scenario())
    assert asked == [("has dog one", 4), ("Lisbon", 4), ("which dog has he, one", 4)]


def test_the_config_keeps_path_conversation_limit_and_create(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dumped = JournalMemory("memory", CONVERSATION, limit=None, create=False).dump_component()
    assert dumped.provider == "agent_journal.autogen.JournalMemory"
    assert dumped.config == {
        "path": str(tmp_path / "memory"),
        "conversation": CONVERSATION,
        "limit": 0,
        "create": False,
        "read_only": False,
    }
    assert JournalMemory.load_component(dumped).dump_component() == dumped
    sparse = ComponentModel(provider=dumped.provider, config={"path": "/m", "conversation": "c"})
    assert JournalMemory.load_component(sparse).dump_component().config["limit"] == 50
    with pytest.raises(ValueError, match="limit"):
        JournalMemory("memory", CONVERSATION, limit=0)


@pytest.mark.parametrize("kind", [Journal, AsyncJournal])
def test_a_journal_that_was_handed_over_stays_open(tmp_path: Path, kind: type[Journal] | type[AsyncJournal]) -> None:
    async def scenario() -> None:
        journal = kind(tmp_path)
        memory = JournalMemory(journal, CONVERSATION)
        await memory.add(text("one"))
        await memory.close()
        count = journal.count(CONVERSATION)
        assert (count if isinstance(count, int) else await count) == 1
        closed = journal.close()
        if closed is not None:
            await closed

    run(scenario())


def test_a_missing_journal_is_an_error_and_not_an_empty_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path / "volume" / "memory", CONVERSATION, create=False)
        with pytest.raises(NoJournalError):
            await memory.query()
        with pytest.raises(NoJournalError):
            await memory.add(text("one"))
        with pytest.raises(NoJournalError):
            await memory.update_context(UnboundedChatCompletionContext())
        assert "no journal there yet" in repr(memory)

    run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_its_repr_says_where_and_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        memory = JournalMemory("memory", CONVERSATION)
        assert repr(memory) == (
            f"JournalMemory(path='{tmp_path}/memory', conversation='{CONVERSATION}', no journal there yet)"
        )
        await memory.add(text("one"))
        await memory.add(text("two"))
        assert repr(memory) == f"JournalMemory(path='{tmp_path}/memory', conversation='{CONVERSATION}', count=2)"
        await memory.close()

    run(scenario())


def test_each_add_is_logged_for_debugging_without_its_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION)
        await memory.add(text("a secret", idempotency_key="k"))
        await memory.add(text("a secret", idempotency_key="k"))

    with caplog.at_level(logging.DEBUG, logger="agent_journal.autogen"):
        run(scenario())
    added = [record.getMessage() for record in caplog.records if record.name == "agent_journal.autogen"]
    assert [message.split(",")[0] for message in added] == ["memory 1 added", "memory 1 was there already"]
    assert all(str(tmp_path) in message and "secret" not in message for message in added)


def test_save_is_a_flush_to_look_back_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION)
        await memory.add(text("one"))
        assert await memory.save() == 2
        assert await memory.save("after onboarding") == 3
        assert await texts(memory) == ["one"]

    run(scenario())


def test_a_token_cancelled_before_means_not_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory, token = JournalMemory(tmp_path, CONVERSATION), CancellationToken()
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await memory.add(text("one"), token)
        assert await texts(memory) == []
        await memory.add(text("two"), CancellationToken())
        assert await texts(memory) == ["two"]

    run(scenario())


def test_memories_that_other_programs_added_are_read(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(CONVERSATION, "plain", role="user")
        journal.add(CONVERSATION, {"a": 1})
        journal.add(CONVERSATION, b"\x01")
        journal.add(CONVERSATION, [1, "two"])
        journal.add(CONVERSATION, {"data": "no image"}, mime_type="image/png")
    results = run(JournalMemory(tmp_path, CONVERSATION).query()).results
    assert results == [
        MemoryContent(content="plain", mime_type=MemoryMimeType.TEXT),
        MemoryContent(content={"a": 1}, mime_type=MemoryMimeType.JSON),
        MemoryContent(content=b"\x01", mime_type=MemoryMimeType.BINARY),
        MemoryContent(content='[1, "two"]', mime_type=MemoryMimeType.JSON),
        MemoryContent(content={"data": "no image"}, mime_type="image/png"),
    ]


def test_json_with_a_member_data_is_no_image(tmp_path: Path) -> None:
    values: list[Any] = [{"data": "abcd", "kind": "sensor"}, {"data": image().to_base64()}, {"data": 1}]
    with Journal(tmp_path) as journal:
        for value in values:
            journal.add(CONVERSATION, value)
        memory = JournalMemory(journal, CONVERSATION)
        assert [content.content for content in run(memory.query()).results] == values
        context = UnboundedChatCompletionContext()
        run(memory.update_context(context))
        assert len(run(context.get_messages())) == 1


def test_a_repr_writes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = "import os, sys, agent_journal; j = agent_journal.Journal(sys.argv[1]); j.add('c', 'x'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "memory")], check=False)

    def files() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in (tmp_path / "memory").rglob("*") if path.is_file()}

    before = files()
    caplog.set_level(logging.DEBUG)
    assert repr(JournalMemory(tmp_path / "memory", "c")).endswith("count=1)")
    assert repr(JournalMemory(Journal(tmp_path / "memory", read_only=True), "c")).endswith("count=1)")
    assert files() == before
    assert caplog.records == []


@pytest.mark.parametrize("conversation, limit", [("", 1), (None, 1), (3, 1), ("c", True), ("c", 2.5), ("c", 0)])
def test_what_can_be_no_conversation_or_limit_is_refused_at_once(tmp_path: Path, conversation: Any, limit: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        JournalMemory(tmp_path, conversation, limit=limit)
    with pytest.raises((TypeError, ValueError)):
        JournalChatCompletionContext(tmp_path, conversation, limit=limit)


@pytest.mark.parametrize("returned", [None, ["text"], 3])
def test_a_recall_that_returns_anything_else_is_told(tmp_path: Path, returned: Any) -> None:
    memory = JournalMemory(tmp_path, CONVERSATION, recall=lambda query, memories: returned)
    with pytest.raises(TypeError, match="recall"):
        run(memory.query("x"))


def test_only_what_the_memory_itself_leaves_out_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, CONVERSATION, limit=5)
        for number in range(10):
            await memory.add(text(str(number), even=number % 2 == 0))
        caplog.clear()
        await memory.query(limit=2)
        await memory.query(metadata={"even": True}, limit=2)
        assert caplog.records == []
        await memory.query()
        assert ["5 of 10" in record.getMessage() for record in caplog.records] == [True]
        await memory.close()

    caplog.set_level(logging.WARNING)
    run(scenario())


def test_memories_of_a_path_leave_no_threads_behind(tmp_path: Path) -> None:
    async def scenario() -> None:
        for number in range(100):
            memory = JournalMemory(tmp_path, CONVERSATION)
            await memory.add(text(str(number)))
            await memory.close()

    before = threading.active_count()
    run(scenario())
    assert threading.active_count() < before + 30
