"""What the runs of a workspace found out about their models: files by run, read as they are.

Each run keeps its evaluation, audit and the like in WORKSPACE/runs/<run_id>; the ledger of promotions lies in
the workspace. None of it needs the registry.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import ModelContractError
from models.ledger import LEDGER_FILE, Entry, read_ledger
from serving.published import Published
from serving.run_id import is_run_id

__all__ = ["FILES", "ModelFiles", "Subject", "model_files"]

FILES = {
    "win": ("evaluation.json", "win_test_predictions.parquet", "audit.json"),
    "renewal": ("renewal_evaluation.json", "renewal_test_predictions.parquet", "renewal_audit.json"),
}
"""By subject: the evaluation, the test predictions it is of, and the audit before it."""
_MOST_RUNS = 100

Document = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is predicted, "win" or "renewal", as a workspace's runs up to one of them found it.

    evaluations: by run id, newest first. decisions: of the ledger, oldest first.
    """

    name: str
    evaluations: dict[str, Document]
    decisions: tuple[Entry, ...]

    def run_of(self, version: str) -> str | None:
        """The newest run that evaluated that model."""
        return next((run for run, held in self.evaluations.items() if held["model_version"] == version), None)

    def newest_but(self, version: str | None) -> str | None:
        """The newest run that evaluated another model."""
        return next((run for run, held in self.evaluations.items() if held["model_version"] != version), None)

    def decision_of(self, run_id: str) -> Entry | None:
        """What was decided about the model of that run."""
        return next((one for one in reversed(self.decisions) if one.run_id == run_id), None)


@dataclass(frozen=True)
class ModelFiles:
    """The files of a workspace's runs up to one of them, the newest first."""

    workspace: Path
    run_ids: tuple[str, ...]

    def subject(self, name: str) -> Subject:
        """Everything that was evaluated and decided about a subject."""
        evaluations = {run: self.json(run, FILES[name][0]) for run in self.run_ids}
        held = {run: one for run, one in evaluations.items() if one is not None}
        return Subject(name, held, tuple(one for one in self.ledger() if one.model == name))

    def ledger(self) -> tuple[Entry, ...]:
        """Every decision of these runs, oldest first; none where the ledger cannot be trusted."""
        try:
            entries = read_ledger(self.workspace / LEDGER_FILE)
        except ModelContractError:
            return ()
        return tuple(one for one in entries if one.run_id <= self.run_ids[0]) if self.run_ids else ()

    def json(self, run_id: str, name: str) -> Document | None:
        """A run's JSON file; None where it has none, or one that cannot be read."""
        try:
            held = orjson.loads((self.workspace / "runs" / run_id / name).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        return held if isinstance(held, dict) else None

    def newest(self, name: str) -> tuple[str, Document] | None:
        """The newest run that has the JSON file, and what it holds."""
        for run in self.run_ids:
            held = self.json(run, name)
            if held is not None:
                return run, held
        return None

    def predictions(self, run_id: str, name: str) -> pa.Table | None:
        """A run's test predictions; None where it has none."""
        path = self.workspace / "runs" / run_id / name
        try:
            return pq.ParquetFile(path).read()
        except (OSError, pa.ArrowInvalid):
            return None


def model_files(published: Published) -> ModelFiles:
    """The files of the runs up to the published one, at most the newest hundred."""
    workspace = published.folder.parent.parent
    folder = workspace / "runs"
    names = (one.name for one in folder.iterdir()) if folder.is_dir() else ()
    runs = sorted((one for one in names if is_run_id(one) and one <= published.run_id), reverse=True)
    return ModelFiles(workspace, tuple(runs[:_MOST_RUNS]))
