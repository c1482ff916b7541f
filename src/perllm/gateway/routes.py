"""Which path does what, and who is being served at this moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import msgspec
from aiohttp import web

from perllm.gateway.answers import failed, json_answer
from perllm.gateway.backend import Backend
from perllm.gateway.exchange import exchange
from perllm.wire.call import Endpoint
from perllm.wire.models import render_model, render_models

_CALLS: Final = MappingProxyType({f"/v1/{endpoint}": endpoint for endpoint in Endpoint})
_MODELS: Final = "/v1/models"
_KNOWN: Final = ", ".join((*_CALLS, _MODELS, "/health"))
# A model served here has no date of its own.
_CREATED_AT_S: Final = 0.0


class Routes:
    """Answers every request that is HTTP. `running`: the exchanges under way; `reading`: calls not yet read."""

    def __init__(self, backend: Backend) -> None:
        self.running: set[asyncio.Task[object]] = set()
        self.reading: set[asyncio.Task[object]] = set()
        # Until the gateway says otherwise, as after its last request: nobody is let in.
        self.draining = True
        self._backend = backend
        self._pages: dict[str, Callable[[], web.Response]] = {"/health": self._health, _MODELS: self._models}

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = http.path
        endpoint = _CALLS.get(path)
        if endpoint is not None:
            return await self._call(http, endpoint) if http.method == "POST" else _only("POST", path)
        page = self._pages.get(path)
        if page is not None:
            return page() if http.method == "GET" else _only("GET", path)
        if path.startswith(_MODELS + "/") and http.method == "GET":
            return self._model(path.removeprefix(_MODELS + "/"))
        return failed("not_found", f"There is nothing at {http.method} {path[:200]}. Known are {_KNOWN}.", {})

    async def _call(self, http: web.BaseRequest, endpoint: Endpoint) -> web.StreamResponse:
        if self.draining:
            answer = failed("shutting_down", "The gateway is shutting down.", {"retry-after": "1"})
            answer.force_close()
            return answer
        task = asyncio.current_task()
        assert task is not None
        self.reading.add(task)
        try:
            return await exchange(self._backend, http, endpoint, lambda: self._admitted(task))
        finally:
            self.reading.discard(task)
            self.running.discard(task)

    def _admitted(self, task: asyncio.Task[object]) -> None:
        self.reading.discard(task)
        self.running.add(task)

    def _health(self) -> web.Response:
        state = "draining" if self.draining else "ok"
        body = msgspec.json.encode({"status": state, "requests": self._backend.driver.counts()})
        return json_answer(body, {}, status=503 if self.draining else 200)

    def _names(self) -> list[str]:
        return sorted({name for server in self._backend.servers.values() for name in server.models})

    def _models(self) -> web.Response:
        return json_answer(render_models(self._names(), created_at_s=_CREATED_AT_S), {})

    def _model(self, name: str) -> web.Response:
        if name not in self._names():
            return failed("model_not_found", f"No server serves the model {name[:200]!r}.", {})
        return json_answer(render_model(name, created_at_s=_CREATED_AT_S), {})


def _only(method: str, path: str) -> web.Response:
    return failed("method_not_allowed", f"{path} is for {method} alone.", {"Allow": method})
