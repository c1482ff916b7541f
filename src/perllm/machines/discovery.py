"""What an engine tells of itself: its kind and version, its models, and how much it takes at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from perllm.machines.engines import EngineKind
from perllm.machines.failures import AttemptError, status_error
from perllm.machines.http import UpstreamClient

_ANSWER_S: Final = 5.0
_REFUSED: Final = frozenset({401, 403})
_CACHE: Final = re.compile(r"^vllm:cache_config_info\{(.*)\}", re.MULTILINE)
_BLOCKS: Final = ("num_gpu_blocks", "block_size")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An engine by its own words. None, or no models: it does not say."""

    kind: EngineKind
    version: str | None = None
    models: tuple[str, ...] = ()
    slots: int | None = None
    context_tokens: int | None = None
    kv_tokens: int | None = None


async def discover(client: UpstreamClient, server_id: str) -> Told:
    """Ask for the models, then at the places where only one kind of engine answers.

    Raises AttemptError where it cannot be reached or refuses our key.
    """
    status, body = await client.ask(server_id, "/v1/models", _ANSWER_S)
    if status in _REFUSED:
        raise status_error(status, None, body)
    cards = list(_cards(_json(body))) if status == 200 else []
    for look in (_llamacpp, _sglang, _vllm, _ollama):
        told = await look(client, server_id, cards)
        if told is not None:
            return told
    return Told(kind=EngineKind.OPENAI, models=_names(cards), context_tokens=_longest(cards))


async def _llamacpp(client: UpstreamClient, server_id: str, cards: list[dict[str, Any]]) -> Told | None:
    props = await _get(client, server_id, "/props")
    slots = _count(props.get("total_slots"))
    if slots is None:
        return None
    context = _count(_section(props, "default_generation_settings").get("n_ctx"))
    return Told(
        kind=EngineKind.LLAMACPP,
        version=_text(props.get("build_info")),
        models=_names(cards),
        slots=slots,
        context_tokens=context,
    )


async def _sglang(client: UpstreamClient, server_id: str, cards: list[dict[str, Any]]) -> Told | None:
    info = await _get(client, server_id, "/get_server_info")
    if "max_total_num_tokens" not in info and "mem_fraction_static" not in info:
        return None
    return Told(
        kind=EngineKind.SGLANG,
        version=_text(info.get("version")),
        models=_names(cards),
        slots=_count(info.get("max_running_requests")),
        context_tokens=_count(info.get("context_length")) or _longest(cards),
        kv_tokens=_count(info.get("max_total_num_tokens")),
    )


async def _vllm(client: UpstreamClient, server_id: str, cards: list[dict[str, Any]]) -> Told | None:
    version = await _get(client, server_id, "/version")
    status, metrics = await _try(client, server_id, "/metrics") if "version" in version else (404, b"")
    if status != 200 or b"vllm:" not in metrics:
        return None
    return Told(
        kind=EngineKind.VLLM,
        version=_text(version.get("version")),
        models=_names(cards),
        context_tokens=_longest(cards),
        kv_tokens=_cache_tokens(metrics.decode(errors="replace")),
    )


async def _ollama(client: UpstreamClient, server_id: str, cards: list[dict[str, Any]]) -> Told | None:
    version = await _get(client, server_id, "/api/version")
    if "version" not in version:
        return None
    return Told(kind=EngineKind.OLLAMA, version=_text(version["version"]), models=_names(cards))


def _cache_tokens(metrics: str) -> int | None:
    """Find what vLLM tells as labels of a metric: the tokens themselves, or else blocks and their size.

    Where layers differ (sliding windows, say) blocks times size is not what fits.
    """
    found = _CACHE.search(metrics)
    labels = dict(_LABEL.findall(found[1])) if found else {}
    told, blocks, size = (_digits(labels.get(name, "")) for name in ("kv_cache_size_tokens", *_BLOCKS))
    return told or blocks * size or None


def _digits(text: str) -> int:
    return int(text) if text.isdecimal() else 0


async def _get(client: UpstreamClient, server_id: str, path: str) -> dict[str, Any]:
    status, body = await _try(client, server_id, path)
    return _json(body) if status == 200 else {}


async def _try(client: UpstreamClient, server_id: str, path: str) -> tuple[int, bytes]:
    """Ask at a place that an engine of another kind may not have, or hang up at."""
    try:
        return await client.ask(server_id, path, _ANSWER_S)
    except AttemptError:
        return 404, b""


def _json(body: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _cards(listed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    data = listed.get("data")
    for card in data if isinstance(data, list) else ():
        if isinstance(card, dict) and isinstance(card.get("id"), str):
            yield card


def _names(cards: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(card["id"] for card in cards)


def _longest(cards: list[dict[str, Any]]) -> int | None:
    """Take the context that the first model's card tells, by vLLM's name for it."""
    return _count(cards[0].get("max_model_len")) if cards else None


def _section(told: dict[str, Any], key: str) -> dict[str, Any]:
    inner = told.get(key)
    return inner if isinstance(inner, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
