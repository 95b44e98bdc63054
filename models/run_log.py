"""Findings that are made after a model was registered: files and figures added to its MLflow run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.registry import CHALLENGER, CHAMPION, Store, experiment_of, owner_of, registry_client

__all__ = ["log_findings"]


def log_findings(
    store: Store, *, run_id: str, folder: str, files: Sequence[Path], metrics: Mapping[str, float]
) -> str:
    """Log to the run that made the champion, else the challenger, else to a run of its own; its MLflow id.

    run_id: of the dealcast run, the name of a run of its own. folder: where the files go. A figure that is
    logged again gets a further value. Raises RegistryUnreachableError if the registry fails.
    """
    with registry_client(store, create=True) as client:
        found = client.search_registered_models(f"name = '{store.name}'")
        aliases = client.get_registered_model(store.name).aliases if found else {}
        version = aliases.get(CHAMPION) or aliases.get(CHALLENGER)
        if version is not None:
            mlflow_run = str(client.get_model_version(store.name, str(version)).run_id)
        else:
            tags = {"dealcast.run_id": run_id, "dealcast.workspace": owner_of(store)}
            run = client.create_run(experiment_of(client, store), tags=tags, run_name=run_id)
            mlflow_run = str(run.info.run_id)
        for name, value in metrics.items():
            client.log_metric(mlflow_run, name, value)
        for file in files:
            client.log_artifact(mlflow_run, str(file), folder)
        if version is None:
            client.set_terminated(mlflow_run, "FINISHED")
    return mlflow_run
