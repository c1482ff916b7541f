"""Make the files of tiny llama models on the spot, so that real engines need no download."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from pydoc_data.topics import topics
from typing import Literal

from perllm.demo.tiny_tokenizer import (
    END_OF_TURN_TOKEN,
    START_OF_TURN_TOKEN,
    Tokenizer,
    tiny_tokenizer,
)
from perllm.demo.tiny_weights import HEAD_WIDTH, Shape, Weights, random_weights
from perllm.errors import ConfigError

try:
    import gguf
except ModuleNotFoundError:  # only those who make models need it
    gguf = None  # type: ignore[assignment]

ModelSize = Literal["1m", "5m", "20m", "60m"]

_SHAPES: dict[ModelSize, Shape] = {
    "1m": Shape(width=128, feed_forward_width=384, layers=2),
    "5m": Shape(width=256, feed_forward_width=704, layers=5),
    "20m": Shape(width=512, feed_forward_width=1408, layers=6),
    "60m": Shape(width=768, feed_forward_width=2048, layers=8),
}
_QUANTISED: frozenset[ModelSize] = frozenset({"20m", "60m"})
_CONTEXT_TOKENS = 32_768
_CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_model(size: ModelSize, *, mean_output_tokens: float, seed: int, folder: Path | None = None) -> Path:
    """Give the GGUF file of a tiny model, making it unless the folder has it already.

    `mean_output_tokens` counts the end of turn, as engines do in `usage`. The file is the same
    for the same arguments on one Python and NumPy build. Raises ConfigError when gguf is not
    installed.
    """
    folder = folder or default_folder()
    recipe = _recipe(size, mean_output_tokens, seed)
    path = folder / f"tiny-{size}-{recipe}.gguf"
    if not path.exists():
        if gguf is None:
            raise ConfigError("gguf is not installed", remedy="Run: pip install 'perllm[demo]'")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            unfinished = Path(draft) / path.name
            _write(unfinished, size, mean_output_tokens, seed)
            unfinished.replace(path)
    return path


def default_folder() -> Path:
    """Give the folder for generated models in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "perllm" / "models"


def _recipe(size: ModelSize, mean_output_tokens: float, seed: int) -> str:
    """Digest all that the bytes of a model follow from: arguments, corpus and the code itself."""
    digest = hashlib.sha256(repr((size, float(mean_output_tokens), seed, topics)).encode())
    for source in sorted(Path(__file__).parent.glob("tiny_*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _write(path: Path, size: ModelSize, mean_output_tokens: float, seed: int) -> None:
    shape, tokenizer = _SHAPES[size], tiny_tokenizer()
    weights = random_weights(shape, tokenizer, mean_output_tokens=mean_output_tokens, seed=seed)
    with closing(gguf.GGUFWriter(path, "llama")) as writer:
        writer.add_name(f"tiny-{size}")
        _add_shape(writer, shape)
        _add_tokenizer(writer, tokenizer)
        _add_sampling(writer)
        _add_weights(writer, weights, quantised=size in _QUANTISED)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()


def _add_shape(writer: "gguf.GGUFWriter", shape: Shape) -> None:
    writer.add_context_length(_CONTEXT_TOKENS)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward_width)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.width // HEAD_WIDTH)
    writer.add_head_count_kv(shape.width // HEAD_WIDTH)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)


def _add_tokenizer(writer: "gguf.GGUFWriter", tokenizer: Tokenizer) -> None:
    marks = (START_OF_TURN_TOKEN, END_OF_TURN_TOKEN)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_vocab_size(len(tokenizer.tokens))
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in marks else gguf.TokenType.NORMAL for token in range(len(tokenizer.tokens))]
    )
    writer.add_token_merges([f"{left} {right}" for left, right in tokenizer.merges])
    writer.add_bos_token_id(START_OF_TURN_TOKEN)
    writer.add_eos_token_id(END_OF_TURN_TOKEN)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_CHATML)


def _add_sampling(writer: "gguf.GGUFWriter") -> None:
    """Ask engines for plain sampling: any filter would change how often a turn ends."""
    writer.add_sampling_temp(1.0)
    writer.add_sampling_top_k(0)
    writer.add_sampling_top_p(1.0)
    writer.add_sampling_min_p(0.0)
    writer.add_sampling_penalty_repeat(1.0)


def _add_weights(writer: "gguf.GGUFWriter", tensors: Iterable[tuple[str, Weights]], *, quantised: bool) -> None:
    files, kinds = gguf.LlamaFileType, gguf.GGMLQuantizationType
    writer.add_file_type(files.MOSTLY_Q8_0 if quantised else files.MOSTLY_F16)
    kind = kinds.Q8_0 if quantised else kinds.F16
    for name, tensor in tensors:
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, gguf.quantize(tensor, kind), raw_dtype=kind)
