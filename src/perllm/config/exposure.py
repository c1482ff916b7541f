"""What a perllm.yaml lays open: who may reach the gateway, and where keys travel in the clear."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from yarl import URL

from perllm.config.schema import GatewayFile


def exposures(file: GatewayFile) -> list[str]:
    """Return one sentence for each thing a careful person would want to know."""
    return [*_listening(file), *_keys(file)]


def _listening(file: GatewayFile) -> Iterator[str]:
    if not _stays_here(file.listen.host):
        yield f"listen.host {file.listen.host}: whoever can reach this machine can use the gateway; it asks for no key."


def _keys(file: GatewayFile) -> Iterator[str]:
    for name, server in file.servers.items():
        url = URL(server.url)
        if server.api_key_env is not None and url.scheme == "http" and not _stays_here(url.host or ""):
            yield f"server {name}: its API key travels unencrypted to {url.host}; use https."


def _stays_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
