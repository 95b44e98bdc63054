"""The model registry: MLflow keeps every trained model, its figures and two aliases.

MLflow checks no artifact and a registry can be away, so nothing is used from it as it comes: a model
is copied into the workspace, its files are checked against their manifest, and the manifest against
the sha256 noted at registration. What was verified once keeps serving while the registry is away.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import orjson

from data.errors import DealcastError, ModelContractError
from models.manifest import MANIFEST, sha256_of, verified_files

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Champion",
    "Registered",
    "RegistryUnreachableError",
    "Store",
    "TrainingRecord",
    "alias_version",
    "experiment_of",
    "fetch",
    "load_champion",
    "mark_killed_runs",
    "move_alias",
    "owner_of",
    "register",
    "registry_client",
    "store_at",
]

CHAMPION, CHALLENGER = "champion", "challenger"

_POINTERS = {"win": "champion.json", "renewal": "renewal_champion.json"}
_OWNER_TAG = "dealcast.workspace"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class RegistryUnreachableError(DealcastError):
    """The registry does not answer, or answers with an error."""


@dataclass(frozen=True)
class Store:
    """Where models are registered (an MLflow tracking address) and where copies are kept."""

    workspace: Path
    tracking_uri: str
    experiment: str = "dealcast"
    name: Literal["win", "renewal"] = "win"

    @property
    def pointer(self) -> Path:
        """The file that names the champion's last verified copy."""
        return self.workspace / "models" / _POINTERS[self.name]

    @property
    def database(self) -> Path | None:
        """The SQLite file of a local store, None for any other address."""
        local = self.tracking_uri.removeprefix("sqlite:///")
        return Path(local) if local != self.tracking_uri else None


@dataclass(frozen=True)
class TrainingRecord:
    """What one training run leaves in the registry.

    model_dir: a saved model (booster.txt, model.json, manifest.json). evaluation: the document of
    evaluation.json. artifacts: files by the folder they go to ("report", "plots", ...).
    """

    run_id: str
    model_version: str
    model_dir: Path
    parameters: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    data_fingerprint: str
    artifacts: Mapping[str, tuple[Path, ...]]


@dataclass(frozen=True)
class Registered:
    """A version in the registry ("1", "2", ...) and the MLflow run that made it."""

    version: str
    mlflow_run_id: str


@dataclass(frozen=True)
class Champion:
    """A verified local copy of the model that serves; `degraded` says why it is not the registry's, if so."""

    folder: Path
    version: str
    model_version: str
    degraded: str | None = None


def store_at(
    workspace: Path, *, tracking_uri: str | None = None, name: Literal["win", "renewal"] = "win"
) -> Store:
    """The store of a workspace: WORKSPACE/mlflow.db unless another tracking address is set.

    name: of the registered model.
    """
    where = workspace.resolve()
    return Store(where, tracking_uri or f"sqlite:///{where / 'mlflow.db'}", name=name)


def register(store: Store, record: TrainingRecord) -> Registered:
    """Log a run with its parameters, metrics and files, and register its model as a new version.

    Raises ModelContractError if the model's files are not what their manifest says, and
    RegistryUnreachableError if the registry fails; the run is then marked FAILED where it can be.
    """
    verified_files(record.model_dir)
    manifest = sha256_of((record.model_dir / MANIFEST).read_bytes())
    tags = {
        "model_version": record.model_version,
        "manifest_sha256": manifest,
        "dealcast.run_id": record.run_id,
    }
    with registry_client(store, create=True) as client:
        run_tags = {**tags, _OWNER_TAG: owner_of(store), "data_fingerprint": record.data_fingerprint}
        run = client.create_run(
            experiment_of(client, store), tags={**run_tags, **_source_version()}, run_name=record.run_id
        )
        run_id = run.info.run_id
        try:
            _log(client, run_id, record)
            _ensure_model(client, store)
            made = client.create_model_version(
                store.name, f"{run.info.artifact_uri}/model", run_id=run_id, tags=tags
            )
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
        return Registered(str(made.version), run_id)


