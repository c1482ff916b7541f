"""Time the gateway beside a bare aiohttp relay, both in front of one fast mock engine, in one run.

Each is a process of its own under uvloop. Rounds alternate, so that a change of the machine's mood hits both; medians
are printed. Requests/s say what a busy machine gets, CPU per request what each side costs, added latency what one
client alone notices; `unrecorded` is the gateway without its journal.

Run by hand: python benchmarks/gateway.py [--out DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, cast

import aiohttp
import uvloop
from aiohttp import web
from evidence import write_evidence

CHUNKS = 20
CONNECTIONS = 32
ROUNDS = 5
REQUESTS = {"plain": 3000, "stream": 1500}
LONE_REQUESTS = 300
SERVERS = 3

USAGE = {"prompt_tokens": 12, "completion_tokens": CHUNKS, "total_tokens": 12 + CHUNKS}


# ---- the mock engine: answers as soon as it is asked, one chunk each turn of its loop


def event(**fields: object) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", **fields}
    data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


WORD = event(choices=[{"index": 0, "delta": {"content": " word"}, "finish_reason": None}])
LAST = event(choices=[], usage=USAGE) + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN_BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": " word" * CHUNKS}}],
        "usage": USAGE,
    }
).encode()
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(PLAIN_BODY)


class Mock(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < content_length(head):
            return
        self._received = b""
        if b'"stream":true' in body:
            self._transport.write(STREAM_HEAD)
            self._next_chunk(CHUNKS)
        else:
            self._transport.write(PLAIN + PLAIN_BODY)

    def _next_chunk(self, left: int) -> None:
        self._transport.write(WORD if left else LAST)
        if left:
            self._loop.call_soon(self._next_chunk, left - 1)


def content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0] or b"0")


async def run_mock(_: str) -> None:
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


# ---- the relay that stands in front of it for comparison


async def run_relay(upstream: str) -> None:
    """What anybody would write in a few lines of aiohttp."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def relay(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {"Content-Type": "application/json"}
        async with session.post(f"{upstream}{request.path}", data=body, headers=headers) as reply:
            if reply.content_type == "application/json":
                return web.Response(body=await reply.read(), content_type="application/json")
            answer = web.StreamResponse(headers={"Content-Type": reply.content_type})
            await answer.prepare(request)
            async for piece in reply.content.iter_any():
                await answer.write(piece)
            await answer.write_eof()
            return answer

    app = web.Application()
    app.router.add_post("/v1/chat/completions", relay)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


ROLES = {"mock": run_mock, "relay": run_relay}


# ---- the load: connections that send the next request as soon as the last is answered


class Client(asyncio.Protocol):
    """Sends `requests` on one connection, one after another, and keeps how long each took."""

    def __init__(self, request: bytes, requests: int, stream: bool, done: asyncio.Future[list[float]]) -> None:
        self._request = request
        self._left = requests
        self._stream = stream
        self._done = done
        self._took_s: list[float] = []
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._received = b""
        self._sent_at_s = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_whole():
            return
        if not self._received.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(self._received[:500].decode()))
            return
        self._took_s.append(time.perf_counter() - self._sent_at_s)
        self._left -= 1
        if self._left:
            self._send()
        else:
            self._transport.close()
            self._done.set_result(self._took_s)

    def _is_whole(self) -> bool:
        if self._stream:
            return self._received.endswith(b"0\r\n\r\n")
        head, separator, body = self._received.partition(b"\r\n\r\n")
        return bool(separator) and len(body) >= content_length(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError("connection lost"))


