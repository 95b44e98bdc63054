"""One line of JSON per request, and per export or write one more in a file that is only appended to."""

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.text import printable
from serving.web.writes import SAFE_METHODS

__all__ = ["AUDIT_FILE", "LOG_FILE", "AuditFile", "JsonLines", "RequestLog", "log_to"]

AUDIT_FILE = "audit.jsonl"
LOG_FILE = "serve.log"
_LOG = logging.getLogger("dealcast.serve")
_LONGEST = 500
_LOG_BYTES = 10_000_000
_LOG_FILES = 5
_ASKING = ("/score", "/scenario", "/what-if")
"""Addresses that are posted to because their question is long; nothing is kept of it."""
_SECRET_PARAMETERS = ("token",)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, what happened, and its fields with controls removed."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info).splitlines()
        return _line(line)


class _PrivateFile(RotatingFileHandler):
    """A log file, and those that it is turned over to, for their owner's eyes only."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return TextIOWrapper(os.fdopen(handle, "ab"), self.encoding, self.errors)


class AuditFile:
    """WORKSPACE/audit.jsonl: who exported or changed what, a line each, written in one go and kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, fields: Mapping[str, Any]) -> None:
        """Append a line. The file is readable by its owner alone."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{_line(fields)}\n".encode())
        finally:
            os.close(handle)


class RequestLog:
    """Gives each request an id, logs its outcome, and audits exports and writes that took place.

    Neither query strings nor headers nor bodies are logged; an address is logged as its route, since some
    carry a token.
    """

    def __init__(self, app: ASGIApp, *, audit: AuditFile, now: Callable[[], datetime]) -> None:
        self._app = app
        self._audit = audit
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and log how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        begun, status, sent = time.perf_counter(), 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                if status < 400 and _is_audited(scope):
                    # before the client hears of it: what is not on record did not happen
                    self._audit.write({"at": self._now().isoformat(), **_fields(scope, request_id, status)})
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            fields = _fields(scope, request_id, status)
            fields |= {"bytes": sent, "ms": round((time.perf_counter() - begun) * 1000, 2)}
            _LOG.info("request", extra={"fields": fields})


def log_to(path: Path) -> logging.Handler:
    """Send the server's log to a file, which is turned over at 10 MB; the handler, for whoever removes it.

    The file is readable by its owner alone: it says who looked at which deal.
    """
    handler = _PrivateFile(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8")
    handler.setFormatter(JsonLines())
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    return handler


def _fields(scope: Scope, request_id: str, status: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "request_id": request_id,
        "method": scope["method"],
        "route": _route(scope),
        "status": status,
        "actor": getattr(scope.get("state", {}).get("actor"), "user_id", None),
        "client": scope["client"][0] if scope.get("client") else None,
    }
    about = {
        name: value for name, value in scope.get("path_params", {}).items() if name not in _SECRET_PARAMETERS
    }
    return found | ({"about": about} if about else {})


def _route(scope: Scope) -> str:
    """The address with parameters' names in place of their values, some of which are secret."""
    if "endpoint" not in scope:
        return "(none)"
    names = {str(value): name for name, value in scope.get("path_params", {}).items()}
    return "/".join(f"{{{names[part]}}}" if part in names else part for part in str(scope["path"]).split("/"))


def _is_audited(scope: Scope) -> bool:
    path = str(scope["path"])
    return "export" in path or (scope["method"] not in SAFE_METHODS and not path.endswith(_ASKING))


def _line(fields: Mapping[str, Any]) -> str:
    return orjson.dumps({name: _plain(value) for name, value in fields.items()}, default=str).decode()


def _plain(value: Any) -> Any:
    """A value without what could forge a line or a terminal's screen."""
    if isinstance(value, Mapping):
        return {str(name): _plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return printable(value, longest=_LONGEST) if isinstance(value, str) else value
