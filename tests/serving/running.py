"""A real server in a thread, and clients that have come in by the one-time link."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI

__all__ = ["Served", "entered", "serving"]

_START_SECONDS = 30


@dataclass(frozen=True)
class Served:
    """A server that listens. url: without a slash at its end."""

    app: FastAPI
    url: str

    def client(self) -> httpx.Client:
        """A client that is nobody yet; it says where its writes come from, as browsers do."""
        return httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=30)


@contextmanager
def serving(app: FastAPI) -> Iterator[Served]:
    """The app on a free port of loopback, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    waited = threading.Event()
    for _ in range(_START_SECONDS * 50):
        if server.started or not thread.is_alive():
            break
        waited.wait(0.02)
    assert server.started, "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(app, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@contextmanager
def entered(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the app that has opened a one-time link: it sees everything."""
    with serving(app) as served, served.client() as client:
        response = client.get(app.state.access.new_link(served.url))
        assert response.status_code in (303, 200, 404), response.text
        yield client