async def load(url: str, *, stream: bool, requests: int, connections: int) -> tuple[float, list[float]]:
    """Return the wall time of all requests and the time of each."""
    loop = asyncio.get_running_loop()
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hello " * 40}],
            "max_tokens": CHUNKS,
            "stream": stream,
        },
        separators=(",", ":"),
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    started_at_s = time.perf_counter()
    done: list[asyncio.Future[list[float]]] = []
    for _ in range(connections):
        future = loop.create_future()
        done.append(future)
        client = Client(request, requests // connections, stream, future)
        await loop.create_connection(lambda client=client: client, host, int(port))  # type: ignore[misc]
    took_s = await asyncio.gather(*done)
    return time.perf_counter() - started_at_s, [each for one in took_s for each in one]


# ---- the measurement


@contextmanager
def process(*command: str) -> Iterator[tuple[str, int]]:
    """Run a server in a process of its own; give the address it prints and its process id."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            address = re.search(r"http://[\d.]+:\d+", child.stdout.readline())
            assert address is not None
            yield address[0], child.pid
        finally:
            child.terminate()
            child.wait(10)


def role(name: str, upstream: str = "") -> tuple[str, ...]:
    return (__file__, "--role", name, "--upstream", upstream)


def gateway(folder: Path, upstream: str, *, journal: bool) -> tuple[str, ...]:
    """Write a configuration and return the command that serves it: all defaults, but perhaps without the journal."""
    server = {
        "url": upstream,
        "tier": "edge",
        "models": ["m"],
        "slots": 64,
        "speed": {"prefill_tokens_per_s": 1e5, "decode_tokens_per_s": 1e4},
        "power": {"idle_w": 10, "decode_w": 20},
    }
    config = folder / ("recorded.json" if journal else "unrecorded.json")
    config.write_text(
        json.dumps(
            {
                "listen": {"port": 0},
                "journal": {"path": str(folder / "journal.sqlite")} if journal else "off",
                "servers": {f"server-{number}": server for number in range(SERVERS)},
                "services": {"chat": {"default": True, "expect": {"output_tokens": CHUNKS}}},
            }
        )
    )
    return ("-m", "perllm.cli", "serve", str(config))


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def round_of(url: str, pid: int, mode: str, requests: int, connections: int) -> dict[str, float]:
    before_s = cpu_s(pid)
    wall_s, took_s = await load(url, stream=mode == "stream", requests=requests, connections=connections)
    return {
        "requests_per_s": len(took_s) / wall_s,
        "cpu_us": (cpu_s(pid) - before_s) / len(took_s) * 1e6,
        "p50_ms": median(took_s) * 1e3,
    }


async def measure(targets: dict[str, tuple[str, int]], mode: str, rounds: int) -> dict[str, dict[str, float]]:
    """Alternate between the targets, busy and alone, and return each one's medians."""
    busy: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
    alone: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
    for number in range(rounds + 1):
        for name, (url, pid) in targets.items():
            seen = (
                await round_of(url, pid, mode, REQUESTS[mode], CONNECTIONS),
                await round_of(url, pid, mode, LONE_REQUESTS, 1),
            )
            if number:  # the first round only warms up
                busy[name].append(seen[0])
                alone[name].append(seen[1])
    return {
        name: {
            "requests_per_s": median(one["requests_per_s"] for one in busy[name]),
            "cpu_us_per_request": median(one["cpu_us"] for one in busy[name]),
            "lone_p50_ms": median(one["p50_ms"] for one in alone[name]),
        }
        for name in targets
    }


def show(mode: str, found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Print a mode's table and return its ratios."""
    print(f"\n{mode}, {CONNECTIONS} connections" + (f", {CHUNKS} chunks" if mode == "stream" else ""))
    print(f"{'':12}{'requests/s':>12}{'CPU us/request':>16}{'p50 ms, 1 client':>18}")
    for name, one in found.items():
        print(f"{name:12}{one['requests_per_s']:12.0f}{one['cpu_us_per_request']:16.0f}{one['lone_p50_ms']:18.2f}")
    direct, relay, ours = found["direct"], found["relay"], found["gateway"]
    ratios = {
        "requests_per_s_of_relay": ours["requests_per_s"] / relay["requests_per_s"],
        "unrecorded_requests_per_s_of_relay": found["unrecorded"]["requests_per_s"] / relay["requests_per_s"],
        "cpu_of_relay": ours["cpu_us_per_request"] / relay["cpu_us_per_request"],
        "added_p50_ms": ours["lone_p50_ms"] - direct["lone_p50_ms"],
        "added_p50_ms_by_relay": relay["lone_p50_ms"] - direct["lone_p50_ms"],
    }
    print(", ".join(f"{name} {value:.2f}" for name, value in ratios.items()))
    return ratios


async def run(rounds: int) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mock = stack.enter_context(process(*role("mock")))
        targets = {
            "direct": mock,
            "relay": stack.enter_context(process(*role("relay", mock[0]))),
            "gateway": stack.enter_context(process(*gateway(folder, mock[0], journal=True))),
            "unrecorded": stack.enter_context(process(*gateway(folder, mock[0], journal=False))),
        }
        result: dict[str, Any] = {}
        for mode in REQUESTS:
            found = await measure(targets, mode, rounds)
            result[mode] = {**found, "ratios": show(mode, found)}
        result["resident_mib"] = {name: resident_mib(pid) for name, (_, pid) in targets.items()}
        print("\nresident MiB: " + ", ".join(f"{name} {mib:.0f}" for name, mib in result["resident_mib"].items()))
        return result


def main() -> None:
    """Play a role, or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--upstream", default="", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="a folder for gateway.json")
    arguments = parser.parse_args()
    if arguments.role:
        uvloop.run(ROLES[arguments.role](arguments.upstream))
        return
    result = uvloop.run(run(arguments.rounds))
    if arguments.out:
        write_evidence(arguments.out, "gateway", result)


if __name__ == "__main__":
    main()
