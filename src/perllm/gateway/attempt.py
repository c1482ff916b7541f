"""One try on one server as the brain and the meters know it: started, moving on, closed exactly once."""

from __future__ import annotations

from typing import Final

from perllm.costs.energy import transmit_j
from perllm.domain.action import Dispatch
from perllm.domain.attempt import Ending, EndingKind, Progress, Stage, Usage
from perllm.domain.energy import EnergyMethod
from perllm.gateway.backend import Backend
from perllm.live.ticket import Ticket
from perllm.machines.failures import AttemptError
from perllm.machines.http import Reply
from perllm.wire.reply import Usage as ToldUsage

# Forgives the rounding of clocks.
_A_MOMENT_S: Final = 1e-6


class Attempt:
    """What has passed between one server and us.

    `moved_bytes` counts both ways; `told` is the usage the engine told; `reply` is its answer, once there is one.
    """

    __slots__ = (
        "_backend", "_open", "_reported_at_s", "_ticket", "_tokens", "dispatch", "moved_bytes", "reply", "told",
    )  # fmt: skip

    def __init__(self, backend: Backend, ticket: Ticket, dispatch: Dispatch, *, stream: bool) -> None:
        self.dispatch = dispatch
        self.moved_bytes = 0
        self.told: ToldUsage | None = None
        self.reply: Reply | None = None
        self._backend = backend
        self._ticket = ticket
        self._tokens = 0
        self._reported_at_s: float | None = None
        self._open = True
        now_s = backend.driver.now_s
        backend.meters.start(dispatch.attempt_id, dispatch.server_id, now_s, streamed=stream)

    def heard(self, tokens: int) -> None:
        """Note that a stream has brought `tokens` so far; the brain is told of the first, then as often as it wants."""
        if tokens == self._tokens:
            return
        self._tokens = tokens
        driver = self._backend.driver
        now_s = driver.now_s
        if self._reported_at_s is None:
            self._backend.meters.first_token(self.dispatch.attempt_id, now_s)
            stage = Stage.FIRST_TOKEN
        elif now_s - self._reported_at_s >= driver.report_every_s - _A_MOMENT_S:
            stage = Stage.TOKENS
        else:
            return
        self._reported_at_s = now_s
        driver.progress(self._ticket, Progress(stage=stage, tokens=tokens))

    def close(self, kind: EndingKind, failure: AttemptError | None = None, *, retryable: bool = False) -> None:
        """Give the server's place back and account for what it was used for; a second call changes nothing."""
        if not self._open:
            return
        self._open = False
        try:
            if kind is not EndingKind.COMPLETED:
                self.hang_up()
        finally:
            self._backend.driver.close(self._ticket, self._ending(kind, failure, retryable))

    def abandon(self) -> None:
        """Leave nothing open, whatever has happened: what nobody foresaw is no server's fault."""
        if self._open:
            self.close(EndingKind.FAILED, AttemptError("the gateway failed", blame_server=False))
        self.hang_up()

    def hang_up(self) -> None:
        """Leave the engine. Where its answer was read to the end, the socket has been kept already."""
        if self.reply is not None:
            self.reply.close()

    def _ending(self, kind: EndingKind, failure: AttemptError | None, retryable: bool) -> Ending:
        """Sum the attempt up. An engine that tells joules is believed; else the declared ones count."""
        backend, told, server_id = self._backend, self.told, self.dispatch.server_id
        declared_j = backend.meters.end(self.dispatch.attempt_id, backend.driver.now_s)
        told_j = None if told is None else told.energy_j
        method = _method(told, backend.upstreams[server_id].energy_method)
        return Ending(
            kind=kind,
            usage=None if told is None else _usage(told),
            output_tokens=self._tokens,
            retryable=retryable,
            blame_server=failure is None or failure.blame_server,
            retry_after_s=None if failure is None else failure.retry_after_s,
            transmit_j=transmit_j(backend.servers[server_id].link, self.moved_bytes),
            infer_j=declared_j if told_j is None else told_j,
            energy_method=method,
            detail="" if failure is None else _detail(failure),
        )


def _method(told: ToldUsage | None, believed: EnergyMethod) -> EnergyMethod:
    """Say how joules are known: declared unless the engine told some, and modelled if it says that it only models."""
    if told is None or told.energy_j is None:
        return EnergyMethod.DECLARED
    return EnergyMethod.MODELLED if told.energy_method == EnergyMethod.MODELLED else believed


def _usage(told: ToldUsage) -> Usage:
    return Usage(
        prompt_tokens=told.prompt_tokens,
        output_tokens=told.completion_tokens,
        cached_tokens=told.cached_tokens or 0,
        prefill_s=told.prompt_s,
        decode_s=told.predicted_s,
    )


def _detail(failure: AttemptError) -> str:
    cause = failure.__cause__
    return str(failure) if cause is None else f"{failure}: {cause}"
