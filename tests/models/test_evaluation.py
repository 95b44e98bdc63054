"""The evaluation document: its schema, its figures, and what it claims."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from data.errors import ModelContractError
from models.baselines import BASELINES
from models.evaluation import evaluate, write_evaluation
from models.split import Split, Window

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "models" / "evaluation.schema.json").read_text())
START = datetime(2025, 1, 6, tzinfo=UTC)
T1, T2, AS_OF = (START + timedelta(days=d) for d in (100, 150, 250))


def _world(deals, *, skill=1.0, seed=0, weeks=3):
    """Deals of three weekly snapshots; p_win knows `skill` of what there is to know."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, deals)
    won = rng.random(deals) < 1 / (1 + np.exp(-z))
    start = np.sort(rng.integers(0, 215, deals))
    rows = np.repeat(np.arange(deals), weeks)
    at = [START + timedelta(days=int(start[d]) + 7 * i) for d in range(deals) for i in range(weeks)]
    closed = [START + timedelta(days=int(start[d]) + 7 * weeks - 3) for d in rows]
    instant = pa.timestamp("us", "UTC")
    labels = pa.table(
        {
            "opportunity_id": [f"d{d:05}" for d in rows],
            "as_of": pa.array(at, instant),
            "y": pa.array(won[rows].astype(np.int8)),
            "closed_at": pa.array(closed, instant),
        }
    )
    ages = [float(1 + 7 * i) for _ in range(deals) for i in range(weeks)]
    frame = labels.select(["opportunity_id", "as_of"])
    frame = frame.append_column("stage", pa.array(["early", "middle", "late"] * deals))
    frame = frame.append_column("deal_age_days", pa.array(ages))
    p_win = 1 / (1 + np.exp(-skill * z[rows] - 0.2 * (1 - skill) * rng.normal(0, 1, len(rows))))
    return frame, labels, p_win


def _split(labels):
    def window(start, end):
        inside = np.array([start <= t < end for t in labels["as_of"].to_pylist()], dtype=bool)
        known = np.array([c < end for c in labels["closed_at"].to_pylist()], dtype=bool)
        return Window(start, end, inside, inside & known)

    gap = timedelta(days=7)
    return Split(AS_OF, window(START, T1), window(T1, T2), window(T2 + gap, AS_OF), None)


def _evaluate(world, **changes):
    frame, labels, p_win = world
    split = _split(labels)
    n = int(split.test.known.sum())
    rng = np.random.default_rng(1)
    arguments = {
        "weight": rng.random(n) + 0.5,
        "p_win": p_win[split.test.known],
        "baselines": {name: np.full(n, 0.5) for name in BASELINES},
        "replicates": 60,
        "model_version": "win-test",
    }
    return evaluate(frame, labels, split=split, **{**arguments, **changes})


@pytest.fixture(scope="module")
def skilled():
    return _evaluate(_world(400))


def test_the_document_follows_the_published_schema_and_survives_writing(skilled, tmp_path):
    document, predictions = write_evaluation(skilled, tmp_path / "runs" / "r1")
    read = orjson.loads(document.read_bytes())
    jsonschema.validate(read, SCHEMA)
    assert read == skilled.document
    assert pq.read_table(predictions).equals(skilled.predictions)


def test_the_predictions_hold_the_contracts_columns_and_only_test_rows_of_known_outcome(skilled):
    table = skilled.predictions
    assert table.column_names == ["opportunity_id", "as_of", "y", "weight", "p_win", *BASELINES]
    assert table["y"].null_count == 0
    assert set(table["y"].to_pylist()) == {0, 1}
    assert min(table["as_of"].to_pylist()) >= T2 + timedelta(days=7)


def test_metrics_are_those_of_exactly_the_predictions_rows_with_their_weights(skilled):
    table = skilled.predictions
    y, p, weight = (table[name].to_numpy() for name in ("y", "p_win", "weight"))
    win = skilled.document["metrics"]["win"]
    assert win["auc"] == pytest.approx(roc_auc_score(y, p, sample_weight=weight))
    assert win["log_loss"] == pytest.approx(log_loss(y, p, sample_weight=weight))
    assert win["brier"] == pytest.approx(np.average((y - p) ** 2, weights=weight))
    assert win["brier_skill"] == pytest.approx(1 - win["brier"] / 0.25)
    assert skilled.document["metrics"]["base_rate"]["log_loss"] == pytest.approx(np.log(2))
    assert skilled.document["metrics"]["base_rate"]["auc"] == 0.5
    saved = skilled.document["versus"]["base_rate"]["log_loss_difference"]
    assert saved == pytest.approx(np.log(2) - win["log_loss"])


def test_windows_say_when_snapshots_lay_until_when_labels_were_known_and_how_many(skilled):
    document = skilled.document
    assert document["train"]["label_max"] == "2025-04-16T00:00:00Z"
    assert document["calibration"]["label_max"] == "2025-06-05T00:00:00Z"
    assert document["train"]["as_of_min"] >= "2025-01-06T00:00:00Z"
    assert document["train"]["as_of_max"] < document["train"]["label_max"]
    assert document["calibration"]["label_max"] < document["test"]["as_of_min"]
    assert document["test"]["rows"] == skilled.predictions.num_rows
    assert document["test"]["won"] + document["test"]["lost"] == document["test"]["deals"]
    assert document["train"]["censored_rows"] > 0


