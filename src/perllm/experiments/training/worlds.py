"""Fleets and workloads to train on: drawn by a generator, so that none of them is one a policy is judged on.

Machines are those of the presets; which of them stand together, their links, services, lengths, requirements and rates
are drawn. All arrivals are Poisson and all lengths log-normal.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import yaml

from perllm.config.loader import read_scenario
from perllm.config.scenario_parts import scenario_value
from perllm.simulation.scenario import Scenario

_EDGE_DEVICES: Final = ("xeon-4214r", "jetson-agx-orin", "jetson-agx-orin", "rtx-3090")
_EDGE_MODELS: Final = ("yi-6b", "llama2-7b", "llama3-8b", "yi-9b")
_CLOUD_DEVICES: Final = ("a100-80", "a100-80", "h100")
_CLOUD_MODELS: Final = ("llama-33b", "yi-34b")
_SERVICES: Final = 3
# What a cloud of the paper's kind needs for a long answer under load; requirements are drawn around that.
_USUAL_FIRST_TOKEN_S: Final = 0.3
_USUAL_TOKEN_S: Final = 0.055

Section = dict[str, Any]


def drawn(rng: np.random.Generator, requests: int) -> Scenario:
    """Draw a fleet of two to five equal edges and one cloud, three services and a rate."""
    services = {f"service-{number}": _service(rng) for number in range(_SERVICES)}
    tree = {
        "name": "training",
        "servers": _servers(rng),
        "services": {name: service for name, (service, _) in services.items()},
        "workload": {
            "requests": requests,
            "rate_per_s": _between(rng, 0.7, 6.0),
            "loads": {name: load for name, (_, load) in services.items()},
        },
        "world": {"link_jitter": _between(rng, 0.01, 0.2)},
    }
    return scenario_value(read_scenario(yaml.safe_dump(tree), "a drawn world"))


def _servers(rng: np.random.Generator) -> Section:
    edge = {
        "tier": "edge",
        "hardware": {"device": _one(rng, _EDGE_DEVICES), "model": _one(rng, _EDGE_MODELS), "weights": "q4_0"},
        "models": ["any"],
        "link": _link(rng, rtt_ms=5.0, mbit_per_s=100.0, nj_per_bit=30.0),
    }
    cloud = {
        "tier": "cloud",
        "hardware": {"device": _one(rng, _CLOUD_DEVICES), "model": _one(rng, _CLOUD_MODELS), "weights": "fp16"},
        "batching": _one(rng, ("prefill-first", "chunked")),
        "models": ["any"],
        "link": _link(rng, rtt_ms=40.0, mbit_per_s=300.0, nj_per_bit=60.0),
    }
    return {**{f"edge-{number}": edge for number in range(int(rng.integers(2, 6)))}, "cloud": cloud}


def _link(rng: np.random.Generator, *, rtt_ms: float, mbit_per_s: float, nj_per_bit: float) -> Section:
    rate = mbit_per_s * _between(rng, 0.5, 2.0)
    rtt_ms *= _between(rng, 0.5, 2.0)
    return {"rtt_ms": rtt_ms, "up_mbit_per_s": rate, "down_mbit_per_s": rate, "nj_per_bit": nj_per_bit}


def _service(rng: np.random.Generator) -> tuple[Section, Section]:
    """Draw what a service asks for, and its requests."""
    output_tokens, sigma = _between(rng, 6.0, 70.0), _between(rng, 0.3, 0.8)
    limit = int(output_tokens * 2.5) + 1
    usual_s = _USUAL_FIRST_TOKEN_S + _USUAL_TOKEN_S * limit
    service = {
        "requirement": {"total_s": _between(rng, 0.9, 2.5) * usual_s},
        "expect": {"output_tokens": output_tokens * float(np.exp(sigma**2 / 2)), "output_spread": sigma},
    }
    load = {
        "share": _between(rng, 0.3, 3.0),
        "model": "any",
        "max_output_tokens": limit,
        "prompt_tokens": {"median": _between(rng, 12.0, 600.0), "sigma": _between(rng, 0.3, 0.9), "maximum": 1500},
        "output_tokens": {"median": output_tokens, "sigma": sigma, "maximum": 300},
    }
    return service, load


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]
