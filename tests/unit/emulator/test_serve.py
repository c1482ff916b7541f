"""The emulator as a program."""

from __future__ import annotations

import signal
import socket
from dataclasses import replace

import pytest

from perllm.emulator.serve import run_emulator
from perllm.emulator.settings import EmulatorSettings
from perllm.errors import ConfigError
from tests.unit.simulation.machines import SERVER

SETTINGS = EmulatorSettings(server=SERVER, model="m", port=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    ports = []

    def ready(port: int) -> None:
        ports.append(port)
        socket.create_connection(("127.0.0.1", port), timeout=5.0).close()
        signal.raise_signal(number)

    run_emulator(SETTINGS, ready)

    assert [True] == [port > 0 for port in ports]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]), timeout=5.0)


def test_a_port_in_use_is_the_users_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="Choose another port"):
        run_emulator(replace(SETTINGS, port=taken.getsockname()[1]))
