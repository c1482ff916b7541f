"""How fast the engine seems to be so far, roughly: to fit what is asked of it into the time there is."""

from __future__ import annotations

from perllm.experiments.calibrate.samples import FirstToken


class Pace:
    """Guesses of seconds, on the slow side."""

    def __init__(self, few: FirstToken, many: FirstToken, step_s: float) -> None:
        self._around_s = min(few.seconds, many.seconds)
        self._token_s = many.seconds / many.prompt_tokens
        self._step_s = {1: step_s}

    def first_token_s(self, prompt_tokens: float) -> float:
        """Guess the time of a prompt's first token."""
        return self._around_s + prompt_tokens * self._token_s

    def prompt_tokens_in(self, seconds: float) -> float:
        """Guess how much of a prompt can be read in a time."""
        return max(seconds - self._around_s, 0.0) / self._token_s

    def step_s(self, batch: int) -> float:
        """Guess the time of a step: as if the answers that are more than were tried cost as much as those."""
        tried = max(known for known in self._step_s if known <= batch)
        return self._step_s[tried] * batch / tried

    def heard_first_token(self, sample: FirstToken) -> None:
        """Learn from a long prompt how fast long prompts are read."""
        self._token_s = sample.seconds / sample.prompt_tokens

    def heard_step(self, batch: int, seconds: float) -> None:
        """Learn how long a step of so many answers takes."""
        self._step_s[batch] = seconds
