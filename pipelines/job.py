"""What a run is given, and what it gives back."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from data.settings import Settings
from serving.run_id import run_started_at

__all__ = ["Job", "RunResult", "Status"]

Status = Literal["done", "skipped"]


@dataclass(frozen=True)
class Job:
    """A run under way: its settings and its id, which holds the instant it began."""

    settings: Settings
    run_id: str

    @property
    def now(self) -> datetime:
        """The instant the run began, the only clock it reads."""
        return run_started_at(self.run_id)

    @property
    def workspace(self) -> Path:
        """The workspace's folder."""
        return self.settings.workspace

    @property
    def run_dir(self) -> Path:
        """The folder of this run's own findings, created on first use."""
        folder = self.workspace / "runs" / self.run_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    contracts: how many wait for their renewal and were scored, None where renewals were left out. metrics:
    the headline per model, null where nothing could be scored.
    """

    run_id: str
    status: Status
    message: str
    as_of: datetime | None = None
    model_version: str | None = None
    is_baseline: bool | None = None
    open_deals: int | None = None
    contracts: int | None = None
    renewal_model_version: str | None = None
    promoted: bool | None = None
    claims_skill: bool | None = None
    metrics: dict[str, Any] | None = None
    paths: dict[str, str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
