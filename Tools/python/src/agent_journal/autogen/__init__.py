"""AutoGen agents whose memory and dialogue are kept in a journal.

`JournalMemory` is an `autogen_core.memory.Memory`, `JournalChatCompletionContext` an
`autogen_core.model_context.ChatCompletionContext`. Needed: autogen-core 0.7.5; the agents are in autogen-agentchat.
"""

from ._context import JournalChatCompletionContext, JournalChatCompletionContextConfig
from ._list_memory import import_list_memory
from ._memory import JournalMemory, JournalMemoryConfig, Recall

__all__ = [
    "JournalChatCompletionContext",
    "JournalChatCompletionContextConfig",
    "JournalMemory",
    "JournalMemoryConfig",
    "Recall",
    "import_list_memory",
]
