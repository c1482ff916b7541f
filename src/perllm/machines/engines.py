"""The engines PerLLM can send requests to, and how they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from perllm.domain.energy import EnergyMethod


class EngineKind(StrEnum):
    """The software that serves."""

    LLAMACPP = "llamacpp"
    VLLM = "vllm"
    SGLANG = "sglang"
    OLLAMA = "ollama"
    OPENAI = "openai"

    @property
    def health_path(self) -> str | None:
        """Where the engine tells for free whether it is well; None where there is no such place."""
        return _HEALTH_PATHS[self]

    @property
    def keeps_socket_after_stream(self) -> bool:
        """Whether a connection may carry another request after a stream.

        llama.cpp closes it although it announces keep-alive (seen on 12 of 12 connections of the xllamacpp build
        2026.10): a request that races with the close is lost.
        """
        return self is not EngineKind.LLAMACPP


# A hosted API bills or limits whatever it is asked, so it is judged by its answers alone.
_HEALTH_PATHS: Final = MappingProxyType(
    {
        EngineKind.LLAMACPP: "/health",
        EngineKind.VLLM: "/health",
        EngineKind.SGLANG: "/health",
        EngineKind.OLLAMA: "/api/version",
        EngineKind.OPENAI: None,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How to reach a server's engine.

    `base_url` may end in `/v1` or not. `models` maps the names clients use to the engine's own. `energy_method` is how
    the engine knows the joules it tells, if it tells any.
    """

    server_id: str
    base_url: str
    kind: EngineKind
    models: Mapping[str, str]
    api_key: str | None = None
    energy_method: EnergyMethod = EnergyMethod.MEASURED

    @property
    def root_url(self) -> str:
        """The address without its `/v1`."""
        return self.base_url.rstrip("/").removesuffix("/v1").rstrip("/")
