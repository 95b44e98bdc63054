import subprocess
import sys
from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ModelContractError
from models.arrays import known_outcomes
from models.calibration import Calibration, sigmoid
from models.manifest import verified_files, write_manifest
from models.split import time_split
from models.training import train_win
from models.win_model import OtherFormatError, WinModel, baseline_model


@pytest.fixture(scope="module")
def model(world):
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    return train_win(world.frame, world.labels, split, world.features, seed=7, n_trials=0)


@pytest.fixture(scope="module")
def baseline(world):
    y = known_outcomes(world.labels)
    return baseline_model(
        world.frame, y, weight=np.ones(y.size), features=world.features, reason="Too few deals have closed."
    )


@pytest.fixture
def saved(model, tmp_path):
    return model.save(tmp_path / "model")


DEALS = st.fixed_dictionaries(
    {
        "champion_met": st.none() | st.booleans(),
        "meetings": st.none() | st.integers(-10, 10_000),
        "days_in_stage": st.none() | st.floats(allow_nan=True, allow_infinity=True),
        "stage": st.none() | st.sampled_from(["a", "b", "c", "never seen", "(other)", ""]),
        "region": st.none() | st.text(max_size=5),
    }
)
SCHEMA = pa.schema(
    {
        "champion_met": pa.bool_(),
        "meetings": pa.int64(),
        "days_in_stage": pa.float64(),
        "stage": pa.string(),
        "region": pa.string(),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(DEALS, min_size=1, max_size=5))
def test_base_plus_contributions_is_the_log_odds_of_the_probability_for_any_deal(model, rows):
    frame = pa.Table.from_pylist(rows, schema=SCHEMA)
    base, parts = model.contributions(frame)
    p = model.p_win(frame)
    assert parts.shape == (len(rows), len(model.feature_names))
    assert base + parts.sum(axis=1) == pytest.approx(model.log_odds(frame), abs=1e-9)
    assert base + parts.sum(axis=1) == pytest.approx(np.log(p / (1 - p)), abs=1e-6)
    assert ((p > 0) & (p < 1)).all()


def test_an_explanation_that_does_not_add_up_is_refused(model, world, monkeypatch):
    true = WinModel.log_odds_of
    monkeypatch.setattr(WinModel, "log_odds_of", lambda self, rows: true(self, rows) + 1e-5)
    with pytest.raises(ModelContractError, match="equal the log-odds"):
        model.contributions(world.frame.slice(0, 3))


def test_a_row_that_is_encoded_already_scores_as_in_its_frame(model, world):
    frame = world.frame.slice(0, 4)
    matrix = model.encoder.transform(frame)
    assert model.log_odds_of(matrix[2]).tolist() == [model.log_odds(frame)[2]]
    base, parts = model.contributions_of(matrix[2])
    assert (base, parts[0].tolist()) == (
        model.contributions(frame)[0],
        model.contributions(frame)[1][2].tolist(),
    )


def test_an_empty_frame_gives_empty_scores_and_the_same_base(model, world):
    nothing = world.frame.slice(0, 0)
    assert model.log_odds(nothing).shape == (0,)
    base, parts = model.contributions(nothing)
    assert base == model.contributions(world.frame)[0]
    assert parts.shape == (0, len(model.feature_names))


def test_permuted_columns_give_the_same_probabilities(model, world):
    names = world.frame.column_names
    rng = np.random.default_rng(0)
    for _ in range(5):
        shuffled = world.frame.select([str(name) for name in rng.permutation(names)])
        assert np.array_equal(model.log_odds(shuffled), model.log_odds(world.frame))


def test_renamed_and_missing_columns_are_refused_never_scored(model, world):
    renamed = [
        "region" if n == "stage" else "stage" if n == "region" else n for n in world.frame.column_names
    ]
    gone = world.frame.drop_columns(["meetings"])
    with pytest.raises(ModelContractError, match="'meetings'"):
        model.log_odds(gone)
    with pytest.raises(ModelContractError, match="'days_in_stage'"):
        model.contributions(world.frame.rename_columns({"days_in_stage": "days"}))
    twice = world.frame.append_column("meetings", world.frame["meetings"])
    with pytest.raises(ModelContractError, match=r"'meetings'.*found 2"):
        model.log_odds(twice)
    # two columns of one type whose names were exchanged hold levels that nobody has seen there
    swapped = world.frame.rename_columns(renamed)
    assert set(model.encoder.decode(swapped)["stage"].to_pylist()) == {"(other)", None}


def test_unseen_and_missing_categories_are_both_scored_and_told_apart(model, world):
    row = world.frame.slice(0, 1).to_pylist()[0]
    frame = pa.Table.from_pylist(
        [row | {"region": "never seen"}, row | {"region": None}], schema=world.frame.schema
    )
    codes = model.encoder.transform(frame)[:, model.feature_names.index("region")]
    assert np.isnan(codes).tolist() == [False, True]
    assert np.isfinite(model.log_odds(frame)).all()


def test_a_saved_model_predicts_the_same_to_the_last_bit(model, saved, world):
    loaded = WinModel.load(saved)
    assert loaded == model
    assert loaded.version == model.version
    assert np.array_equal(loaded.log_odds(world.frame), model.log_odds(world.frame))
    base, parts = model.contributions(world.frame)
    assert loaded.contributions(world.frame)[0] == base
    assert np.array_equal(loaded.contributions(world.frame)[1], parts)


def test_saving_twice_writes_the_same_bytes(model, saved, tmp_path):
    again = model.save(tmp_path / "again")
    assert {f.name: f.read_bytes() for f in saved.iterdir()} == {
        f.name: f.read_bytes() for f in again.iterdir()
    }
    assert sorted(f.name for f in saved.iterdir()) == ["booster.txt", "manifest.json", "model.json"]


def test_metrics_can_be_noted_without_changing_the_version(model, tmp_path):
    noted = model.with_metrics({"auc": 0.75})
    assert noted.version == model.version
    assert WinModel.load(noted.save(tmp_path / "noted")).metrics == {"auc": 0.75}


def test_anything_that_changes_a_prediction_changes_the_version(model):
    assert model.version.startswith("win-")
    assert replace(model, calibration=Calibration(1.0, 0.5)).version != model.version
    assert replace(model, booster_text=model.booster_text + " ").version != model.version


@pytest.mark.parametrize("name", ["booster.txt", "model.json"])
def test_a_flipped_byte_is_refused_by_name(saved, name):
    content = bytearray((saved / name).read_bytes())
    for place in (0, len(content) // 2, len(content) - 1):
        flipped = content.copy()
        flipped[place] ^= 1
        (saved / name).write_bytes(flipped)
        with pytest.raises(ModelContractError, match=name):
            WinModel.load(saved)


def test_any_flipped_byte_of_the_manifest_is_refused_by_name(saved):
    path = saved / "manifest.json"
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        with pytest.raises(ModelContractError, match=r"manifest\.json"):
            WinModel.load(saved)


@pytest.mark.parametrize("name", ["booster.txt", "model.json", "manifest.json"])
def test_an_absent_file_is_refused_by_name(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelContractError, match=name):
        WinModel.load(saved)


def test_a_truncated_booster_is_refused_and_the_process_lives_on(saved):
    path = saved / "booster.txt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code = (
        "import sys; from pathlib import Path; from models.win_model import load_model\n"
        "from data.errors import ModelContractError\n"
        "try: load_model(Path(sys.argv[1]))\n"
        "except ModelContractError as error: print(error)\n"
        "print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=True
    )
    assert "booster.txt" in done.stdout
    assert done.stdout.strip().endswith("alive")


def test_a_manifest_that_points_outside_the_folder_is_refused(saved):
    manifest = orjson.loads((saved / "manifest.json").read_bytes())
    manifest["files"]["../other.txt"] = {"sha256": "0", "bytes": 1}
    (saved / "manifest.json").write_bytes(orjson.dumps(manifest))
    with pytest.raises(ModelContractError, match="outside the folder"):
        WinModel.load(saved)


def test_a_baseline_gives_one_probability_with_no_reasons_and_says_what_it_is(baseline, world):
    y = known_outcomes(world.labels)
    expected = (np.nansum(y) + 1) / ((~np.isnan(y)).sum() + 2)
    assert baseline.p_win(world.frame) == pytest.approx(expected)
    base, parts = baseline.contributions(world.frame)
    assert sigmoid(np.array([base]))[0] == pytest.approx(expected)
    assert parts.shape == (world.frame.num_rows, len(world.features))
    assert not parts.any()
    assert baseline.version.startswith("baseline-")
    assert baseline.note == "Too few deals have closed."


def test_a_baseline_can_be_saved_and_loaded_and_has_no_booster(baseline, tmp_path):
    folder = baseline.save(tmp_path / "baseline")
    assert WinModel.load(folder) == baseline
    assert sorted(f.name for f in folder.iterdir()) == ["manifest.json", "model.json"]


def test_without_any_closed_deal_the_baseline_says_a_half(world):
    frame = world.frame.slice(0, 3)
    none = baseline_model(
        frame, np.full(3, np.nan), weight=np.ones(3), features=world.features, reason="No deal has closed."
    )
    assert none.p_win(frame).tolist() == [0.5, 0.5, 0.5]
    empty = baseline_model(
        frame.slice(0, 0), np.array([]), weight=np.array([]), features=world.features, reason="No deals."
    )
    assert empty.log_odds(frame).tolist() == [0, 0, 0]


def test_a_model_of_another_format_is_told_from_a_damaged_one(saved):
    contents, manifest = verified_files(saved)
    stored = orjson.loads(contents["model.json"]) | {"format": 2}
    write_manifest(saved, {**contents, "model.json": orjson.dumps(stored)}, {"version": manifest["version"]})
    with pytest.raises(OtherFormatError, match="another version of dealcast"):
        WinModel.load(saved)
