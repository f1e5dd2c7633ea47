"""Tool calls and their results: each result follows its call, and no call is without one.

A process that dies between a call and its result leaves a dialogue that no chat completion service accepts. The repair
appends a result that says so. Nothing is rewritten: the call that another process still works on may yet get its
result, which then takes the place of the repair when the dialogue is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
)

INTERRUPTED = "The tool call was interrupted: no result was recorded. The tool may or may not have run."


@dataclass(frozen=True)
class Recorded:
    """A message as it was recorded."""

    sequence: int
    message: LLMMessage
    repaired_call: int | None = None
    """For a repair, the sequence of the message with the call."""


@dataclass
class _Turn:
    """A message, and if it has calls, what answers them."""

    recorded: Recorded
    unanswered: list[FunctionCall] = field(default_factory=list)
    results: list[Recorded] = field(default_factory=list)
    repairs: list[Recorded] = field(default_factory=list)

    def take(self, result: Recorded, results: FunctionExecutionResultMessage) -> None:
        (self.repairs if result.repaired_call is not None else self.results).append(result)
        if result.repaired_call is None:
            for answer in results.content:
                call = next((call for call in self.unanswered if call.id == answer.call_id), None)
                if call is not None:
                    self.unanswered.remove(call)

    def repaired(self) -> list[Recorded]:
        """The repairs, without the answers that came after all."""
        missing = [call.id for call in self.unanswered]
        kept: list[Recorded] = []
        for repair in self.repairs:
            answers: list[FunctionExecutionResult] = []
            assert isinstance(repair.message, FunctionExecutionResultMessage)
            for answer in repair.message.content:
                if answer.call_id in missing:
                    missing.remove(answer.call_id)
                    answers.append(answer)
            if answers:
                message = FunctionExecutionResultMessage(content=answers)
                kept.append(Recorded(repair.sequence, message, repair.repaired_call))
        return kept

    def without_any_result(self) -> list[FunctionCall]:
        repaired = [
            answer.call_id
            for repair in self.repairs
            if isinstance(repair.message, FunctionExecutionResultMessage)
            for answer in repair.message.content
        ]
        calls: list[FunctionCall] = []
        for call in self.unanswered:
            if call.id in repaired:
                repaired.remove(call.id)
            else:
                calls.append(call)
        return calls


@dataclass(frozen=True)
class Dialogue:
    """A dialogue in the order in which it is to be read."""

    messages: list[Recorded]
    repairs: list[tuple[int, FunctionExecutionResultMessage]]
    """What to append: the sequence of a message with calls that have no result, and the result."""


def in_order(recorded: Iterable[Recorded]) -> Dialogue:
    """The dialogue with each result behind its call.

    A result belongs to the nearest message before it that has a call of its id without a result; ids may recur. A
    result without such a message is left out, as no chat completion service accepts one: its call is before a limit,
    or was forgotten, or the result was recorded twice.
    """
    turns: list[_Turn] = []
    for entry in recorded:
        message = entry.message
        if isinstance(message, FunctionExecutionResultMessage):
            turn = _turn_of(entry, message, turns)
            if turn is not None:
                turn.take(entry, message)
            continue
        calls = isinstance(message, AssistantMessage) and not isinstance(message.content, str)
        turns.append(_Turn(entry, [c for c in message.content if isinstance(c, FunctionCall)] if calls else []))
    messages: list[Recorded] = []
    repairs: list[tuple[int, FunctionExecutionResultMessage]] = []
    for turn in turns:
        messages += [turn.recorded, *turn.results, *turn.repaired()]
        if missing := turn.without_any_result():
            repairs.append((turn.recorded.sequence, _interrupted(missing)))
    return Dialogue(messages, repairs)


def _turn_of(entry: Recorded, message: FunctionExecutionResultMessage, turns: list[_Turn]) -> _Turn | None:
    if entry.repaired_call is not None:
        return next((turn for turn in turns if turn.recorded.sequence == entry.repaired_call), None)
    ids = {answer.call_id for answer in message.content}
    return next((turn for turn in reversed(turns) if any(call.id in ids for call in turn.unanswered)), None)


def _interrupted(calls: list[FunctionCall]) -> FunctionExecutionResultMessage:
    return FunctionExecutionResultMessage(
        content=[
            FunctionExecutionResult(content=INTERRUPTED, name=call.name, call_id=call.id, is_error=True)
            for call in calls
        ]
    )
