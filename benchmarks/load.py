"""A load on one HTTP address, from a process of its own: as fast as it goes, or at a fixed rate.

    python benchmarks/load.py REQUEST.json

The file: url, method, headers, body (text), connections, seconds, rate (requests a second; null: as fast as
each connection gets its answer). At a rate, a request's time runs from when it was due, so that a stalled
server is not asked less. Prints one JSON object: requests, failures, seconds, per_second, times in ms.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np


class Connection:
    """One connection that is kept open."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: Any = None

    async def ask(self, request: bytes) -> int:
        """Send the request, read the whole answer, give its status."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
        if b"connection: close" in head:
            writer.close()
            self._streams = None
        return int(head.split(b" ", 2)[1])


async def flat_out(one: dict[str, Any], request: bytes, note: Any) -> None:
    """Each connection asks again as soon as it is answered."""
    parts = urlsplit(one["url"])
    end = time.perf_counter() + one["seconds"]

    async def worker() -> None:
        connection = Connection(str(parts.hostname), int(parts.port or 80))
        while (begun := time.perf_counter()) < end:
            note(await connection.ask(request), time.perf_counter() - begun)

    await asyncio.gather(*(worker() for _ in range(one["connections"])))


async def at_rate(one: dict[str, Any], request: bytes, note: Any) -> None:
    """So many requests a second, whatever the answers take."""
    parts = urlsplit(one["url"])
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(one["connections"]):
        free.put_nowait(Connection(str(parts.hostname), int(parts.port or 80)))
    start, tasks = time.perf_counter(), []

    async def send(due: float) -> None:
        connection = await free.get()
        try:
            note(await connection.ask(request), time.perf_counter() - due)
        finally:
            free.put_nowait(connection)

    for number in range(int(one["seconds"] * one["rate"])):
        due = start + number / one["rate"]
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(due)))
    await asyncio.gather(*tasks)


def raw_request(one: dict[str, Any]) -> bytes:
    parts = urlsplit(one["url"])
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    body = (one.get("body") or "").encode()
    lines = [f"{one['method']} {path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in one.get("headers", {}).items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def main() -> None:
    one = json.loads(Path(sys.argv[1]).read_text())
    statuses: list[int] = []
    times: list[float] = []

    def note(status: int, seconds: float) -> None:
        statuses.append(status)
        times.append(seconds * 1000)

    begun = time.perf_counter()
    asyncio.run((at_rate if one.get("rate") else flat_out)(one, raw_request(one), note))
    took = time.perf_counter() - begun
    quantiles = np.quantile(times, [0.5, 0.9, 0.99, 1]) if times else [float("nan")] * 4
    told = {
        "requests": len(statuses),
        "failures": sum(status != 200 for status in statuses),
        "seconds": round(took, 2),
        "per_second": round(len(statuses) / took, 1),
        **{
            f"{name}_ms": round(float(value), 2)
            for name, value in zip(("p50", "p90", "p99", "max"), quantiles, strict=True)
        },
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
