"""The configuration that the demo writes for its gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from perllm.config.gateway_parts import gateway_parts
from perllm.config.loader import load_gateway
from perllm.demo.fleet import CLOUD_WATTS, Place, write_config
from perllm.demo.traffic import LOADS

PLACES = [
    Place(name="edge-1", url="http://127.0.0.1:1", tier="edge", preset="tiny-60m-q8"),
    Place(name="cloud", url="http://127.0.0.1:2", tier="cloud", preset="tiny-5m-f16"),
]


def test_the_gateway_reads_what_the_demo_writes(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    write_config(path, PLACES, policy="cloud-only", port=8484, seed=3)

    file = load_gateway(path)
    parts = gateway_parts(file, {}, str(path))

    assert ("cloud-only", 3, 8484) == (file.scheduler.policy, file.scheduler.seed, file.listen.port)
    for load in LOADS:
        written = parts.rules.services[load.service.name]
        assert (load.service.requirement, load.service.tiers) == (written.requirement, written.tiers)
    cloud = parts.servers[1]
    assert CLOUD_WATTS.decode_full_w == cloud.power.decode_full_w
    assert pytest.approx(0.04) == cloud.link.rtt_s
