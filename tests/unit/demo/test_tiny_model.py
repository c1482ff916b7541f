from pathlib import Path

import gguf
import pytest

from perllm.demo import tiny_model as module
from perllm.demo.tiny_model import default_folder, tiny_model
from perllm.demo.tiny_tokenizer import END_OF_TURN_TOKEN
from perllm.errors import ConfigError


def make(folder: Path, *, mean_output_tokens: float = 32, seed: int = 7) -> Path:
    return tiny_model("1m", mean_output_tokens=mean_output_tokens, seed=seed, folder=folder)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = make(tmp_path / "first"), make(tmp_path / "second")

    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_another_seed_or_mean_gives_another_file(tmp_path: Path) -> None:
    names = {make(tmp_path), make(tmp_path, seed=8), make(tmp_path, mean_output_tokens=33)}

    assert 3 == len(names)


def test_a_file_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = make(tmp_path)
    path.write_bytes(b"kept")

    assert b"kept" == make(tmp_path).read_bytes()


def test_a_failed_making_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", break_off)

    with pytest.raises(OSError, match="no space left"):
        make(tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_the_file_tells_engines_where_a_turn_ends(tmp_path: Path) -> None:
    field = gguf.GGUFReader(make(tmp_path)).get_field("tokenizer.ggml.eos_token_id")

    assert field is not None
    assert END_OF_TURN_TOKEN == field.contents()


def test_the_1m_model_has_about_a_million_parameters(tmp_path: Path) -> None:
    tensors = gguf.GGUFReader(make(tmp_path)).tensors

    assert 0.8e6 < sum(int(tensor.n_elements) for tensor in tensors) < 1.2e6


def test_a_missing_gguf_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gguf", None)

    with pytest.raises(ConfigError, match=r"pip install 'perllm\[demo\]'"):
        make(tmp_path)


def test_models_are_kept_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert tmp_path / "perllm" / "models" == default_folder()