def test_slices_by_stage_and_age_cover_every_row_once(skilled):
    document = skilled.document
    assert sum(s["rows"] for s in document["by_stage"]) == document["test"]["rows"]
    assert {s["stage"] for s in document["by_stage"]} == {"early", "middle", "late"}
    assert [(s["age_from_days"], s["age_to_days"]) for s in document["by_age"]] == [(0, 2), (7, 14), (14, 30)]
    assert sum(s["rows"] for s in document["by_age"]) == document["test"]["rows"]
    two_days = document["by_min_age_days"][0]
    assert two_days["min_age_days"] == 2
    assert two_days["rows"] == sum(s["rows"] for s in document["by_age"][1:])
    assert two_days["metrics"]["win"]["log_loss_interval"] is not None


def test_each_deal_counts_once_in_the_scores_per_deal():
    frame, labels, p_win = _world(60)
    split = _split(labels)
    found = _evaluate((frame, labels, p_win), weight=np.ones(int(split.test.known.sum())))
    y, p, deals = (found.predictions[name].to_numpy() for name in ("y", "p_win", "opportunity_id"))
    by_deal = [np.mean((y[deals == deal] - p[deals == deal]) ** 2) for deal in np.unique(deals)]
    assert found.document["per_deal"]["win"]["brier"] == pytest.approx(np.mean(by_deal))


def test_a_model_that_knows_more_than_its_baselines_claims_skill_in_words(skilled):
    assert skilled.claims_skill
    assert re.search(r"log-loss is \d+\.\d% below", skilled.document["headline"])


def test_a_model_that_knows_nothing_does_not_claim_skill_and_says_so():
    frame, labels, p_win = _world(400, skill=0.0)
    found = _evaluate((frame, labels, p_win))
    assert not found.claims_skill
    assert found.document["headline"].startswith("No skill beyond the base rate is shown")


def test_beating_the_base_rate_but_not_the_stage_probabilities_is_no_skill():
    frame, labels, p_win = _world(400)
    split = _split(labels)
    p = p_win[split.test.known]
    baselines = {name: np.full(len(p), 0.5) for name in BASELINES}
    found = _evaluate((frame, labels, p_win), baselines={**baselines, "stage_probability": p})
    assert not found.claims_skill
    assert "no skill beyond the stage probabilities" in found.document["headline"]


def test_shuffled_outcomes_give_an_auc_near_one_half():
    frame, labels, p_win = _world(1000)
    y = labels["y"].to_numpy().reshape(-1, 3)
    turned = np.random.default_rng(3).permutation(y).ravel()
    labels = labels.set_column(2, "y", pa.array(turned))
    assert 0.45 <= _evaluate((frame, labels, p_win)).document["metrics"]["win"]["auc"] <= 0.55


def test_one_outcome_only_gives_nulls_and_a_note_instead_of_a_traceback():
    frame, labels, p_win = _world(60)
    labels = labels.set_column(2, "y", pa.array(np.ones(labels.num_rows, np.int8)))
    found = _evaluate((frame, labels, p_win))
    jsonschema.validate(orjson.loads(orjson.dumps(found.document)), SCHEMA)
    assert found.document["metrics"]["win"]["auc"] is None
    assert found.document["metrics"]["win"]["log_loss"] is not None
    assert not found.claims_skill
    assert "test deals were won" in found.document["notes"][0]


def test_no_test_rows_at_all_give_a_document_that_says_nothing_could_be_scored():
    frame, labels, p_win = _world(5)
    found = _evaluate((frame.slice(0, 0), labels.slice(0, 0), p_win[:0]))
    jsonschema.validate(orjson.loads(orjson.dumps(found.document)), SCHEMA)
    assert found.document["headline"] == "The model could not be scored out of time."
    assert found.document["test"]["as_of_min"] is None


def test_a_few_test_deals_never_claim_skill_however_good_they_look():
    frame, labels, _ = _world(12)
    p = np.where(labels["y"].to_numpy() == 1, 0.99, 0.01)
    found = _evaluate((frame, labels, p))
    assert not found.claims_skill
    assert "too few to claim skill" in found.document["notes"][0]


def test_a_prediction_that_is_not_finite_is_noted_and_not_scored():
    frame, labels, p_win = _world(60)
    p = p_win.copy()
    p[_split(labels).test.known.nonzero()[0][0]] = np.nan
    found = _evaluate((frame, labels, p))
    jsonschema.validate(orjson.loads(orjson.dumps(found.document)), SCHEMA)
    assert found.document["metrics"]["win"]["log_loss"] is None
    assert "1 values of 'p_win' are not finite" in found.document["notes"][-1]


def test_predictions_for_other_rows_are_refused_by_column():
    with pytest.raises(ModelContractError, match="column 'p_win'"):
        _evaluate(_world(60), p_win=np.full(3, 0.5))


def test_the_documentation_names_every_field_of_the_schema():
    words = (ROOT / "docs" / "evaluation.md").read_text()
    fields = set(SCHEMA["properties"]) | {
        name for part in SCHEMA["$defs"].values() for name in part.get("properties", {})
    }
    missing = {name for name in fields if f"`{name.removesuffix('_interval')}" not in words}
    assert not missing
