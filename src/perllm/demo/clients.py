"""The demo's clients: the official OpenAI client, unmodified, making calls at their instants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from openai import AsyncOpenAI, OpenAIError

from perllm.demo.fleet import MODEL, MODEL_MEAN_TOKENS
from perllm.demo.tiny_tokenizer import END_OF_TURN_TOKEN
from perllm.demo.tiny_weights import bias_for_mean
from perllm.demo.traffic import Call

_TIMEOUT_S = 60.0


async def make_calls(calls: Sequence[Call], address: str, answered: Callable[[bool], None]) -> int:
    """Make every call at its instant and wait for all answers; return how many ended in an error.

    `answered` is told after each call whether it got its answer.
    """
    # No retries: what the gateway cannot mend shall be seen.
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=_TIMEOUT_S) as client:
        loop = asyncio.get_running_loop()
        start_at_s = loop.time()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for call in calls:
                await asyncio.sleep(start_at_s + call.at_s - loop.time())
                tasks.append(group.create_task(_make(client, call, answered)))
    return sum(not task.result() for task in tasks)


async def _make(client: AsyncOpenAI, call: Call, answered: Callable[[bool], None]) -> bool:
    bias = bias_for_mean(MODEL_MEAN_TOKENS, call.answer_mean_tokens)
    try:
        answer = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": call.prompt}],
            max_tokens=call.answer_limit_tokens,
            stream=call.stream,
            # A fraction, which the API takes and the client's own parameter does not.
            extra_body={"logit_bias": {str(END_OF_TURN_TOKEN): bias}},
            extra_headers={"x-perllm-service": call.service},
        )
        if call.stream:
            async for _ in answer:  # type: ignore[union-attr]
                pass
    except OpenAIError:
        answered(False)
        return False
    answered(True)
    return True