def alias_version(store: Store, alias: str) -> str | None:
    """The version an alias stands for, None if it stands for none."""
    with registry_client(store) as client:
        found = client.search_registered_models(f"name = '{store.name}'")
        # the list may omit aliases on some servers, so the model itself is asked
        aliases = client.get_registered_model(store.name).aliases if found else {}
        return str(aliases[alias]) if alias in aliases else None


def move_alias(store: Store, alias: str, version: str | None) -> None:
    """Make an alias stand for a version (in one step), or for none."""
    with registry_client(store) as client:
        if version is None:
            client.delete_registered_model_alias(store.name, alias)
        else:
            client.set_registered_model_alias(store.name, alias, version)


def fetch(store: Store, version: str) -> Champion:
    """A verified copy of a version in WORKSPACE/models/<model_version>/, downloaded if it is not there.

    Raises ModelContractError naming the file that is missing or altered; nothing unverified is left
    under the final name.
    """
    with registry_client(store) as client:
        found = client.get_model_version(store.name, version)
        tags, run_id = dict(found.tags), str(found.run_id)
        model_version = _plain_name(str(tags.get("model_version", "")), version)
        folder = store.workspace / "models" / model_version
        try:
            _verify(folder, tags.get("manifest_sha256"))
        except ModelContractError:
            _download(client, run_id, folder, version, tags.get("manifest_sha256"))
    return Champion(folder, version, model_version)


def load_champion(store: Store) -> Champion | None:
    """The champion as a verified local copy; None if there has never been one.

    If the registry is away, has lost the alias, or holds altered files, the last verified copy is
    returned with `degraded` set. Raises ModelContractError or RegistryUnreachableError if there is none.
    """
    try:
        version = alias_version(store, CHAMPION)
        if version is None:
            return _last_verified(store, "the registry names no champion")
        champion = fetch(store, version)
    except (ModelContractError, RegistryUnreachableError) as error:
        last = _last_verified(store, str(error))
        if last is None:
            raise
        return last
    _write_pointer(store, champion)
    return champion


def mark_killed_runs(store: Store) -> tuple[str, ...]:
    """Mark as KILLED the runs that this workspace's earlier processes left RUNNING; returns their ids.

    Call it under the workspace lock, when no other run of this workspace can be alive.
    """
    if store.database is not None and not store.database.exists():
        return ()
    with registry_client(store) as client:
        experiment = client.get_experiment_by_name(store.experiment)
        if experiment is None:
            return ()
        mine = f"attributes.status = 'RUNNING' and tags.`{_OWNER_TAG}` = '{owner_of(store)}'"
        runs = client.search_runs([experiment.experiment_id], mine, max_results=1000)
        for run in runs:
            client.set_terminated(run.info.run_id, "KILLED")
        return tuple(str(run.info.run_id) for run in runs)


@contextmanager
def registry_client(store: Store, *, create: bool = False) -> Iterator[Any]:
    """A client; whatever goes wrong inside becomes RegistryUnreachableError, our own errors pass."""
    if not create and store.database is not None and not store.database.exists():
        raise RegistryUnreachableError(
            f"{store.database}: no such registry. Train a model, or restore the file from a backup."
        )
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            # MLflow's own tables use a loader that SQLAlchemy 2.1 deprecates
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            from mlflow.tracking import MlflowClient

            client = MlflowClient(store.tracking_uri, store.tracking_uri)
        yield client
    except DealcastError:
        raise
    except Exception as error:  # MLflow, SQLAlchemy and HTTP raise trees of their own
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise RegistryUnreachableError(
            f"Registry {_shown(store.tracking_uri)}: {reason}. Check the setting tracking_uri and that the "
            "store is up; published scores stay as they are."
        ) from error


def experiment_of(client: Any, store: Store) -> str:
    """The id of the experiment, created where it is not there yet."""
    found = client.get_experiment_by_name(store.experiment)
    if found is not None:
        return str(found.experiment_id)
    local = (store.workspace / "mlartifacts").as_uri() if store.database is not None else None
    return str(client.create_experiment(store.experiment, artifact_location=local))


