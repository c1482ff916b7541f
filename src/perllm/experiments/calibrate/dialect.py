"""How an engine wants to be asked for answers of a certain length."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct


class Dialect(Struct, frozen=True, kw_only=True):
    """The name of the limit, and whether the engine can be told to write on past its own end.

    llama.cpp, vLLM and SGLang know `ignore_eos`; hosted APIs may refuse what they do not know, and the newest models
    of OpenAI refuse `max_tokens`.
    """

    limit: str = "max_tokens"
    ignores_end: bool = True

    def body(self, model: str, prompt: str, max_tokens: int) -> bytes:
        """Write a streamed call."""
        call = {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            self.limit: max_tokens,
        }
        return msgspec.json.encode({**call, "ignore_eos": True} if self.ignores_end else call)


# The first that an engine does not refuse is used.
DIALECTS: Final = (Dialect(), Dialect(ignores_end=False), Dialect(limit="max_completion_tokens", ignores_end=False))
