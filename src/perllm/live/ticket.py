"""What the owner of one exchange holds of its request: the decisions that come for it, and the scope they may end."""

from __future__ import annotations

import asyncio

from perllm.domain.action import CancelCause, Dispatch, Outcome, Refuse
from perllm.errors import InvariantError

Decision = Dispatch | Refuse


class Ticket:
    """A request's place in the brain, from its submission to its outcome.

    `attempt_id` is the attempt that is open, from the moment it was decided, whether or not anyone has yet heard of it;
    `stopped` says why the brain wants it to end; `outcome` is set once the request's life is over.
    """

    __slots__ = ("_decision", "_scope", "_waiter", "attempt_id", "outcome", "request_id", "stopped")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.attempt_id: str | None = None
        self.stopped: CancelCause | None = None
        self.outcome: Outcome | None = None
        self._decision: Decision | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._scope: asyncio.Timeout | None = None

    async def decision(self) -> Decision:
        """Return the next decision; one that has been taken already costs no turn of the loop."""
        while self._decision is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        decision, self._decision = self._decision, None
        return decision

    def scope(self) -> asyncio.Timeout:
        """Return the scope in which to run the attempt: TimeoutError leaves it when the brain stops the attempt.

        A client that leaves cancels the task instead, so the two are told apart.
        """
        self._scope = asyncio.timeout(None if self.stopped is None else 0.0)
        return self._scope

    def decided(self, decision: Decision) -> None:
        """Take a decision from the brain."""
        if isinstance(decision, Dispatch):
            self.attempt_id = decision.attempt_id
            self.stopped = None
        self._decision = decision
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def stop(self, cause: CancelCause, now_s: float) -> None:
        """End the open attempt, now or as soon as it enters its scope."""
        self.stopped = cause
        if self._scope is not None and cause is not CancelCause.CLIENT_LEFT:
            # Whoever told that the client left is the owner of the scope, and on its way out of it.
            self._scope.reschedule(now_s)

    def open_attempt(self) -> str:
        """Return the id of the attempt that is open."""
        if self.attempt_id is None:
            raise InvariantError(f"request {self.request_id} has no open attempt")
        return self.attempt_id

    def closed(self) -> None:
        """The open attempt is over: it can no longer be stopped."""
        self.attempt_id = None
        self._scope = None
