"""The registry against a real MLflow store: what comes out is what went in, or is refused by name."""

from pathlib import Path

import pytest

from data.errors import ModelContractError
from models.manifest import write_manifest
from models.registry import (
    CHAMPION,
    RegistryUnreachableError,
    TrainingRecord,
    alias_version,
    fetch,
    load_champion,
    mark_killed_runs,
    move_alias,
    register,
    store_at,
)


@pytest.fixture
def store(tmp_path):
    return store_at(tmp_path)


def _saved(where, model_version, text="tree\n"):
    folder = where / f"saved-{model_version}"
    write_manifest(folder, {"booster.txt": text.encode(), "model.json": b"{}"}, {"version": model_version})
    return folder


def _record(folder, model_version, **artifacts):
    evaluation = {
        "metrics": {"win": {"auc": 0.8, "auc_interval": [0.7, 0.9], "ece": None}},
        "versus": {"base_rate": {"log_loss_difference": 0.1}},
    }
    return TrainingRecord("r1", model_version, folder, {"num_leaves": 15}, evaluation, "data-sha", artifacts)


def _files_of(store, model_version):
    found = [p for p in (store.workspace / "mlartifacts").rglob("booster.txt") if p.parent.name == "model"]
    return next(p.parent for p in found if model_version in (p.parent / "manifest.json").read_text())


def test_a_registered_model_comes_back_byte_for_byte_with_its_figures_and_files(store, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("<p>figures</p>")
    made = register(store, _record(_saved(tmp_path, "v1"), "v1", report=(report,)))
    move_alias(store, CHAMPION, made.version)
    champion = load_champion(store)
    assert champion.folder == tmp_path.resolve() / "models" / "v1"
    assert (champion.folder / "booster.txt").read_bytes() == b"tree\n"
    assert champion.degraded is None
    from mlflow.tracking import MlflowClient

    run = MlflowClient(store.tracking_uri).get_run(made.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"win.auc": 0.8, "versus.base_rate.log_loss_difference": 0.1}
    assert run.data.params == {"num_leaves": "15"}
    assert run.data.tags["data_fingerprint"] == "data-sha"
    assert "source_version" in run.data.tags
    names = {p.name for p in (tmp_path / "mlartifacts").rglob("*") if p.is_file()}
    assert names == {"booster.txt", "model.json", "manifest.json", "report.html"}


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest too"])
def test_a_damaged_artifact_is_refused_by_name_and_the_last_verified_champion_serves_on(
    store, tmp_path, damage
):
    first = register(store, _record(_saved(tmp_path, "v1"), "v1"))
    second = register(store, _record(_saved(tmp_path, "v2", "other tree\n"), "v2"))
    move_alias(store, CHAMPION, first.version)
    assert load_champion(store).version == "1"
    files = _files_of(store, "v2")
    if damage == "flip":
        (files / "booster.txt").write_bytes(b"Other tree\n")
    elif damage == "cut":
        (files / "booster.txt").write_bytes(b"oth")
    elif damage == "remove":
        (files / "booster.txt").unlink()
    else:
        write_manifest(files, {"booster.txt": b"evil\n", "model.json": b"{}"}, {"version": "v2"})
    with pytest.raises(
        ModelContractError, match=r"manifest\.json" if damage == "manifest too" else r"booster\.txt"
    ):
        fetch(store, second.version)
    move_alias(store, CHAMPION, second.version)
    champion = load_champion(store)
    assert champion.version == "1"
    assert "version 2 refused" in champion.degraded
    assert not (tmp_path / "models" / "v2").exists()


def test_with_the_registry_away_the_verified_copy_serves_and_says_so(store, tmp_path):
    made = register(store, _record(_saved(tmp_path, "v1"), "v1"))
    move_alias(store, CHAMPION, made.version)
    load_champion(store)
    store.database.write_bytes(b"not a database" * 100)
    away = store_at(tmp_path, tracking_uri=f"sqlite:///{tmp_path / 'gone.db'}")
    for broken in (store, away):
        champion = load_champion(broken)
        assert champion.model_version == "v1"
        assert champion.degraded.startswith("registry: degraded")
    assert not (tmp_path / "gone.db").exists()


def test_with_the_registry_away_and_no_copy_the_error_names_the_store(store):
    with pytest.raises(RegistryUnreachableError, match=r"mlflow\.db"):
        load_champion(store)


def test_a_local_copy_that_was_altered_is_replaced_from_the_registry(store, tmp_path):
    made = register(store, _record(_saved(tmp_path, "v1"), "v1"))
    move_alias(store, CHAMPION, made.version)
    copy = load_champion(store).folder
    (copy / "booster.txt").write_text("altered")
    assert (load_champion(store).folder / "booster.txt").read_text() == "tree\n"


def test_a_champion_whose_version_was_deleted_serves_on_from_its_copy(store, tmp_path):
    made = register(store, _record(_saved(tmp_path, "v1"), "v1"))
    move_alias(store, CHAMPION, made.version)
    load_champion(store)
    move_alias(store, CHAMPION, None)
    assert alias_version(store, CHAMPION) is None
    assert "names no champion" in load_champion(store).degraded


def test_no_champion_yet_is_none(store, tmp_path):
    register(store, _record(_saved(tmp_path, "v1"), "v1"))
    assert load_champion(store) is None


def test_a_model_whose_files_do_not_match_is_not_registered(store, tmp_path):
    folder = _saved(tmp_path, "v1")
    (folder / "model.json").write_text("[]")
    with pytest.raises(ModelContractError, match=r"model\.json"):
        register(store, _record(folder, "v1"))
    assert not store.database.exists()


def test_a_run_that_a_killed_process_left_running_is_marked_but_not_that_of_another_workspace(
    store, tmp_path
):
    from mlflow.tracking import MlflowClient

    made = register(store, _record(_saved(tmp_path, "v1"), "v1"))
    elsewhere = store_at(tmp_path / "elsewhere", tracking_uri=store.tracking_uri)
    other = register(elsewhere, _record(_saved(tmp_path, "v2"), "v2"))
    client = MlflowClient(store.tracking_uri)
    for run in (made, other):
        client.update_run(run.mlflow_run_id, status="RUNNING")
    assert mark_killed_runs(store) == (made.mlflow_run_id,)
    assert client.get_run(made.mlflow_run_id).info.status == "KILLED"
    assert client.get_run(other.mlflow_run_id).info.status == "RUNNING"


def test_a_registration_that_fails_half_way_leaves_a_failed_run_and_no_version(store, tmp_path):
    from mlflow.tracking import MlflowClient

    missing = tmp_path / "not written.html"
    with pytest.raises(RegistryUnreachableError):
        register(store, _record(_saved(tmp_path, "v1"), "v1", report=(missing,)))
    client = MlflowClient(store.tracking_uri)
    experiment = client.get_experiment_by_name("dealcast")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]
    assert not client.search_model_versions("name = 'win'")


def test_a_model_version_that_would_leave_the_folder_is_refused(store, tmp_path):
    made = register(store, _record(_saved(tmp_path, "v1"), "../../outside"))
    with pytest.raises(ModelContractError, match="model_version"):
        fetch(store, made.version)


def test_importing_the_registry_does_not_import_mlflow():
    source = Path(__file__).parents[2] / "models" / "registry.py"
    top = [line for line in source.read_text().splitlines() if line.startswith(("import", "from"))]
    assert not any("mlflow" in line for line in top)
