"""The server: every route behind the gate, every request through the same checks."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import Response

from data.settings import Settings
from serving import api, pages
from serving.access.access import Access, utc_now
from serving.access.gate import allow
from serving.access.routes import router as ways_in
from serving.live import HeldRun, Live
from serving.live.freshness import run_notices
from serving.pages.errors import error_page
from serving.store import Store
from serving.web.bodies import BodyLimit
from serving.web.errors import Catch, install_errors
from serving.web.headers import HostCheck, SecurityHeaders, allowed_hosts
from serving.web.log import AUDIT_FILE, AuditFile, RequestLog
from serving.web.rates import RateLimit
from serving.web.writes import WriteCheck

__all__ = ["create_app"]


def create_app(
    settings: Settings, *, live: Live | None = None, now: Callable[[], datetime] = utc_now
) -> FastAPI:
    """The server over a workspace's published runs.

    live: what follows the pointer, by default a new one of the settings' workspace; it is started and stopped
    with the app. now: the clock, for ages, sessions and links. Routes find them in `request.app.state`:
    settings, live, store, access, now.
    """
    follower = live or Live(settings.workspace)
    follower.tell(lambda run: _notices(run, settings, now()))
    store = Store(settings.workspace)
    app = FastAPI(
        title="dealcast",
        summary="Which deals will be won and which customers will renew, and why.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=_middleware(settings, now),
        lifespan=_following(follower),
    )
    app.state.settings = settings
    app.state.live = follower
    app.state.store = store
    app.state.now = now
    app.state.access = Access(settings, store, clock=now)
    install_errors(app, error_page)
    app.include_router(ways_in)
    app.include_router(api.router)
    app.include_router(pages.router)
    _describe(app)
    return app


def _middleware(settings: Settings, now: Callable[[], datetime]) -> list[Middleware]:
    """From the outermost in: log, headers, then what may refuse a request, cheapest first."""
    https = (settings.public_url or "").startswith("https://")
    return [
        Middleware(RequestLog, audit=AuditFile(settings.workspace / AUDIT_FILE), now=now),
        Middleware(SecurityHeaders, https=https),
        Middleware(HostCheck, hosts=allowed_hosts(settings)),
        Middleware(RateLimit, per_minute=settings.rate_limit_per_minute),
        Middleware(WriteCheck, public_url=settings.public_url),
        Middleware(BodyLimit, limit=settings.body_limit_bytes),
        Middleware(Catch),
    ]


def _following(live: Live) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        live.start()
        try:
            yield
        finally:
            live.stop()

    return lifespan


def _describe(app: FastAPI) -> None:
    """The API's description, for whoever is signed in; the usual pages for it load foreign files."""

    @app.get("/openapi.json", include_in_schema=False, dependencies=[allow("me")])
    def openapi() -> Response:
        return Response(orjson.dumps(app.openapi()), media_type="application/json")


def _notices(run: HeldRun, settings: Settings, now: datetime) -> tuple[str, ...]:
    return run_notices(run, run.trained_as_of, settings, now)
