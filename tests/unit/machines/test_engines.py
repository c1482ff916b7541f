"""What differs between engines."""

from __future__ import annotations

import pytest

from perllm.machines.engines import EngineKind, Upstream


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (EngineKind.LLAMACPP, "/health"),
        (EngineKind.VLLM, "/health"),
        (EngineKind.SGLANG, "/health"),
        (EngineKind.OLLAMA, "/api/version"),
        (EngineKind.OPENAI, None),
    ],
)
def test_every_engine_but_a_hosted_one_has_a_free_probe(kind: EngineKind, path: str | None) -> None:
    assert path == kind.health_path


def test_only_llamacpp_drops_its_socket_after_a_stream() -> None:
    assert [EngineKind.LLAMACPP] == [kind for kind in EngineKind if not kind.keeps_socket_after_stream]


@pytest.mark.parametrize(
    "url", ["http://edge:8080", "http://edge:8080/", "http://edge:8080/v1", "http://edge:8080/v1/"]
)
def test_an_address_may_end_in_v1_or_not(url: str) -> None:
    upstream = Upstream(server_id="edge", base_url=url, kind=EngineKind.VLLM, models={})

    assert "http://edge:8080" == upstream.root_url
