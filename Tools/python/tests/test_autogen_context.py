"""JournalChatCompletionContext: an agent's dialogue, recorded by the agent itself, and there in the next process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core import FunctionCall, Image
from autogen_core.memory import ListMemory, MemoryContent
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_ext.models.replay import ReplayChatCompletionClient
from PIL import Image as PILImage

from agent_journal import AsyncJournal, Journal, NoJournalError
from agent_journal.autogen import JournalChatCompletionContext, JournalMemory

T = TypeVar("T")
CONVERSATION = "support/user-42/dialogue"
MODEL = ModelInfo(
    vision=True, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
)


def run(work: Awaitable[T]) -> T:
    async def wait() -> T:
        return await work

    return asyncio.run(wait())


def user(content: str) -> UserMessage:
    return UserMessage(content=content, source="user")


def calls(*ids: str) -> AssistantMessage:
    return AssistantMessage(
        content=[FunctionCall(id=id, name="weather", arguments='{"city": "Lisbon"}') for id in ids], source="assistant"
    )


def results(*ids: str, content: str = "24 degrees") -> FunctionExecutionResultMessage:
    return FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(call_id=id, name="weather", content=content, is_error=False) for id in ids]
    )


def reply(content: str | list[FunctionCall]) -> CreateResult:
    return CreateResult(
        finish_reason="stop" if isinstance(content, str) else "function_calls",
        content=content,
        usage=RequestUsage(prompt_tokens=1, completion_tokens=1),
        cached=False,
        thought="thinking it over",
    )


async def filled(path: Path, *messages: LLMMessage) -> JournalChatCompletionContext:
    context = JournalChatCompletionContext(path, CONVERSATION)
    for message in messages:
        await context.add_message(message)
    return context


def summary(messages: list[LLMMessage]) -> list[str]:
    return [
        message.content if isinstance(message.content, str) else type(message).__name__ for message in messages
    ]


@pytest.fixture(params=["AutoGen's", "the journal's"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> ChatCompletionContext:
    if request.param == "AutoGen's":
        return UnboundedChatCompletionContext()
    return JournalChatCompletionContext(tmp_path / "journal", CONVERSATION)


DIALOGUE: list[LLMMessage] = [
    SystemMessage(content="Answer briefly."),
    user("How warm is it in Lisbon?"),
    AssistantMessage(content=calls("1").content, thought="the tool knows", source="assistant"),
    results("1"),
    AssistantMessage(content="24 degrees.", source="assistant"),
    UserMessage(content="", source="user proxy"),
    AssistantMessage(content="", thought="", source="other"),
]


def test_messages_come_back_as_they_were_added(either: ChatCompletionContext) -> None:
    async def scenario() -> None:
        for message in DIALOGUE:
            await either.add_message(message)
        assert await either.get_messages() == DIALOGUE
        await either.clear()
        assert await either.get_messages() == []

    run(scenario())


def test_a_state_is_saved_and_loaded(either: ChatCompletionContext) -> None:
    async def scenario() -> None:
        for message in DIALOGUE:
            await either.add_message(message)
        state = await either.save_state()
        await either.clear()
        await either.add_message(user("something else"))
        await either.load_state(state)
        assert await either.get_messages() == DIALOGUE
        other = UnboundedChatCompletionContext()
        await other.load_state(state)
        assert await other.get_messages() == DIALOGUE

    run(scenario())


def test_a_component_is_loaded_through_the_base_class(either: ChatCompletionContext) -> None:
    dumped = either.dump_component()
    assert dumped.component_type == "chat_completion_context"
    loaded = ChatCompletionContext.load_component(dumped)
    assert type(loaded) is type(either)
    assert loaded.dump_component() == dumped


def test_a_message_with_an_image_comes_back_as_it_was(tmp_path: Path) -> None:
    picture = Image.from_pil(PILImage.new("RGB", (4, 3), (9, 8, 7)))

    async def scenario() -> None:
        await filled(tmp_path, UserMessage(content=["look", picture, "at this"], source="user"))
        (message,) = await JournalChatCompletionContext(tmp_path, CONVERSATION).get_messages()
        assert isinstance(message, UserMessage) and isinstance(message.content, list)
        first, middle, last = message.content
        assert (first, last) == ("look", "at this")
        assert isinstance(middle, Image) and middle.image.tobytes() == picture.image.tobytes()

    run(scenario())


def test_an_agent_records_its_whole_dialogue_and_a_new_one_has_it_back(tmp_path: Path) -> None:
    async def weather(city: str) -> str:
        """The weather of a city."""
        return f"24 degrees in {city}"

    def agent(client: ReplayChatCompletionClient) -> AssistantAgent:
        return AssistantAgent(
            "assistant",
            model_client=client,
            tools=[weather],
            reflect_on_tool_use=True,
            memory=[JournalMemory(tmp_path, "support/user-42/memory")],
            model_context=JournalChatCompletionContext(tmp_path, CONVERSATION),
        )

    async def scenario() -> None:
        await JournalMemory(tmp_path, "support/user-42/memory").add(
            MemoryContent(content="prefers Celsius", mime_type="text/plain")
        )
        call = FunctionCall(id="1", name="weather", arguments='{"city": "Lisbon"}')
        first = ReplayChatCompletionClient([reply([call]), reply("It is 24 degrees.")], model_info=MODEL)
        await agent(first).run(task="How warm is it in Lisbon?")
        second = ReplayChatCompletionClient([reply("You asked about Lisbon.")], model_info=MODEL)
        await agent(second).run(task="What did I ask?")
        asked = second.create_calls[0]["messages"]
        assert [type(message).__name__ for message in asked] == [
            "SystemMessage",
            "UserMessage",
            "AssistantMessage",
            "FunctionExecutionResultMessage",
            "AssistantMessage",
            "UserMessage",
            "SystemMessage",
        ]
        assert asked[2].content == [call]
        assert asked[3].content[0].content == "24 degrees in Lisbon"
        assert asked[4].content == "It is 24 degrees."
        assert "1. prefers Celsius" in asked[6].content

    run(scenario())
    with Journal(tmp_path) as journal:
        recorded = journal.memories(CONVERSATION)
    assert [memory.role for memory in recorded] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert recorded[1].metadata == {"source": "assistant", "thought": "thinking it over"}
    assert recorded[0].content == "How warm is it in Lisbon?", "readable in the log"


@pytest.mark.parametrize("is_journaled", [False, True])
def test_what_a_memory_adds_is_seen_but_not_recorded(tmp_path: Path, is_journaled: bool) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, "facts") if is_journaled else ListMemory()
        await memory.add(MemoryContent(content="likes pizza", mime_type="text/plain"))
        context = await filled(tmp_path, user("hello"))
        await memory.update_context(context)
        await context.add_message(AssistantMessage(content="hi", source="assistant"))
        first, second, third = await context.get_messages()
        assert (first.content, third.content) == ("hello", "hi")
        assert isinstance(second, SystemMessage) and "likes pizza" in second.content
        if is_journaled:
            await memory.update_context(context)
            assert len(await context.get_messages()) == 3
        assert len((await context.save_state())["messages"]) == 2
        assert summary(await JournalChatCompletionContext(tmp_path, CONVERSATION).get_messages()) == ["hello", "hi"]

    run(scenario())


def test_a_memory_message_before_all_others_comes_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory = JournalMemory(tmp_path, "facts")
        await memory.add(MemoryContent(content="likes pizza", mime_type="text/plain"))
        context = JournalChatCompletionContext(tmp_path, CONVERSATION)
        await memory.update_context(context)
        assert len(await context.get_messages()) == 1
        await context.add_message(user("hello"))
        assert [message.type for message in await context.get_messages()] == ["SystemMessage", "UserMessage"]

    run(scenario())


def test_what_another_process_adds_is_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        first, second = await filled(tmp_path, user("one")), await filled(tmp_path)
        assert summary(await second.get_messages()) == ["one"]
        await first.add_message(user("two"))
        assert summary(await second.get_messages()) == ["one", "two"]

    run(scenario())


def test_a_call_left_open_by_a_crash_is_answered_by_appending(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        await filled(tmp_path, user("how warm"), calls("1", "2"))
        with Journal(tmp_path) as journal:
            before = journal.memories(CONVERSATION)
        context = JournalChatCompletionContext(tmp_path, CONVERSATION)
        repaired = await context.get_messages()
        assert [message.type for message in repaired] == [
            "UserMessage",
            "AssistantMessage",
            "FunctionExecutionResultMessage",
        ]
        assert isinstance(repaired[2], FunctionExecutionResultMessage)
        assert [(result.call_id, result.name, result.is_error) for result in repaired[2].content] == [
            ("1", "weather", True),
            ("2", "weather", True),
        ]
        assert "interrupted" in repaired[2].content[0].content
        with Journal(tmp_path) as journal:
            after = journal.memories(CONVERSATION)
        assert after[:-1] == before, "nothing was rewritten"
        assert after[-1].metadata == {"repaired_call": before[-1].sequence}
        assert await JournalChatCompletionContext(tmp_path, CONVERSATION).get_messages() == repaired
        with Journal(tmp_path) as journal:
            assert journal.memories(CONVERSATION) == after, "repaired once"

    run(scenario())
    assert [r.levelno for r in caplog.records if "2 tool calls without a result" in r.getMessage()] == [logging.WARNING]


def test_an_agent_goes_on_after_a_crash_within_a_tool_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        await filled(tmp_path, user("how warm"), calls("1"))
        client = ReplayChatCompletionClient([reply("Let us try again.")], model_info=MODEL)
        agent = AssistantAgent(
            "assistant", client, model_context=JournalChatCompletionContext(tmp_path, CONVERSATION), system_message=None
        )
        await agent.run(task="are you there?")
        assert [message.type for message in client.create_calls[0]["messages"]] == [
            "UserMessage",
            "AssistantMessage",
            "FunctionExecutionResultMessage",
            "UserMessage",
        ]

    run(scenario())


def test_only_the_missing_results_are_repaired(tmp_path: Path) -> None:
    async def scenario() -> None:
        await filled(tmp_path, calls("1", "2"), results("1"))
        _, first, second = await JournalChatCompletionContext(tmp_path, CONVERSATION).get_messages()
        assert first == results("1")
        assert isinstance(second, FunctionExecutionResultMessage)
        assert [result.call_id for result in second.content] == ["2"]

    run(scenario())


def test_a_result_that_comes_after_the_repair_takes_its_place(tmp_path: Path) -> None:
    async def scenario() -> None:
        working = await filled(tmp_path, user("how warm"), calls("1"))
        reading = JournalChatCompletionContext(tmp_path, CONVERSATION)
        assert (await reading.get_messages())[-1] != results("1")
        await reading.add_message(user("are you there?"))
        await working.add_message(results("1"))
        for context in (working, reading, JournalChatCompletionContext(tmp_path, CONVERSATION)):
            assert await context.get_messages() == [
                user("how warm"),
                calls("1"),
                results("1"),
                user("are you there?"),
            ]

    run(scenario())


def test_a_new_process_may_itself_add_the_missing_result(tmp_path: Path) -> None:
    async def scenario() -> None:
        await filled(tmp_path, calls("1"))
        await filled(tmp_path, results("1"))
        assert await (await filled(tmp_path)).get_messages() == [calls("1"), results("1")]
        assert Journal(tmp_path).count(CONVERSATION) == 2

    run(scenario())


def test_ids_of_calls_may_recur(tmp_path: Path) -> None:
    async def scenario() -> None:
        messages: list[LLMMessage] = [
            calls("1"),
            results("1"),
            user("again"),
            calls("1", "1"),
            results("1", "1"),
            calls("1"),
        ]
        await filled(tmp_path, *messages)
        loaded = await (await filled(tmp_path)).get_messages()
        assert loaded[:6] == messages
        assert len(loaded) == 7

    run(scenario())


def test_the_newest_messages_without_a_result_whose_call_is_cut_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        await filled(tmp_path, user("one"), calls("1"), results("1"), user("two"), user("three"))
        expected = {1: ["three"], 3: ["two", "three"], 4: ["AssistantMessage", "FunctionExecutionResultMessage"]}
        for limit, messages in expected.items():
            context = JournalChatCompletionContext(tmp_path, CONVERSATION, limit=limit)
            assert summary(await context.get_messages())[: len(messages)] == messages
            assert len((await context.save_state())["messages"]) == 5, "all are recorded"

    run(scenario())


def test_initial_messages_are_recorded_once(tmp_path: Path) -> None:
    def context() -> JournalChatCompletionContext:
        return JournalChatCompletionContext(tmp_path, CONVERSATION, initial_messages=[user("example"), user("example")])

    async def scenario() -> None:
        assert summary(await context().get_messages()) == ["example", "example"]
        first = context()
        await first.add_message(user("hello"))
        assert summary(await context().get_messages()) == ["example", "example", "hello"]
        assert ChatCompletionContext.load_component(first.dump_component()).dump_component() == first.dump_component()
        await first.clear()
        assert await first.get_messages() == await context().get_messages() == []

    run(scenario())


def test_loading_a_state_keeps_what_is_common_and_forgets_the_rest(tmp_path: Path) -> None:
    async def scenario() -> None:
        context = await filled(tmp_path, user("one"), user("two"))
        state = await context.save_state()
        with Journal(tmp_path) as journal:
            kept = journal.memories(CONVERSATION)
            await context.load_state(state)
            assert journal.memories(CONVERSATION) == kept
            await context.add_message(user("three"))
            await context.load_state(state)
            assert journal.memories(CONVERSATION) == kept
            await context.load_state({"messages": [user("one").model_dump(), user("other").model_dump()]})
            assert summary(await context.get_messages()) == ["one", "other"]
            assert journal.memories(CONVERSATION)[0] == kept[0]

    run(scenario())


def test_a_state_of_another_context_is_loaded_with_what_its_memory_added(tmp_path: Path) -> None:
    async def scenario() -> None:
        memory, other = ListMemory(), UnboundedChatCompletionContext()
        await memory.add(MemoryContent(content="likes pizza", mime_type="text/plain"))
        await other.add_message(user("one"))
        await memory.update_context(other)
        await other.add_message(user("two"))
        context = await filled(tmp_path)
        await context.load_state(await other.save_state())
        assert await context.get_messages() == await other.get_messages()
        assert summary(await (await filled(tmp_path)).get_messages()) == ["one", "two"]

    run(scenario())


def test_an_agents_state_is_saved_and_loaded(tmp_path: Path) -> None:
    def agent(path: Path) -> AssistantAgent:
        client = ReplayChatCompletionClient(["hello"], model_info=MODEL)
        return AssistantAgent("assistant", client, model_context=JournalChatCompletionContext(path, CONVERSATION))

    async def scenario() -> None:
        first = agent(tmp_path / "first")
        await first.run(task="hi")
        second = agent(tmp_path / "second")
        await second.load_state(await first.save_state())
        assert summary(await second.model_context.get_messages()) == ["hi", "hello"]
        loaded = AssistantAgent.load_component(first.dump_component())
        assert summary(await loaded.model_context.get_messages()) == ["hi", "hello"]

    run(scenario())


def test_imported_lines_of_a_chat_service_are_a_dialogue(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.add(CONVERSATION, "be brief", role="system")
        journal.add(CONVERSATION, "how warm", role="user")
        journal.add(
            CONVERSATION,
            "",
            role="assistant",
            metadata={
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lisbon"}'}}
                ]
            },
        )
        journal.add(CONVERSATION, "24 degrees", role="tool", metadata={"tool_call_id": "1", "name": "weather"})
        journal.add(CONVERSATION, "24 degrees.", role="assistant", metadata={"source": "expert"})
    answer = FunctionExecutionResult(content="24 degrees", name="weather", call_id="1")
    assert run(JournalChatCompletionContext(tmp_path, CONVERSATION).get_messages()) == [
        SystemMessage(content="be brief"),
        user("how warm"),
        calls("1"),
        FunctionExecutionResultMessage(content=[answer]),
        AssistantMessage(content="24 degrees.", source="expert"),
    ]


def test_a_memory_that_is_no_message_is_named_and_not_left_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        await JournalMemory(tmp_path, CONVERSATION).add(MemoryContent(content="a fact", mime_type="text/plain"))
        with pytest.raises(ValueError, match=f"memory 1 of conversation {CONVERSATION} is no chat message"):
            await JournalChatCompletionContext(tmp_path, CONVERSATION).get_messages()

    run(scenario())


def test_a_missing_journal_is_an_error_and_not_an_empty_dialogue(tmp_path: Path) -> None:
    async def scenario() -> None:
        context = JournalChatCompletionContext(tmp_path / "volume", CONVERSATION, create=False)
        with pytest.raises(NoJournalError):
            await context.get_messages()
        with pytest.raises(NoJournalError):
            await context.add_message(user("hello"))

    run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_close_deletes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        context = await filled(tmp_path, user("one"))
        await context.close()
        assert summary(await (await filled(tmp_path)).get_messages()) == ["one"]

    run(scenario())


def test_a_call_left_open_within_a_living_process_is_answered(tmp_path: Path) -> None:
    async def scenario() -> None:
        context = await filled(tmp_path, user("weather?"), calls("1"))
        await context.add_message(user("never mind"))  # The task that ran the tool was cancelled.
        assert summary(await context.get_messages()) == summary(
            [user("weather?"), calls("1"), results("1"), user("never mind")]
        )
        await context.add_message(calls("2"))
        await context.add_message(results("2"))
        await context.add_message(user("thanks"))
        assert len(await context.get_messages()) == 7
        await context.close()

    run(scenario())


def test_no_result_is_returned_without_its_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        context = await filled(tmp_path / "loaded", user("weather?"), calls("1"))
        other = JournalChatCompletionContext(tmp_path / "loaded", CONVERSATION)
        await other.get_messages()  # Repairs it.
        await context.add_message(results("1"))
        fresh = UnboundedChatCompletionContext(initial_messages=[user("fresh")])
        await context.load_state(await fresh.save_state())
        assert summary(await context.get_messages()) == summary([user("fresh")])
        assert summary(await other.get_messages()) == summary([user("fresh")])
        await context.close()
        await other.close()

        context = await filled(tmp_path / "cleared", user("weather?"), calls("1"))
        other = JournalChatCompletionContext(tmp_path / "cleared", CONVERSATION)
        await other.clear()
        await context.add_message(results("1"))
        assert await context.get_messages() == []
        await context.close()
        await other.close()

        context = await filled(tmp_path / "twice", calls("1"), results("1"), results("1"))
        assert summary(await context.get_messages()) == summary([calls("1"), results("1")])
        await context.close()

    run(scenario())


def test_a_limit_counts_what_memories_add_and_keeps_the_newest(tmp_path: Path) -> None:
    def said(number: int) -> SystemMessage:
        return SystemMessage(content=f"\nRelevant memory content (in chronological order):\n1. {number}\n")

    async def scenario() -> None:
        context = JournalChatCompletionContext(tmp_path, CONVERSATION, limit=3)
        for number in range(10):
            await context.add_message(user(f"{number}"))
            await context.add_message(said(number))
        found = await context.get_messages()
        assert [message.content for message in found[1:]] == ["9", said(9).content]
        assert len(found) == 3
        assert len(context._of_memory) <= 3
        await context.close()

    run(scenario())


def test_an_empty_state_is_loaded_as_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        context = JournalChatCompletionContext(tmp_path, CONVERSATION, initial_messages=[user("first")])
        await context.load_state({"messages": []})
        assert await context.get_messages() == []
        await context.close()
        other = [user("first"), user("second")]
        context = JournalChatCompletionContext(tmp_path, "another", initial_messages=[user("first"), user("then")])
        assert len(await context.get_messages()) == 2
        await context.clear()
        assert await context.get_messages() == []
        context = JournalChatCompletionContext(tmp_path, "another", initial_messages=list[LLMMessage](other))
        assert summary(await context.get_messages()) == summary(list[LLMMessage](other))
        await context.close()

    run(scenario())


def test_lines_with_members_that_are_null_are_a_dialogue(tmp_path: Path) -> None:
    async def scenario() -> list[LLMMessage]:
        context = JournalChatCompletionContext(tmp_path, CONVERSATION)
        return await context.get_messages()

    with Journal(tmp_path) as journal:
        journal.add(CONVERSATION, "hello", role="assistant", metadata={"tool_calls": None, "refusal": None})
    (message,) = run(scenario())
    assert isinstance(message, AssistantMessage) and message.content == "hello"


def test_of_a_journal_that_is_handed_over_the_settings_are_dumped(tmp_path: Path) -> None:
    for journal in (Journal(tmp_path / "memory", create=False), AsyncJournal(tmp_path / "memory", create=False)):
        for component in (JournalMemory(journal, "c"), JournalChatCompletionContext(journal, "c")):
            dumped = component.dump_component()
            assert (dumped.config["create"], dumped.config["read_only"]) == (False, False)
            loaded = type(component).load_component(dumped)
            with pytest.raises(NoJournalError):
                run(loaded.query() if isinstance(loaded, JournalMemory) else loaded.get_messages())
    reader = JournalMemory(Journal(tmp_path / "memory", read_only=True), "c")
    assert JournalMemory.load_component(reader.dump_component())._handle.read_only
    assert not (tmp_path / "memory").exists()
