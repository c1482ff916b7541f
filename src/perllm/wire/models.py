"""Render the models a client may ask for."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


def render_models(names: Iterable[str], *, created_at_s: float) -> bytes:
    """Render the answer to GET /v1/models. `created_at_s` counts from 1970 (Unix time)."""
    return msgspec.json.encode({"object": "list", "data": [_card(name, created_at_s) for name in names]})


def render_model(name: str, *, created_at_s: float) -> bytes:
    """Render the answer to GET /v1/models/{name}."""
    return msgspec.json.encode(_card(name, created_at_s))


def _card(name: str, created_at_s: float) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": int(created_at_s), "owned_by": "perllm"}
