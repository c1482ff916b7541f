"""The words of an emulated engine: whole answers, and the events of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from perllm.domain.attempt import Ending
from perllm.simulation.job import Job
from perllm.wire.call import Call, Endpoint
from perllm.wire.stream import DONE, frame

# Every token is this word: answers are there to be counted and timed, not to be read.
TOKEN = " word"


class Answer:
    """Renders one answer in the dialect of the endpoint it was asked at.

    Usage is told `usage_factor` times as large as it was; None: it is not told.
    """

    usage_factor: int | None = 1

    def __init__(self, call: Call, job: Job, answer_id: str, created_at_s: float) -> None:
        self._chat = call.endpoint is Endpoint.CHAT
        self._wants_usage = call.wants_usage
        self._job = job
        self._about = {"id": answer_id, "created": int(created_at_s), "model": call.model}
        self._token = self._event({"content": TOKEN}, TOKEN)
        self._first = self._event({"role": "assistant", "content": TOKEN}, TOKEN)

    def tokens(self, sent: int, tokens: int) -> bytes:
        """Render the events of a stream that has `sent` tokens already and shall have `tokens`."""
        if sent == 0 < tokens:
            return self._first + self._token * (tokens - 1)
        return self._token * (tokens - sent)

    def end(self, ending: Ending) -> bytes:
        """Render the events that end a stream."""
        events = [self._event({}, "", self._finish_reason())]
        if self._wants_usage and self.usage_factor is not None:
            events.append(frame(self._render(".chunk", choices=[], **self._usage(ending))))
        return b"".join((*events, DONE))

    def whole(self, ending: Ending) -> bytes:
        """Render an answer that is not streamed."""
        text = TOKEN * ending.output_tokens
        said = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "finish_reason": self._finish_reason(), "logprobs": None}
        return self._render("", choices=[choice], **self._usage(ending))

    def _event(self, delta: Mapping[str, str], text: str, finish_reason: str | None = None) -> bytes:
        said: dict[str, Any] = {"delta": delta} if self._chat else {"text": text}
        choice = {"index": 0, **said, "finish_reason": finish_reason, "logprobs": None}
        return frame(self._render(".chunk", choices=[choice]))

    def _render(self, suffix: str, **members: object) -> bytes:
        kind = f"chat.completion{suffix}" if self._chat else "text_completion"
        return msgspec.json.encode({**self._about, "object": kind, **members})

    def _finish_reason(self) -> str:
        cut = self._job.truth.output_tokens == self._job.request.max_output_tokens
        return "length" if cut else "stop"

    def _usage(self, ending: Ending) -> dict[str, Any]:
        if self.usage_factor is None:
            return {}
        prompt, output = self._job.truth.prompt_tokens, ending.output_tokens
        usage: dict[str, float] = {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
        }
        # Where a preset says nothing of power, no joules are known: zero would be believed.
        if ending.infer_j:
            usage["energy_j"] = ending.infer_j
        told = {name: number * self.usage_factor for name, number in usage.items()}
        return {"usage": {**told, "energy_method": ending.energy_method.value} if ending.infer_j else told}
