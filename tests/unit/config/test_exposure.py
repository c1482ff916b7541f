"""What lies open is said."""

import pytest

from perllm.config.exposure import exposures
from tests.unit.config.files import gateway_file


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_a_gateway_that_stays_on_its_machine_needs_no_warning(host: str) -> None:
    assert [] == exposures(gateway_file(listen={"host": host}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "gateway.example.org"])
def test_a_gateway_that_others_can_reach_is_pointed_out(host: str) -> None:
    (warning,) = exposures(gateway_file(listen={"host": host}))

    assert warning.startswith(f"listen.host {host}: whoever can reach this machine can use the gateway")


@pytest.mark.parametrize(
    ("url", "warnings"),
    [("http://10.0.0.2:8000", 1), ("https://10.0.0.2:8000", 0), ("http://localhost:8000", 0), ("http://[::1]:8000", 0)],
)
def test_a_key_sent_in_the_clear_is_pointed_out(url: str, warnings: int) -> None:
    assert warnings == len(exposures(gateway_file({"url": url, "api_key_env": "KEY"})))
    assert [] == exposures(gateway_file({"url": url}))