def _ensure_model(client: Any, store: Store) -> None:
    if not client.search_registered_models(f"name = '{store.name}'"):
        client.create_registered_model(store.name)


def _log(client: Any, run_id: str, record: TrainingRecord) -> None:
    for name, value in record.parameters.items():
        client.log_param(run_id, name, str(value)[:6000])
    for name, value in _metrics(record.evaluation).items():
        client.log_metric(run_id, name, value)
    client.log_artifacts(run_id, str(record.model_dir), "model")
    for folder, files in record.artifacts.items():
        for file in files:
            client.log_artifact(run_id, str(file), folder)


def _metrics(document: Mapping[str, Any]) -> dict[str, float]:
    """`win.auc`, `logistic.log_loss`, `versus.base_rate.log_loss_difference`...: all that have a value."""
    tables = {**document["metrics"], **{f"versus.{name}": row for name, row in document["versus"].items()}}
    return {
        f"{table}.{name}": float(value)
        for table, row in tables.items()
        for name, value in row.items()
        if isinstance(value, int | float)
    }


def _download(client: Any, run_id: str, folder: Path, version: str, manifest_sha256: str | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder.parent) as temporary:
        try:
            client.download_artifacts(run_id, "model", temporary)
        except OSError as error:
            raise ModelContractError(
                f"Model version {version}: its files cannot be copied from the registry ({error}). "
                "Restore them, or roll back."
            ) from error
        copied = Path(temporary) / "model"
        try:
            _verify(copied, manifest_sha256)
        except ModelContractError as error:
            raise ModelContractError(f"Model version {version} refused: {error}") from error
        # a damaged copy is never mended in place: it goes, then the verified one takes its name
        if folder.exists():
            shutil.rmtree(folder)
        copied.replace(folder)


def _verify(folder: Path, manifest_sha256: str | None) -> None:
    verified_files(folder)
    found = sha256_of((folder / MANIFEST).read_bytes())
    if found != manifest_sha256:
        raise ModelContractError(
            f"{folder / MANIFEST}: expected sha256 {str(manifest_sha256)[:16]}…, noted when registered, "
            f"found {found[:16]}…. Restore the model's files, or roll back."
        )


def _last_verified(store: Store, why: str) -> Champion | None:
    """The copy that was the champion when the registry last answered, checked again."""
    try:
        noted = orjson.loads(store.pointer.read_bytes())
        folder = store.workspace / "models" / _plain_name(noted["model_version"], noted["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    _verify(folder, noted["manifest_sha256"])
    degraded = f"registry: degraded, serving the last verified copy (version {noted['version']}): {why}"
    return Champion(folder, noted["version"], noted["model_version"], degraded)


def _write_pointer(store: Store, champion: Champion) -> None:
    noted = {
        "version": champion.version,
        "model_version": champion.model_version,
        "manifest_sha256": sha256_of((champion.folder / MANIFEST).read_bytes()),
    }
    pointer = store.pointer
    fresh = pointer.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(noted, option=orjson.OPT_INDENT_2) + b"\n")
    fresh.replace(pointer)


def _plain_name(name: str, version: str) -> str:
    """A model version that may name a folder: what comes from a registry is not trusted to."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name):
        raise ModelContractError(
            f"Model version {version}, tag 'model_version': expected letters, digits, '.', '_' and '-', "
            f"found {name!r}. Register the model again."
        )
    return name


def owner_of(store: Store) -> str:
    """Tells this workspace's runs from others' on a shared server, without telling where it lies."""
    return sha256_of(f"{socket.gethostname()}:{store.workspace}".encode())[:16]


def _shown(uri: str) -> str:
    """An address without the credentials it may hold."""
    return re.sub(r"//[^@/]*@", "//", uri)


def _source_version() -> dict[str, str]:
    """The package's version, and the commit where the source is a git checkout."""
    found = {"source_version": _package_version()}
    try:
        root = Path(__file__).parents[1]
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return found
    return {**found, "source_commit": done.stdout.strip()} if done.returncode == 0 else found


def _package_version() -> str:
    try:
        return metadata.version("dealcast")
    except metadata.PackageNotFoundError:
        return "not installed"
