import importlib.util

import pytest

from perllm.demo.launcher import launch
from perllm.errors import ConfigError


async def test_a_missing_llama_cpp_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"pip install 'perllm\[demo\]'"):
        async with launch([]):
            pass
