"""The engine of the demo: one llama.cpp server in a process of its own, on one thread.

It prints its address as one line of JSON and serves until its standard input ends, which it does
when the parent dies, however it dies.
"""

import argparse
import json
import os
import sys

import xllamacpp

_PROMPT_CACHE_MIB = 64


def main() -> None:
    """Serve one model on a free port of this machine."""
    arguments = _arguments()
    try:
        server = xllamacpp.Server(_parameters(arguments))
    except RuntimeError as error:
        sys.exit(f"cannot serve {arguments.model}: {error}")
    print(json.dumps({"url": server.listening_address}), flush=True)
    sys.stdin.read()
    # No tidy end: the server would first wait for every stream it is still sending.
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="perllm.demo.engine_process", description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--name", required=True, help="the name clients ask for")
    parser.add_argument("--slots", type=int, required=True, help="requests served at once")
    parser.add_argument("--slot-tokens", type=int, required=True, help="context of one slot")
    return parser.parse_args()


def _parameters(arguments: argparse.Namespace) -> "xllamacpp.CommonParams":
    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.model_alias = {arguments.name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_parallel = arguments.slots
    parameters.n_ctx = arguments.slots * arguments.slot_tokens
    # Two threads on two cores measured slower by a factor of twenty.
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = True
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.ui = False
    parameters.fit_params = False
    return parameters


if __name__ == "__main__":
    main()
