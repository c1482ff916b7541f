"""Small traces to read and break."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from perllm.simulation.traces.lines import Lines
from perllm.simulation.traces.reading import read_trace
from perllm.simulation.traces.request import Layout, TraceRequest

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2224670,879,55
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,0,1087,Conversation log
118,GPT-4,417,276,693,API log
"""
MOONCAKE = "".join(
    json.dumps({"timestamp": at_ms, "input_length": 900, "output_length": 6, "hash_ids": ids}) + "\n"
    for at_ms, ids in ((0, [46, 47]), (3052, [46, 57]))
)
VIDUR = """arrived_at,num_prefill_tokens,num_decode_tokens
0.5,3772,54
1.25,2015,156
"""
SAMPLES = {Layout.AZURE: AZURE, Layout.BURSTGPT: BURSTGPT, Layout.MOONCAKE: MOONCAKE, Layout.VIDUR: VIDUR}


def written(folder: Path, text: str | bytes, name: str = "trace.txt", *, packed: bool = False) -> Path:
    path = folder / name
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def requests_in(folder: Path, text: str | bytes, layout: Layout | None = None) -> list[TraceRequest]:
    return list(read_trace(written(folder, text), layout))


def read_with(reader: Callable[[Lines], Iterator[TraceRequest]], path: Path) -> tuple[list[TraceRequest], Lines]:
    lines = Lines(path)
    return list(reader(lines)), lines


def servegen(folder: Path, *, packed: bool = True, rates: bool = True) -> Path:
    """Write two clients, one of Gamma and one of Weibull arrivals, and a third without lengths."""
    home = folder / "m-tiny"
    home.mkdir()
    end = ".gz" if packed else ""
    lengths = {
        "0": {"input_tokens": "{10: 0.25, 20: 0.75}", "output_tokens": "{0: 0.5, 3: 0.25, 4: 0.25}"},
        "21600": {"input_tokens": "{}", "output_tokens": "{}"},
    }
    for client in ("7", "b"):
        written(home, json.dumps(lengths, indent=2), f"chunk-{client}-dataset.json{end}", packed=packed)
    if rates:
        table = (
            "client_id,window_start_s,rate_rps,iat_cv,pattern,pattern_arg1,pattern_arg2\n"
            "7,0,2.0,1.0,Gamma,1.0,0.5\n7,600,6.0,2.0,Gamma,0.25,0.5\n"
            "b,600,1.0,1.5,Weibull,0.7,0.5\nc,0,9.0,1.5,Weibull,0.7,0.5\n"
        )
        written(home, table, f"all_clients_rates.csv{end}", packed=packed)
    else:
        written(home, "0,2.0,1.0,Gamma,1.0,0.5\n600,0,0,,0,0\n1200,6.0,2.0,Gamma,0.25,0.5\n", "chunk-7-trace.csv")
    return home
