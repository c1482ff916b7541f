"""What a user reads when something is wrong."""

import pickle

import pytest

from perllm.errors import ConfigError, InvariantError, PerLLMError, UpstreamError


@pytest.mark.parametrize("kind", [ConfigError, InvariantError, UpstreamError])
def test_one_except_clause_catches_every_error_of_ours(kind: type[PerLLMError]) -> None:
    with pytest.raises(PerLLMError, match="no good"):
        raise kind("no good")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError("is not a number"), "is not a number"),
        (ConfigError("is not a number", file="perllm.yaml"), "perllm.yaml: is not a number"),
        (ConfigError("is not a number", key="servers.0.slots"), "servers.0.slots: is not a number"),
        (ConfigError("cannot be read", remedy="Check the name."), "cannot be read. Check the name."),
        (ConfigError("cannot be read.", remedy="Check the name."), "cannot be read. Check the name."),
        (
            ConfigError("is unknown", file="perllm.yaml", key="services.chat.totl_s", remedy="Use total_s."),
            "perllm.yaml: services.chat.totl_s: is unknown. Use total_s.",
        ),
    ],
)
def test_a_config_error_names_file_key_and_remedy(error: ConfigError, expected: str) -> None:
    assert expected == str(error)


def test_a_config_error_survives_a_process_boundary() -> None:
    error = ConfigError("is unknown", file="perllm.yaml", key="services", remedy="Remove it.")

    assert str(error) == str(pickle.loads(pickle.dumps(error)))
